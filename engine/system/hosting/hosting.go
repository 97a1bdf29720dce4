// Package hosting runs one host: its loop, its probing and its data path. What it
// decides is engine/host's; this package carries it out, and hands the host's
// reports and notes to whoever keeps the picture.
package hosting

import (
	"context"
	"hash/fnv"
	"log/slog"
	"os"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// Options of New.
type Options struct {
	Name string
	// Life is which of its lives the host is in; a later one has a higher number.
	Life  uint64
	Clock *loop.Clock
	Poll  *poll.Poll // shared with the probes of others; nil on systems without one
	Log   *slog.Logger
	// Inherit returns a listening socket of the process before this one; nil if
	// there is none. See proxy.Options.
	Inherit func(network, address string) *os.File
	// Bound hears when the first table is in force, on the host's loop; nil: nobody
	// wants to know.
	Bound func()
	// Foreign says why an address is not its backend's; empty: it is.
	Foreign func(address string) string
	// Report takes the host's status, once a second and after every change, and
	// Noted what it thought worth an event, which is its to keep. They are called on
	// the host's loop and must not block.
	Report func(s host.Status, changed bool)
	Noted  func([]host.Note)
}

// Host is one host.
type Host struct {
	options Options
	loop    *loop.Loop[host.Event, host.Effects]
	host    *host.Host
	proxy   *proxy.Proxy
	probing *probing.Runner
	ctx     context.Context // of Run

	// waiting is the newest table while the process before this one still serves.
	waiting *balance.Table
	took    bool
	takeAt  instant.Instant // when it is taken whatever is measured; 0: no table yet

	draining []string // of the newest report
	reported instant.Instant
}

// New returns a host that does nothing before Run.
func New(o Options) *Host {
	h := &Host{options: o, host: host.New(host.Options{Name: o.Name, Life: o.Life, Seed: seedOf(o.Name)}), probing: probing.New(o.Poll)}
	h.proxy = proxy.New(proxy.Options{
		Log: o.Log, Now: o.Clock.Now, Inherit: o.Inherit,
		Report: func(out balance.Outcomes) { h.loop.Offer(host.Saw{Outcomes: out}) },
	})
	h.loop = loop.New(loop.Options[host.Event, host.Effects]{
		Name: o.Name, Clock: o.Clock, Log: o.Log, Machine: h.host, Wake: host.Wake{}, Reset: (*host.Effects).Reset, Carry: h.carry, Heavy: heavy, Poll: o.Poll,
	})
	return h
}

// Run runs the host until ctx ends, whose cause it returns.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	h.ctx = ctx
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		h.measure(ctx)
	}()
	err := h.loop.Run(ctx)
	cancel(err)
	h.proxy.Close()
	<-measured
	return err
}

// Tell gives the host an event, and waits for room. It reports whether the event
// was taken.
func (h *Host) Tell(ctx context.Context, ev host.Event) bool { return h.loop.Tell(ctx, ev) }

// Sockets, Leave and Active are the data path's: see proxy.Proxy.
func (h *Host) Sockets() ([]proxy.Socket, error) { return h.proxy.Sockets() }

// Leave takes no new connections any more.
func (h *Host) Leave() { h.proxy.Leave() }

// Active is how many flows are open.
func (h *Host) Active() int64 { return h.proxy.Active() }

// heavy reports whether effects change the data path. A table of a thousand
// backends and the end of their flows take milliseconds, which the probes of all
// other hosts would wait and count as their targets' latency.
func heavy(out *host.Effects) bool { return out.Table != nil || len(out.Cut) > 0 }

// carry carries out what the host asks for.
func (h *Host) carry(now instant.Instant, out *host.Effects) {
	if out.Table != nil {
		h.waiting = out.Table
	}
	changed := h.waiting != nil && h.take(now)
	if len(out.Cut) > 0 {
		h.proxy.Cut(out.Cut)
	}
	for _, l := range out.Launches {
		h.probe(l)
	}
	// The report goes first: who hears of a change looks at the report for what it
	// changed.
	if changed = changed || len(out.Notes) > 0; changed || now.Sub(h.reported) >= time.Second {
		h.report(now, changed)
	}
	if len(out.Notes) > 0 {
		// The effects are used again by the next Step; what travels is a copy.
		h.options.Noted(append([]host.Note(nil), out.Notes...))
	}
}

// takeWithin is how long a host that has a process before it waits for its probes:
// until it knows whom to send users to, that one serves them better.
const takeWithin = 3 * time.Second

// take puts the table that waits into force, if it is time. It reports whether it
// did.
func (h *Host) take(now instant.Instant) bool {
	if h.takeAt == 0 {
		h.takeAt = now.Add(takeWithin)
	}
	if h.options.Inherit != nil && !h.took && !h.takeAt.Reached(now) && !serves(h.waiting) {
		return false
	}
	h.took = true
	h.answer(h.proxy.Apply(h.waiting))
	h.waiting = nil
	if h.options.Bound != nil {
		h.options.Bound()
		h.options.Bound = nil
	}
	return true
}

// serves reports whether each pool of a table has somebody to send users to.
func serves(t *balance.Table) bool {
	for i := range t.Pools {
		if p := &t.Pools[i]; p.Count > 0 && len(p.Members) == 0 {
			return false
		}
	}
	return true
}

// answer tells the loop what became of bindings. It is called on the loop, which
// cannot wait for itself.
func (h *Host) answer(all []host.Bound) {
	for _, b := range all {
		if !h.loop.Offer(b) {
			go h.loop.Tell(h.ctx, b)
		}
	}
}

func (h *Host) probe(l probe.Launch) {
	tell := func(o probe.Outcome) {
		h.loop.Here(h.ctx, host.Probed{Finished: probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}})
	}
	if why := h.options.Foreign(l.Address); why != "" {
		// Somebody answers there, and it is not who users are sent to.
		tell(probe.Outcome{Verdict: probe.Fail, Reason: why})
		return
	}
	h.probing.Start(h.ctx, l, tell)
}

// report sends the host's status. It runs on the loop.
func (h *Host) report(now instant.Instant, changed bool) {
	h.reported = now
	s := h.host.Status(now)
	s.Dropped = h.loop.Dropped()
	h.draining = h.draining[:0]
	for i := range s.Backends {
		if s.Backends[i].Balance.Phase == api.PhaseDraining {
			h.draining = append(h.draining, s.Backends[i].Name)
		}
	}
	if len(h.draining) > 0 {
		for name, flows := range h.proxy.Draining(h.draining) {
			h.loop.Offer(host.Flows{Active: balance.Active{Backend: name, Flows: flows}})
		}
	}
	h.options.Report(s, changed)
}

// measure reads the data path's counters once a second, and tries again to bind
// what could not be bound.
func (h *Host) measure(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.loop.Offer(host.Measured{Readings: h.proxy.Readings()})
			h.answer(h.proxy.Retry())
		case <-ctx.Done():
			return
		}
	}
}

// seedOf gives each host's probes a jitter of their own.
func seedOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64() ^ uint64(time.Now().UnixNano())
}
