package sim

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// simHost is one host: its loop, its probing and its data path. A crash loses
// all of it.
type simHost struct {
	world *World
	name  string
	down  bool
	life  int // counts starts
	host  *host.Host
	loop  *loop[host.Event, host.Effects]
	path  *path
	asked *words // what this life of it was told, for the checkers

	reported instant.Instant
	status   host.Status // of the newest Step that changed anything
	blind    instant.Instant
	unbound  instant.Instant   // until when it cannot bind
	flying   map[string]uint64 // probes under way, by target
}

func (h *simHost) cannotBind() bool { return h.world.now.Before(h.unbound) }

// boot starts a host without any state.
func (h *simHost) boot() {
	w := h.world
	h.down, h.life = false, h.life+1
	h.host = host.New(host.Options{Name: h.name, Life: uint64(h.life), Seed: w.rand.Uint64()})
	h.path, h.asked, h.flying = newPath(h), newWords(w.now), map[string]uint64{}
	h.status, h.reported = host.Status{}, 0
	h.loop = &loop[host.Event, host.Effects]{
		world: w, machine: h.host, wake: host.Wake{}, reset: (*host.Effects).Reset, before: h.before, after: h.carry,
	}
	if told := w.plant.told; told != nil {
		h.loop.alter = func(ev host.Event) host.Event { return told(h, ev) }
	}
	w.truth.refresh()
	h.measure(h.loop)
	w.trace.say(w.now, "%s boots", h.name)
}

// crash ends a host without a goodbye.
func (h *simHost) crash() {
	w := h.world
	h.down, h.loop.dead = true, true
	old := h.path
	h.path = newPath(h)
	for _, f := range slices.Clone(old.flows) {
		f.end("connection reset")
	}
	w.truth.refresh()
	w.trace.say(w.now, "%s crashes", h.name)
}

// later hands an event to this life of the host's loop.
func (h *simHost) later(ev host.Event) {
	w := h.world
	h.loop.tell(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax), ev)
}

// before records what the host is told.
func (h *simHost) before(ev host.Event) {
	h.asked.told(h.world.now, h.name, ev)
	if _, ok := ev.(host.SetSpec); ok {
		h.world.truth.refresh() // a slow backend may be in time for its new probe
	}
	h.world.checks.hostTold(h, ev)
}

// carry carries out what the host asks for.
func (h *simHost) carry(ev host.Event, out *host.Effects) {
	w := h.world
	if w.plant.effects != nil {
		w.plant.effects(h, ev, out)
	}
	changed := out.Table != nil || len(out.Notes) > 0
	if changed {
		h.status = h.host.Status(w.now) // ahead of the table: flows are picked by it at once
	}
	if out.Table != nil {
		w.trace.mark(w.now, h.name, out.Table.Generation)
		for _, b := range h.path.apply(out.Table) {
			h.later(b)
		}
	}
	for _, c := range out.Cut {
		w.trace.say(w.now, "%s cuts %s %s", h.name, c.Backend, c.Address)
		w.checks.cut(h, c)
		h.path.cut(c)
	}
	for _, l := range out.Launches {
		h.probe(l)
	}
	if changed {
		w.checks.changed(h)
	}
	if changed || w.now.Sub(h.reported) >= time.Second {
		h.report(changed)
	}
	if len(out.Notes) > 0 {
		notes := slices.Clone(out.Notes)
		for _, n := range notes {
			w.trace.text(n.Event.Text)
		}
		w.fromHost(h.name, fleet.Noted{Host: h.name, Notes: notes})
	}
}

// report sends the host's status. It may be lost, late or doubled.
func (h *simHost) report(changed bool) {
	w := h.world
	h.reported = w.now
	h.status = h.host.Status(w.now)
	s := h.status
	w.checks.report(h, &s)
	for i := range s.Backends {
		if b := &s.Backends[i].Balance; b.Phase == api.PhaseDraining {
			flows := int64(0)
			if m := h.path.backends[b.Backend]; m != nil {
				flows = m.active
			}
			h.later(host.Flows{Active: balance.Active{Backend: b.Backend, Flows: flows}})
		}
	}
	bad := w.knobs.ReportBad
	if w.healed {
		bad = 0
	}
	if bad > 0 && w.rand.Float64() < bad {
		return
	}
	ev := fleet.Report{Status: s, Changed: changed}
	w.fromHost(h.name, ev)
	if bad > 0 && w.rand.Float64() < bad {
		w.fromHost(h.name, ev)
	}
	if bad > 0 && w.rand.Float64() < bad {
		w.queue.Add(w.now.Add(between(w.rand, 0, 3*time.Second)), func() { w.fromHost(h.name, ev) })
	}
}

// measure reads the data path's counters once a second, for one life.
func (h *simHost) measure(life *loop[host.Event, host.Effects]) {
	w := h.world
	w.queue.Add(w.now.Add(time.Second), func() {
		if life.dead {
			return
		}
		life.take(host.Measured{Readings: h.path.readings()})
		if len(h.path.sick) > 0 {
			for _, b := range h.path.bind() {
				h.later(b)
			}
		}
		h.measure(life)
	})
}

// probe carries out one probe.
func (h *simHost) probe(l probe.Launch) {
	w, life := h.world, h.loop
	w.checks.launched(h, l)
	began := w.now
	finish := func(o probe.Outcome) {
		if life.dead || w.knobs.ProbeLost > 0 && !w.healed && w.rand.Float64() < w.knobs.ProbeLost {
			return
		}
		w.trace.mark(w.now, l.Address, uint64(o.Verdict))
		life.tell(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax), host.Probed{Finished: probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}})
	}
	if w.now.Before(h.blind) {
		w.queue.Add(w.now.Add(w.net.hop()), func() { finish(probe.Outcome{Verdict: probe.Unable, Reason: "no descriptor is left"}) })
		return
	}
	q := question{from: h.name, backend: w.nameAt(l.Address, l.Probe.Kind), address: l.Address, connect: l.Probe.Timeout.D(), timeout: l.Probe.Timeout.D(), dial: l.Probe.Kind == spec.ProbeTCP}
	w.net.ask(q, func(a answer) {
		o := probe.Outcome{Verdict: probe.Fail, Latency: w.now.Sub(began), Reason: a.reason}
		if a.ok || a.begun && l.Probe.Kind != spec.ProbeHTTP {
			o = probe.Outcome{Verdict: probe.Pass, Latency: o.Latency}
		}
		finish(o)
	})
}
