package traffic

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/system/cause"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// ProbesOptions of RunProbes.
type ProbesOptions struct {
	Use   Use
	Every time.Duration // between two requests; 1 ms in a drill
	Clock *loop.Clock   // of the world that runs the drill
	// Deliver takes the samples of the last deliverEvery and may keep them. It is
	// called by one goroutine at a time.
	Deliver func([]drill.Sample)
}

// deliverEvery is how often samples are handed over.
const deliverEvery = 50 * time.Millisecond

// noticedWithin is how soon after its time-out a probe must be over. One that was
// not, stood still with its whole host, and its end says less than it seems.
const noticedWithin = 50 * time.Millisecond

// RunProbes measures a listener as a drill's independent witness until ctx ends.
// Requests that are under way at the end are dropped: their end was ours.
//
// Each request has a connection of its own, because a kept one would only show
// the backend that it happens to sit on. That costs about 60 µs of this process
// a request, 6 % of a core at a request each millisecond, and as much again in a
// balancer that runs in the same process.
func RunProbes(ctx context.Context, o ProbesOptions) error {
	if err := o.Use.check(); err != nil {
		return err
	}
	if o.Every <= 0 {
		return fmt.Errorf("traffic: probes every %s; expected more than 0", o.Every)
	}
	p := &probes{o: o, slots: slotsFor(o.Every, o.Use.Timeout)}
	u := newUser(o.Use)
	p.sessions.New = func() any { return &session{user: u} }
	l := &load{every: o.Every, slots: p.slots, do: p.one, shed: p.shed}
	delivering, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(delivering)
		t := time.NewTicker(deliverEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.deliver()
			case <-ended:
				p.deliver()
				return
			}
		}
	}()
	err := l.run(ctx)
	close(ended)
	<-delivering
	return err
}

type probes struct {
	o        ProbesOptions
	slots    int
	sessions sync.Pool // closed ones, for their buffers
	mu       sync.Mutex
	samples  []drill.Sample
}

func (p *probes) add(s drill.Sample) {
	p.mu.Lock()
	p.samples = append(p.samples, s)
	p.mu.Unlock()
}

func (p *probes) deliver() {
	p.mu.Lock()
	all := p.samples
	p.samples = make([]drill.Sample, 0, 2*len(all)+8)
	p.mu.Unlock()
	if len(all) > 0 {
		p.o.Deliver(all)
	}
}

// one sends one probe and waits for its whole answer.
func (p *probes) one(ctx context.Context, j job) {
	s := p.sessions.Get().(*session)
	defer p.sessions.Put(s)
	began := time.Now()
	deadline := began.Add(p.o.Use.Timeout)
	err := s.open(ctx, p.o.Use.Addresses[j.seq%uint64(len(p.o.Use.Addresses))], deadline)
	if err == nil {
		_, err = s.exchange(j.seq, deadline, false)
	}
	took := time.Since(began)
	s.close()
	if err != nil && ctx.Err() != nil {
		return
	}
	out := drill.Sample{
		At: p.o.Clock.Instant(began), Took: took, OK: err == nil, Server: s.server,
		Late: began.Sub(j.at) > p.o.Every || took > p.o.Use.Timeout+noticedWithin,
	}
	if err != nil {
		out.Unsent = cause.Ours(err)
		out.Reason = s.address + ": " + cause.Of(err, p.o.Use.Timeout)
	}
	p.add(out)
}

// shed notes a probe that found no place: this host could not keep up, which
// says nothing of the listener.
func (p *probes) shed(j job) {
	p.add(drill.Sample{
		At: p.o.Clock.Instant(j.at), Late: true, Unsent: true,
		Reason: fmt.Sprintf("not sent: %d probes are under way", p.slots),
	})
}
