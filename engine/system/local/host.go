package local

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

var errLeft = errors.New("local: the host left the spec")

// hostLoop is one host: its loop, its probing and its data path.
type hostLoop struct {
	name    string
	fleet   *Fleet
	loop    *loop.Loop[host.Event, host.Effects]
	host    *host.Host
	proxy   *proxy.Proxy
	probing *probing.Runner
	ctx     context.Context
	cancel  context.CancelCauseFunc

	draining []string // of the newest report
	reported instant.Instant
}

// startHost starts a host. The caller holds the lock.
func (f *Fleet) startHost(name string) *hostLoop {
	f.lives++
	h := &hostLoop{name: name, fleet: f, host: host.New(host.Options{Name: name, Life: f.lives, Seed: seedOf(name)}), probing: probing.New(f.poll)}
	h.ctx, h.cancel = context.WithCancelCause(f.ctx)
	log := f.options.Log.With("host", name)
	h.proxy = proxy.New(proxy.Options{
		Log: log, Now: f.clock.Now,
		Report: func(o balance.Outcomes) { h.loop.Offer(host.Saw{Outcomes: o}) },
	})
	h.loop = loop.New(loop.Options[host.Event, host.Effects]{
		Name: name, Clock: f.clock, Log: log, Machine: h.host, Wake: host.Wake{}, Reset: (*host.Effects).Reset, Carry: h.carry, Heavy: heavy, Poll: f.poll,
	})
	f.run(func() {
		defer h.proxy.Close()
		err := h.loop.Run(h.ctx)
		if !errors.Is(err, errClosed) && !errors.Is(err, errLeft) {
			log.Error("a host's loop ended", "error", err.Error())
		}
	})
	f.run(h.measure)
	return h
}

// heavy reports whether effects change the data path. A table of a thousand
// backends and the end of their flows take milliseconds, which the probes of all
// other hosts would wait and count as their targets' latency.
func heavy(out *host.Effects) bool { return out.Table != nil || len(out.Cut) > 0 }

// carry carries out what the host asks for.
func (h *hostLoop) carry(now instant.Instant, out *host.Effects) {
	if out.Table != nil {
		h.answer(h.proxy.Apply(out.Table))
	}
	if len(out.Cut) > 0 {
		h.proxy.Cut(out.Cut)
	}
	for _, l := range out.Launches {
		h.probe(l)
	}
	// The report goes first: who hears of a change looks at the report for what it
	// changed.
	if changed := out.Table != nil || len(out.Notes) > 0; changed || now.Sub(h.reported) >= time.Second {
		h.report(now, changed)
	}
	if len(out.Notes) > 0 {
		// The effects are used again by the next Step; what travels is a copy.
		h.fleet.later(fleet.Noted{Host: h.name, Notes: append([]host.Note(nil), out.Notes...)})
	}
}

// answer tells the loop what became of bindings. It is called on the loop, which
// cannot wait for itself.
func (h *hostLoop) answer(all []host.Bound) {
	for _, b := range all {
		if !h.loop.Offer(b) {
			go h.loop.Tell(h.ctx, b)
		}
	}
}

func (h *hostLoop) probe(l probe.Launch) {
	tell := func(o probe.Outcome) {
		h.loop.Here(h.ctx, host.Probed{Finished: probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}})
	}
	if why := h.fleet.keeper.Foreign(l.Address); why != "" {
		// Somebody answers there, and it is not who users are sent to.
		tell(probe.Outcome{Verdict: probe.Fail, Reason: why})
		return
	}
	h.probing.Start(h.ctx, l, tell)
}

// report sends the host's status. It runs on the loop.
func (h *hostLoop) report(now instant.Instant, changed bool) {
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
			a := host.Flows{Active: balance.Active{Backend: name, Flows: flows}}
			h.loop.Offer(a)
		}
	}
	h.fleet.later(fleet.Report{Status: s, Changed: changed})
}

// measure reads the data path's counters once a second, and tries again to bind
// what could not be bound.
func (h *hostLoop) measure() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.loop.Offer(host.Measured{Readings: h.proxy.Readings()})
			h.answer(h.proxy.Retry())
		case <-h.ctx.Done():
			return
		}
	}
}
