package uplink

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

const (
	// A line that broke is dialled again after redialFirst, and after twice the time
	// each time that fails, up to redialMost: an agent that restarts is heard again
	// soon, and a dead one costs little.
	redialFirst = 50 * time.Millisecond
	redialMost  = 2 * time.Second
	// dialWait is how long it may take until the line stands.
	dialWait = 3 * time.Second
	// stoodFor is how long a line must have stood for the next one to be dialled at
	// once.
	stoodFor = time.Second
	// stillEvery is how often it is asked whether the peer has been removed.
	stillEvery = 10 * time.Second
)

// far is a host as it is seen from here. Its end is the Lines' lock's.
type far struct {
	name    string
	address string
	end     *report.PictureEnd
	cancel  context.CancelFunc
	wake    chan struct{}
	redial  chan struct{}
	copies  bool
	said    time.Duration // of its wall clock
	saidAny bool
}

// keep keeps a line to a host until ctx ends.
func (l *Lines) keep(ctx context.Context, f *far) {
	pause, said := redialFirst, ""
	for ctx.Err() == nil {
		began := time.Now()
		stood, err := l.once(ctx, f)
		if ctx.Err() != nil {
			return
		}
		if stood > 0 {
			l.options.Log.Warn("the line to a host broke", "host", f.name, "stood", stood.Round(time.Millisecond), "err", err)
			said = ""
		} else if text := err.Error(); text != said {
			l.options.Log.Warn("a host cannot be reached", "host", f.name, "err", text)
			said = text
		}
		if stood >= stoodFor {
			pause = redialFirst
		}
		wait := time.NewTimer(pause/2 + rand.N(pause) - min(time.Since(began), pause/2))
		pause = min(2*pause, redialMost)
		select {
		case <-wait.C:
		case <-f.redial:
			pause = redialFirst
		case <-ctx.Done():
		}
		wait.Stop()
	}
}

// once dials a host and serves the line until it breaks. stood is for how long.
func (l *Lines) once(ctx context.Context, f *far) (stood time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	address := f.address
	l.mu.Unlock()
	dialing, dialed := context.WithTimeout(ctx, dialWait)
	defer dialed()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	var peer identity.Peer
	conn := tls.Client(raw, l.options.Holder.Client(Protocol, func(p identity.Peer) error {
		peer = p
		return p.IsHost(f.name)
	}))
	if err := conn.HandshakeContext(dialing); err != nil {
		return 0, err
	}
	w, err := l.greet(f, conn)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	l.options.Log.Info("the line to a host stands", "host", f.name, "life", w.welcome.Life)
	if w.welcome.Epoch > l.options.Epoch && l.options.Later != nil {
		l.options.Later(f.name, w.welcome.Epoch)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer cancel() // what cannot be written to is not read from either
		w.err = l.send(ctx, f, w)
	})
	err = l.receive(f, w.line, peer)
	cancel()
	_ = raw.Close()
	writer.Wait()
	l.mu.Lock()
	f.end.Down(l.options.Clock.Now())
	f.copies = false
	l.mu.Unlock()
	if w.err != nil && ctx.Err() == nil {
		err = w.err
	}
	return time.Since(began), err
}

// standing is a line with what the host said at its beginning.
type standing struct {
	line    *line
	hello   report.Hello
	welcome report.Welcome
	err     error // of writing
}

func (l *Lines) greet(f *far, conn net.Conn) (*standing, error) {
	s := &standing{line: newLine(conn)}
	now := l.options.Clock.Now
	l.mu.Lock()
	s.hello = f.end.Hello(now())
	l.mu.Unlock()
	if err := s.line.write([]report.Message{s.hello}); err != nil {
		return nil, err
	}
	m, err := s.line.read(nil, now)
	if err != nil {
		return nil, err
	}
	w, ok := m.(report.Welcome)
	if !ok {
		return nil, errWord(m)
	}
	s.welcome = w
	l.mu.Lock()
	events := f.end.Welcome(now(), w)
	f.copies = w.Copy && l.options.Events != nil
	l.mu.Unlock()
	l.tell(events)
	return s, nil
}

// receive reads what a host says until the line breaks.
func (l *Lines) receive(f *far, in *line, peer identity.Peer) error {
	now := l.options.Clock.Now
	looked := now()
	for {
		m, err := in.read(f.end.Clock(), now)
		if err != nil {
			return err
		}
		at := now()
		if at.Sub(looked) > stillEvery {
			looked = at
			if err := l.options.Holder.Trust().Still(peer); err != nil {
				return err
			}
		}
		l.mu.Lock()
		ev := f.end.Hear(at, m)
		l.mu.Unlock()
		if ev != nil {
			l.options.Tell(ev)
			l.mu.Lock()
			f.end.Took()
			l.mu.Unlock()
		}
		if pong, ok := m.(report.Pong); ok {
			l.compare(f, at, pong)
		}
		if no, ok := m.(report.Refused); ok {
			l.options.Log.Warn("a host refused an order", "host", f.name, "reason", string(no.Reason), "detail", no.Detail)
		}
	}
}

// newsOfClocks is by how much a wall clock must have moved for anybody to hear of it.
const newsOfClocks = 5 * time.Millisecond

// compare compares a host's wall clock with ours.
func (l *Lines) compare(f *far, at instant.Instant, m report.Pong) {
	if l.options.Disagree == nil || m.Wall.IsZero() {
		return
	}
	l.mu.Lock()
	trip, offset := f.end.Clock().Trip()
	l.mu.Unlock()
	then := at.Sub(m.Sent) - offset // since it said so
	ahead := m.Wall.Sub(time.Now().Round(0).Add(-then))
	if moved := (ahead - f.said).Abs(); f.saidAny && moved < newsOfClocks+trip/2 {
		return
	}
	f.said, f.saidAny = ahead, true
	l.options.Disagree(f.name, ahead, trip)
}

// send writes what is due to a host until ctx ends.
func (l *Lines) send(ctx context.Context, f *far, s *standing) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	now := l.options.Clock.Now
	from, first := s.hello.From(s.welcome), true
	var all []report.Message
	for {
		at := now()
		l.mu.Lock()
		all = f.end.Take(at, all[:0])
		next, copies := f.end.Deadline(), f.copies && (first || l.pushed > from)
		l.mu.Unlock()
		if copies {
			all, from = l.events(all, from, first)
			first = false
		}
		if len(all) > 0 {
			if err := s.line.write(all); err != nil {
				return err
			}
			clear(all)
			continue // there may be more
		}
		timer.Reset(next.Sub(at))
		select {
		case <-f.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// events appends the events of the ring after from, and returns the newest of them.
// The first ones also say which ring they are of, if there are none.
func (l *Lines) events(all []report.Message, from api.Seq, first bool) ([]report.Message, api.Seq) {
	events := l.options.Events(from)
	if len(events) > 0 {
		from = events[0].Seq - 1
	}
	if first && len(events) == 0 {
		all = append(all, report.Events{Ring: l.options.Ring, After: from})
	}
	for some := range slices.Chunk(events, report.EventsMax) {
		all = append(all, report.Events{Ring: l.options.Ring, After: from, Events: some})
		from = some[len(some)-1].Seq
	}
	return all, from
}
