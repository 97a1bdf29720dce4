// Package clerk keeps the picture of a fleet and answers its commands: it runs
// engine/fleet's loop with the client for faces, the built-in users and a drill's
// probes, and hands what is for hosts, and for what outlives it, to the world
// that it is part of.
package clerk

import (
	"context"
	"log/slog"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/bus"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

// Store keeps what outlives a clerk. Its calls may take their time.
type Store interface {
	Keep(ctx context.Context, k fleet.Keep) error
	KeepWords(ctx context.Context, w fleet.Words) error
}

// ReportStore is a Store that keeps the reports of drills too.
type ReportStore interface {
	KeepReports(ctx context.Context, all []api.Drill) error
}

// World is what the clerk is part of. Its functions are called on the clerk's
// loop: they must not wait for anybody who waits for that loop.
type World struct {
	// Apply brings the world to a spec that came into force. Events for hosts that
	// follow from it come after.
	Apply func(*spec.Fleet)
	Host  func(fleet.ToHost)
	Fault func(fleet.FaultOrder)
	// Events has the new events of the ring; nil: nobody wants them.
	Events func([]api.Event)
	Store  Store
	// Admit changes who may come in, and says why it did not. It may take its time:
	// it is called on a goroutine of its own. Nil: nobody joins this fleet.
	Admit func(context.Context, fleet.AdmitOrder) []api.Refusal
	// Failed hears of the first thing that a strict clerk could not have kept.
	Failed func(error)
}

// Options of New.
type Options struct {
	Fleet fleet.Options
	Clock *loop.Clock
	Poll  *poll.Poll // nil on systems without one
	Log   *slog.Logger
	World World
	// Past are the events of the clerk before, on which this one's follow.
	Past []api.Event
	// Strict is for a store that several share: nothing is ordered before it is
	// kept, and what cannot be kept ends the clerk's time.
	Strict bool
}

// Clerk is the fleet's loop and what belongs to it.
type Clerk struct {
	options Options
	loop    *loop.Loop[fleet.Event, fleet.Effects]
	bus     *bus.Bus
	client  *client
	users   *users
	keeping *keeping

	ctx context.Context // of Run
	all sync.WaitGroup

	mu      sync.Mutex
	answers map[string]chan api.Receipt
	queue   []*order   // of a strict clerk, oldest first
	giving  sync.Mutex // held while orders are given, so that they stay in order
}

// New returns a Clerk that does nothing before Run.
func New(o Options) *Clerk {
	c := &Clerk{options: o, bus: bus.New(), answers: map[string]chan api.Receipt{}}
	c.bus.Add(o.Past)
	c.client = &client{Bus: c.bus, clerk: c}
	o.Fleet.Origin = o.Clock.Origin()
	c.loop = loop.New(loop.Options[fleet.Event, fleet.Effects]{
		Name: "fleet", Clock: o.Clock, Log: o.Log, Machine: fleet.New(o.Fleet), Wake: fleet.Wake{}, Reset: (*fleet.Effects).Reset, Carry: c.carry,
	})
	c.users = newUsers(c)
	c.keeping = newKeeping(o.World.Store, func(k fleet.Kept) { c.Later(k) })
	return c
}

// Run keeps the picture until ctx ends, and returns its cause; or why it ended by
// itself. Nothing of it is left when it returns.
func (c *Clerk) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	c.ctx = ctx
	c.run(func() { c.keeping.run(ctx) })
	err := c.loop.Run(ctx)
	cancel(err)
	c.bus.Close()
	c.all.Wait()
	return err
}

// run runs a goroutine that Run waits for.
func (c *Clerk) run(do func()) {
	c.all.Add(1)
	go func() {
		defer c.all.Done()
		do()
	}()
}

// Tell gives the fleet an event, and waits for room.
func (c *Clerk) Tell(ctx context.Context, ev fleet.Event) bool { return c.loop.Tell(ctx, ev) }

// Later tells the fleet's loop without making the teller wait: it may hold a
// lock that the loop wants.
func (c *Clerk) Later(ev fleet.Event) {
	if c.loop.Offer(ev) {
		return
	}
	go c.loop.Tell(context.Background(), ev)
}

// Client returns the clerk's client.
func (c *Clerk) Client() api.Client { return c.client }

// Since returns the events after a number that are still there, oldest first.
func (c *Clerk) Since(after api.Seq) []api.Event { return c.bus.Since(after) }

// Done is closed when no event is taken any more.
func (c *Clerk) Done() <-chan struct{} { return c.loop.Done() }

// admit has an order of the fleet about who may come in carried out.
func (c *Clerk) admit(o fleet.AdmitOrder) {
	if c.options.World.Admit == nil {
		c.Later(fleet.Admitted{ID: o.ID, Refusals: []api.Refusal{{Reason: api.ReasonNobodyJoins}}})
		return
	}
	c.run(func() { c.Later(fleet.Admitted{ID: o.ID, Refusals: c.options.World.Admit(c.ctx, o)}) })
}

// carry carries out what the fleet asks for. It runs on the fleet's loop and
// must not wait for anybody who waits for that loop.
func (c *Clerk) carry(_ instant.Instant, out *fleet.Effects) {
	// First of all: to start hundreds of things takes time.
	c.bus.Add(out.Events)
	if out.Revisions != nil {
		c.bus.Revise(out.Revisions)
	}
	if out.Picture != nil {
		c.bus.Publish(out.Picture)
	}
	w := &c.options.World
	if len(out.Events) > 0 && w.Events != nil {
		w.Events(out.Events)
	}
	if out.Spec != nil {
		w.Apply(out.Spec)
		c.users.apply(out.Spec)
	}
	if len(out.Begin) > 0 {
		c.users.begin(out.Begin)
	}
	c.finish(out)
	c.keeping.report(out.Reports)
	for _, o := range out.Admit {
		c.admit(o)
	}
	if out.StartProbes != nil {
		c.users.startProbes(*out.StartProbes)
	}
	if out.StopProbes {
		c.users.stopProbes()
	}
	for _, e := range out.Events {
		c.options.Log.Info(e.Text, "seq", e.Seq, "subject", e.Subject.String(), "host", e.Host, "state", e.State, "reason", e.Reason, "cause", e.Cause, "by", e.By)
	}
}
