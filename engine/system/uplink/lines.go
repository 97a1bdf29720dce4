package uplink

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// LinesOptions of NewLines.
type LinesOptions struct {
	Clock  *loop.Clock
	Log    *slog.Logger
	Holder *identity.Holder
	// Epoch of the coordinator's lease; 0: an observer, whose orders no host takes.
	Epoch uint64
	// Ring names the numbering of events. It goes on from that of Grew, with what
	// follows GrewAt; an empty Grew: it began anew.
	Ring, Grew string
	GrewAt     api.Seq
	// Tell hands on what hosts report. It may wait: then that host waits, whose
	// reports are replaced by newer ones meanwhile. It must not wait for Lines.
	Tell func(fleet.Event)
	// Events returns all events after a number that the ring has, oldest first; nil:
	// hosts get none.
	Events func(after api.Seq) []api.Event
	// Disagree hears how far a host's wall clock is ahead of this one's, when that
	// changes; trip is how long a message and its answer took, and half of it how
	// wrong that may be. nil: nobody wants to know.
	Disagree func(host string, ahead, trip time.Duration)
	// Later hears that a host has seen a coordinator of a later epoch; nil: nobody
	// wants to know.
	Later func(host string, epoch uint64)
}

// Lines are the lines of a term to all hosts. All methods may be called at once,
// and none waits for a host.
type Lines struct {
	options LinesOptions
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu     sync.Mutex
	hosts  map[string]*far
	shares report.Shares
	spec   fleet.Keep
	pushed api.Seq // the newest event
}

// NewLines returns lines to nobody yet.
func NewLines(o LinesOptions) *Lines {
	ctx, cancel := context.WithCancel(context.Background())
	return &Lines{options: o, ctx: ctx, cancel: cancel, hosts: map[string]*far{}}
}

// SetHosts says which hosts there are, with the address, host:port, of each one's
// agent. It dials who is new and drops who is gone.
func (l *Lines) SetHosts(addresses map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	for name, f := range l.hosts {
		if _, ok := addresses[name]; !ok {
			f.cancel()
			delete(l.hosts, name)
		}
	}
	for name, address := range addresses {
		if f := l.hosts[name]; f != nil {
			if f.address != address {
				f.address = address
				wake(f.redial)
			}
			continue
		}
		o := &l.options
		hello := report.Hello{Epoch: o.Epoch, Ring: o.Ring, Grew: o.Grew, GrewAt: o.GrewAt}
		f := &far{
			name: name, address: address, end: report.NewPictureEnd(name, hello, &l.shares),
			wake: make(chan struct{}, 1), redial: make(chan struct{}, 1),
		}
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(l.ctx)
		l.hosts[name] = f
		l.all.Go(func() { l.keep(ctx, f) })
		l.all.Go(func() { l.answer(ctx, f) })
	}
}

// Spec is the text of the spec that the next ToHost with a host.SetSpec of its
// revision is about.
func (l *Lines) Spec(k fleet.Keep) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spec = k
}

// ToHost sends an event to its host: a host.SetSpec, whose text Spec has said, or a
// host.Order. Others are not for other hosts to send.
func (l *Lines) ToHost(t fleet.ToHost) {
	switch e := t.Event.(type) {
	case host.SetSpec:
		l.mu.Lock()
		k := l.spec
		l.mu.Unlock()
		if k.Rev != e.Rev {
			l.options.Log.Error("a host was not told of a spec: nobody has said its text", "host", t.Host, "rev", e.Rev, "known", k.Rev)
			return
		}
		l.order(t.Host, report.SetSpec{Keep: k, Cause: e.Cause})
	case host.Order:
		l.order(t.Host, report.Obey{Order: e})
	case host.Probed, host.Saw, host.Flows, host.Bound, host.Measured, host.Wake:
		l.options.Log.Error("no host is told this by another", "host", t.Host, "event", fmt.Sprintf("%T", e))
	}
}

// Fault sends an order to break or mend something on a host. It is answered by a
// fleet.FaultDone in any case, by the host or in its place.
func (l *Lines) Fault(host string, o fleet.FaultOrder) { l.order(host, report.Fault{FaultOrder: o}) }

func (l *Lines) order(name string, do report.Do) {
	now := l.options.Clock.Now()
	var events []fleet.Event
	l.mu.Lock()
	f := l.hosts[name]
	if f != nil {
		events = f.end.Order(now, do)
		wake(f.wake)
	} else if o, ok := do.(report.Fault); ok {
		events = []fleet.Event{fleet.FaultDone{ID: o.ID, Revert: o.Revert, At: now, Err: api.ReasonHostUnreachable.Sentence() + ": " + name + " is no host of the fleet"}}
	}
	l.mu.Unlock()
	if len(events) > 0 { // the caller may be who is told
		l.all.Go(func() { l.tell(events) })
	}
}

func (l *Lines) tell(events []fleet.Event) {
	for _, ev := range events {
		l.options.Tell(ev)
	}
}

// Share gives every host the newest value of a key, now and when it is connected
// later. It reports false if it cannot: it is too large, or there are too many keys.
func (l *Lines) Share(key string, value []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := l.shares.Set(key, value)
	for _, f := range l.hosts {
		wake(f.wake)
	}
	return ok
}

// Push says that the ring has new events.
func (l *Lines) Push(events []api.Event) {
	if len(events) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pushed = events[len(events)-1].Seq
	for _, f := range l.hosts {
		if f.copies {
			wake(f.wake)
		}
	}
}

// Connected returns the names of the hosts whose lines stand, sorted.
func (l *Lines) Connected() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for name, f := range l.hosts {
		if f.end.Up() {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// Close ends all lines and waits for what they tell.
func (l *Lines) Close() {
	l.mu.Lock()
	l.cancel()
	clear(l.hosts)
	l.mu.Unlock()
	l.all.Wait()
}

// answer answers orders in the place of a host that cannot be reached.
func (l *Lines) answer(ctx context.Context, f *far) {
	t := time.NewTicker(report.FaultWait / 3)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		l.mu.Lock()
		events := f.end.Wake(l.options.Clock.Now())
		l.mu.Unlock()
		l.tell(events)
	}
}
