// Package local runs a whole fleet in one process: an agent for each host, at its
// own address and with a directory of its own, as on real hosts. The agents agree
// on facts, hear of each other and hand over as there; what is missing is the
// machines between them.
//
// The fleet is founded anew each time it starts. What goes on, the spec in force
// with its revisions and what operators have set, is kept in the state directory
// before who asked for it has the answer.
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
	options  Options
	clock    *loop.Clock
	poll     *poll.Poll // nil on systems without one
	seal     *seal
	client   *client
	settling settling

	ctx    context.Context
	cancel context.CancelCauseFunc
	all    sync.WaitGroup
	once   sync.Once
	closed error

	hosts map[string]*running // of the newest spec that follow has seen

	mu     sync.Mutex
	rev    uint64 // of spec
	spec   *spec.Fleet
	respec chan struct{} // that spec is another one
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
	seal, err := newSeal(o.Spec.Name)
	if err != nil {
		return nil, err
	}
	if err := clear(hostsDir(o.State.Path)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	f := &Fleet{options: o, clock: loop.NewClock(), seal: seal, client: newClient(ctx), ctx: ctx, cancel: cancel, respec: make(chan struct{}, 1), settling: settling{changed: make(chan struct{})}, hosts: map[string]*running{}}
	f.beginPoll()
	if err := f.begin(); err != nil {
		return nil, errors.Join(err, f.end(err))
	}
	f.run(f.follow)
	return f, nil
}

// begin starts what a fleet begins with.
func (f *Fleet) begin() error {
	first, err := f.first()
	if err != nil {
		return err
	}
	if err := f.reconcile(f.options.Spec, first); err != nil {
		return err
	}
	if err := f.serveMetrics(); err != nil {
		return err
	}
	l, err := remote.Listen(statedir.Socket(f.options.State.Path))
	if err != nil {
		return err
	}
	f.run(func() {
		if err := remote.Serve(f.ctx, l, f.Client(), f.options.Log, nil); err != nil && f.ctx.Err() == nil {
			f.options.Log.Error("the socket is lost; other shells cannot find this fleet", "error", err.Error())
		}
	})
	return nil
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

// Client returns the fleet's client: that of one of its agents.
func (f *Fleet) Client() api.Client { return f.client }

// Done is closed when the fleet has ended by itself.
func (f *Fleet) Done() <-chan struct{} { return f.ctx.Done() }

// Err is why the fleet ended by itself.
func (f *Fleet) Err() error {
	if err := context.Cause(f.ctx); !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

// closeWait is how long agents may take to end their processes and loops.
const closeWait = 10 * time.Second

// Close ends the fleet: when it returns, no process, no socket and no goroutine
// is left. A second call returns what the first did.
func (f *Fleet) Close() error {
	f.once.Do(func() { f.closed = errors.Join(f.end(errClosed), f.options.State.Close()) })
	return f.closed
}
