package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/hosting"
	"github.com/holdfast-edge/holdfast/engine/system/keeper"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// startWait is how long the host waits for its services that were just started
// before it looks at them.
const startWait = 2 * time.Second

// lettersMax bounds what waits for the host's loop. Past it a coordinator that
// orders faster than the host obeys is told so by its connection's pace.
const lettersMax = 1024

// own is the host that this agent is: its loop, its services, and the spec that it
// goes by, which is kept over a restart.
type own struct {
	agent   *Agent
	host    *hosting.Host
	keeper  *keeper.Keeper
	letters chan host.Event

	first chan struct{} // closed with the first spec
	once  sync.Once

	mu   sync.Mutex
	kept statedir.Kept // the spec in force; Revision 0: none
	spec *spec.Fleet
}

func newOwn(a *Agent) *own {
	o := &own{agent: a, letters: make(chan host.Event, lettersMax), first: make(chan struct{})}
	o.keeper = keeper.New(keeper.Options{
		Log: a.options.Log, Now: a.clock.Now, Command: a.options.Service,
		Mine:    func(b *spec.Backend) bool { return b.Host == a.options.Host },
		Changed: func(p fleet.Process) { a.uplink.Process(p) },
		Done:    func(d fleet.FaultDone) { a.uplink.Done(d) },
		Started: a.state.Started, Ended: a.state.Ended,
	})
	o.host = hosting.New(hosting.Options{
		Name: a.options.Host, Life: a.life, Clock: a.clock, Poll: a.poll, Log: a.options.Log,
		Inherit: a.options.Inherit, Bound: a.options.Serving, Foreign: o.keeper.Foreign, Report: a.uplink.Report, Noted: a.uplink.Note,
	})
	return o
}

// begin takes up the spec that was in force when the agent stopped. Whatever
// happened meanwhile, its users are served by it until somebody says otherwise.
func (o *own) begin(ctx context.Context) error {
	kept, ok, err := o.agent.state.Kept()
	if (err != nil || !ok) && o.agent.options.Serving != nil {
		o.agent.options.Serving() // there is nothing that it could serve
	}
	if err != nil || !ok {
		return err
	}
	f, err := specfile.Read(kept.Name, []byte(kept.Text), kept.Dir)
	if err != nil {
		return fmt.Errorf("the agent would go on with %s, and cannot: %w", kept, err)
	}
	o.take(ctx, kept, f)
	o.letters <- host.SetSpec{Fleet: f, Rev: kept.Revision}
	for _, order := range fleet.Orders(o.lastWords(), f) {
		o.order(ctx, order)
	}
	return nil
}

// take makes a spec the one that the agent goes by.
func (o *own) take(ctx context.Context, kept statedir.Kept, f *spec.Fleet) {
	o.mu.Lock()
	o.kept, o.spec = kept, f
	o.mu.Unlock()
	o.once.Do(func() { close(o.first) })
	o.agent.specChanged(ctx, f)
	if o.agent.options.Applied != nil {
		o.agent.options.Applied(kept.Revision, f)
	}
}

// now is the spec that the agent goes by; nil before the first.
func (o *own) now() (statedir.Kept, *spec.Fleet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept, o.spec
}

// lastWords are what operators had set, as far as this host was told.
func (o *own) lastWords() []fleet.Word {
	words, err := o.agent.state.Words(o.agent.options.Fleet)
	if err != nil {
		o.agent.options.Log.Error("what operators have set cannot be read", "err", err.Error())
	}
	return words
}

// order takes an event of a coordinator, in order, and waits for room.
func (o *own) order(ctx context.Context, ev host.Event) {
	select {
	case o.letters <- ev:
	case <-ctx.Done():
	}
}

// obey is a spec of a coordinator. One that cannot be read here, because a file
// that it names is missing on this machine, is refused, and the one before stays.
func (o *own) obey(ctx context.Context, kept statedir.Kept, cause host.SetSpec) error {
	f, err := specfile.Read(kept.Name, []byte(kept.Text), kept.Dir)
	if err != nil {
		return fmt.Errorf("revision %d does not come into force on %s: %w", kept.Revision, o.agent.options.Host, err)
	}
	// In force before it is kept: a disk that is full must not keep a host from
	// what everybody else does.
	o.take(ctx, kept, f)
	o.order(ctx, host.SetSpec{Fleet: f, Rev: kept.Revision, Cause: cause.Cause})
	if err := o.agent.state.Keep(kept); err != nil {
		return fmt.Errorf("revision %d is in force on %s and could not be kept: a restart while it is cut off would bring back an older one: %w", kept.Revision, o.agent.options.Host, err)
	}
	return nil
}

// run delivers to the host's loop until ctx ends.
func (o *own) run(ctx context.Context) {
	for {
		select {
		case ev := <-o.letters:
			if s, ok := ev.(host.SetSpec); ok {
				o.settle(ctx, s)
			}
			o.host.Tell(ctx, ev)
		case <-ctx.Done():
			return
		}
	}
}

// settle starts this host's services of a spec, and waits a little for them, so
// that no backend is found down that was never up.
func (o *own) settle(ctx context.Context, s host.SetSpec) {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	select {
	case <-o.keeper.Apply(s.Fleet):
	case <-ctx.Done():
	}
	if wait := o.agent.options.Settled; wait != nil {
		wait(ctx, s.Rev)
	}
}
