// Package local runs a whole fleet in one process: a loop for each host with its
// probing and its data path, one for the fleet, and the backends as processes of
// their own.
//
// It composes; what it composes decides and does the work.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/clerk"
	"github.com/holdfast-edge/holdfast/engine/system/keeper"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/metrics"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// Options of Start.
type Options struct {
	Spec     *spec.Fleet // with the whole names of its files: specfile.Read
	SpecText string      // that Spec was parsed from
	// Rev is the revision that the spec had in the fleet before this one, and From
	// says how it came to be; 0 for a first one.
	Rev  uint64
	From string
	// Revisions are those of the fleets before this one; Name and Dir are of the
	// spec's file, By is who begins with it.
	Revisions     []api.Revision
	Name, Dir, By string
	// Words are what operators had set in the fleet before this one.
	Words []fleet.Word
	State *statedir.Dir
	Log   *slog.Logger
	// Service is the program that runs as a backend and its first arguments;
	// empty: this program's own.
	Service []string
	// Metrics is the address, host:port, that serves /metrics, /live and /ready;
	// empty: none does. Version is what they call this program.
	Metrics, Version string
}

// Fleet is a running local fleet.
type Fleet struct {
	options Options
	clock   *loop.Clock
	poll    *poll.Poll // nil on systems without one
	clerk   *clerk.Clerk
	keeper  *keeper.Keeper
	post    *post

	ctx    context.Context
	cancel context.CancelCauseFunc
	all    sync.WaitGroup
	once   sync.Once
	closed error

	mu    sync.Mutex
	hosts map[string]*running
	lives uint64 // of hosts, so far
}

var errClosed = errors.New("local: the fleet was closed")

// Start starts a fleet. It returns at once: the picture says how far things
// are. Where another fleet has an address of this one, it is a *TakenError.
func Start(o Options) (*Fleet, error) {
	if len(o.Service) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("local: this program cannot find itself: %w", err)
		}
		o.Service = []string{self, "service"}
	}
	if err := otherFleet(o.Spec); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	f := &Fleet{options: o, clock: loop.NewClock(), ctx: ctx, cancel: cancel, post: newPost(), hosts: map[string]*running{}}
	f.beginPoll()
	f.clerk = clerk.New(clerk.Options{
		Fleet: fleet.Options{World: api.WorldLocal, Version: o.Version}, Clock: f.clock, Poll: f.poll, Log: o.Log,
		World: clerk.World{Apply: f.apply, Host: f.send, Fault: func(order fleet.FaultOrder) { f.keeper.Fault(order) }, Store: store{o.State}},
	})
	f.keeper = keeper.New(keeper.Options{
		Log: o.Log, Now: f.clock.Now, Command: o.Service,
		Changed: func(p fleet.Process) { f.clerk.Later(p) },
		Done:    func(d fleet.FaultDone) { f.clerk.Later(d) },
		Started: o.State.Started, Ended: o.State.Ended,
	})
	o.State.Wrote = func(err error) { f.clerk.Later(fleet.Kept{Record: fleet.RecordProcesses, Err: clerk.Said(err)}) }
	if err := f.serveMetrics(); err != nil {
		cancel(err)
		return nil, err
	}
	l, err := remote.Listen(statedir.Socket(o.State.Path))
	if err != nil {
		cancel(err)
		return nil, err
	}
	f.run(func() {
		if err := remote.Serve(ctx, l, f.Client(), o.Log, nil); err != nil && ctx.Err() == nil {
			o.Log.Error("the socket is lost; other shells cannot find this fleet", "error", err.Error())
		}
	})
	f.run(func() {
		if err := f.clerk.Run(ctx); !errors.Is(err, errClosed) {
			o.Log.Error("the fleet's loop ended", "error", err.Error())
			cancel(err) // without it nobody would see or mend anything
		}
	})
	f.run(func() { f.post.run(ctx, f.clerk.Done()) })
	f.clerk.Tell(ctx, fleet.SetSpec{Fleet: o.Spec, Text: o.SpecText, Rev: o.Rev, From: o.From, Words: o.Words, Revisions: o.Revisions, Name: o.Name, Dir: o.Dir, By: o.By})
	return f, nil
}

// beginPoll begins what the hosts' deadlines and plain probes share. A fleet can
// do without, at several times the cost.
func (f *Fleet) beginPoll() {
	p, err := poll.New()
	if err != nil {
		f.options.Log.Debug("every probe has a goroutine", "reason", err.Error())
		return
	}
	f.poll = p
	context.AfterFunc(f.ctx, p.Close)
	f.run(func() {
		if err := p.Run(); err != nil {
			f.cancel(err) // without it no deadline comes any more
		}
	})
}

// serveMetrics serves the picture to machines, where somebody wants that.
func (f *Fleet) serveMetrics() error {
	if f.options.Metrics == "" {
		return nil
	}
	l, err := metrics.Listen(f.ctx, f.options.Metrics)
	if err != nil {
		return err
	}
	h := metrics.Handler(f.Client(), f.options.Version)
	f.run(func() {
		if err := metrics.Serve(f.ctx, l, h, f.options.Log); err != nil && f.ctx.Err() == nil {
			f.options.Log.Error("the metrics endpoint is lost", "error", err.Error())
		}
	})
	return nil
}

// run runs a goroutine that Close waits for.
func (f *Fleet) run(do func()) {
	f.all.Add(1)
	go func() {
		defer f.all.Done()
		do()
	}()
}

// Client returns the fleet's client.
func (f *Fleet) Client() api.Client { return f.clerk.Client() }

// Done is closed when the fleet has ended by itself.
func (f *Fleet) Done() <-chan struct{} { return f.ctx.Done() }

// Err is why the fleet ended by itself.
func (f *Fleet) Err() error {
	if err := context.Cause(f.ctx); !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

// closeWait is how long processes may take to end after SIGKILL.
const closeWait = 5 * time.Second

// Close ends the fleet: when it returns, no process, no socket and no goroutine
// is left. A second call returns what the first did.
func (f *Fleet) Close() error {
	f.once.Do(func() {
		f.cancel(errClosed)
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		err := f.keeper.Close(ctx)
		f.all.Wait()
		f.closed = errors.Join(err, f.options.State.Close())
	})
	return f.closed
}
