package flow

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

// Backend is what outlives a table of one backend.
type Backend struct {
	Meter meter.Meter

	flows *Flows
	name  string
	left  bool         // the newest table does not have it; under the lock of flows
	limit atomic.Int64 // open flows; 0 none
	taken atomic.Int64 // places in use
	speed latency

	trouble trouble

	mu      sync.Mutex
	open    map[*Place]struct{} // all that were taken, but for those that were cut
	lost    bool                // it is down and others of its pool are not
	waiting []chan struct{}     // the queue, oldest first
}

// Name of the backend.
func (b *Backend) Name() string { return b.name }

// Place is one flow on one backend.
type Place struct {
	Name    string
	Address string
	Spec    *spec.Backend
	Pool    *spec.Pool
	Meter   *meter.Meter // the backend's

	backend *Backend
	cut     func() // nil until it is said
	lost    func() // nil when the flow stays whatever its probes say
	wasCut  bool
	good    atomic.Bool // its success is counted already
}

// take takes a place if there is one.
func (b *Backend) take(s *Snapshot, i int, p *balance.Pool) *Place {
	if limit := b.limit.Load(); limit > 0 {
		for {
			n := b.taken.Load()
			if n >= limit {
				return nil
			}
			if b.taken.CompareAndSwap(n, n+1) {
				break
			}
		}
	} else {
		b.taken.Add(1)
	}
	b.Meter.FlowOpen()
	place := &Place{Name: b.name, Address: s.Table.Backends[i].Address, Spec: s.Table.Backends[i].Spec, Pool: p.Spec, Meter: &b.Meter, backend: b}
	// From here on a cut finds it, though how it is cut is only said later.
	b.mu.Lock()
	b.open[place] = struct{}{}
	b.mu.Unlock()
	return place
}

// queue waits for a place.
func (b *Backend) queue(ctx context.Context, s *Snapshot, i int, p *balance.Pool) (*Place, error) {
	bs := s.Table.Backends[i].Spec
	turn := make(chan struct{}, 1)
	b.mu.Lock()
	if len(b.waiting) >= bs.QueueMax {
		b.mu.Unlock()
		return nil, ErrFull
	}
	b.waiting = append(b.waiting, turn)
	b.mu.Unlock()
	timer := time.NewTimer(bs.QueueFor.D())
	defer timer.Stop()
	b.admit() // a place may have come free in between
	for {
		select {
		case <-turn:
			if place := b.take(s, i, p); place != nil {
				return place, nil
			}
			// Somebody who did not queue was faster; the front of the queue is ours
			// still.
			b.mu.Lock()
			b.waiting = append([]chan struct{}{turn}, b.waiting...)
			b.mu.Unlock()
			b.admit()
		case <-timer.C:
			b.leave(turn)
			return nil, ErrQueueTimeout
		case <-ctx.Done():
			b.leave(turn)
			return nil, context.Cause(ctx)
		}
	}
}

// leave takes a waiter out of the queue; a turn that was given to it meanwhile
// goes to the next one.
func (b *Backend) leave(turn chan struct{}) {
	b.mu.Lock()
	for i, w := range b.waiting {
		if w == turn {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.mu.Unlock()
			return
		}
	}
	b.mu.Unlock()
	b.admit()
}

// admit tells waiters that there are places.
func (b *Backend) admit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := int64(len(b.waiting))
	if limit := b.limit.Load(); limit > 0 {
		free = min(free, limit-b.taken.Load())
	}
	for ; free > 0; free-- {
		b.waiting[0] <- struct{}{}
		b.waiting = b.waiting[1:]
	}
}

// OnCut says how the flow is closed when the balancer cuts its backend. It is
// called at most once, from another goroutine, at once if it happened already.
func (p *Place) OnCut(f func()) { p.OnCutOrLost(f, nil) }

// OnCutOrLost is OnCut for a flow that another backend could take instead: lost
// is called when the backend is down while others of its pool are not. It may be
// called more than once, and while the flow is being closed.
func (p *Place) OnCutOrLost(cut, lost func()) {
	b := p.backend
	b.mu.Lock()
	if p.wasCut {
		b.mu.Unlock()
		cut()
		return
	}
	p.cut, p.lost = cut, lost
	already := b.lost
	b.mu.Unlock()
	if already && lost != nil {
		lost()
	}
}

// setLost says whether others should take what waits for the backend.
func (b *Backend) setLost(lost bool) {
	b.mu.Lock()
	if b.lost && !lost {
		b.trouble.change((*balance.Trouble).Reached) // by its probes
	}
	b.lost = lost
	var all []func()
	if lost {
		for p := range b.open {
			if p.lost != nil {
				all = append(all, p.lost)
			}
		}
	}
	b.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// cut closes the flows to an address; empty: all.
func (b *Backend) cut(address string) {
	b.mu.Lock()
	all := make([]func(), 0, len(b.open))
	for p := range b.open {
		if address != "" && p.Address != address {
			continue
		}
		p.wasCut = true
		if p.cut != nil {
			all = append(all, p.cut)
		}
		delete(b.open, p)
	}
	b.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// Answered counts the time to the first byte of an answer, or to a connection
// where there are no answers.
func (p *Place) Answered(d time.Duration) {
	p.Meter.Latency(d)
	p.backend.speed.add(p.backend.flows.options.Now(), d)
}

// Good counts a success before the flow has ended: a flow that lasts for hours
// must not leave the failures before it standing as the newest word.
func (p *Place) Good() {
	if !p.good.Swap(true) {
		p.backend.succeeded()
	}
}

// Refuses reports whether the place's backend refused a connection since, and
// gets no new flows for that.
func (p *Place) Refuses() bool { return p.backend.trouble.refuses.Load() }

// Outcome is how a flow ended.
type Outcome struct {
	Failed bool
	Reason string
	// Refused says that nobody listens there: the next flow passes it over.
	Refused bool
	// Client says that the client ended it: that says nothing of the backend.
	Client bool
}

// Done gives the place back. It must be called once.
func (p *Place) Done(o Outcome) {
	b := p.backend
	b.mu.Lock()
	delete(b.open, p)
	b.mu.Unlock()
	b.Meter.FlowClose()
	b.taken.Add(-1)
	if b.limit.Load() > 0 {
		b.admit()
	}
	if o.Client || !o.Failed && p.good.Load() {
		return
	}
	if !o.Failed {
		b.succeeded()
		return
	}
	b.Meter.Error()
	b.hurt(p.Pool.Ejection.Failures, func(t *balance.Trouble) { t.Failed(b.flows.options.Now(), o.Reason, o.Refused) })
}
