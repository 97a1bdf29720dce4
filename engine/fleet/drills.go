package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// startDrill chooses the target and begins.
func (f *Fleet) startDrill(now instant.Instant, name, by, receipt string, cause api.Seq, out *Effects) {
	i := slices.IndexFunc(f.drills, func(r *drill.Runner) bool { return r.Name() == name })
	if i < 0 {
		return // Check has seen to it
	}
	r := f.drills[i]
	s := r.Spec()
	target := strings.TrimPrefix(s.Fault.Target, "backend/")
	pool := f.drillPool(r)
	if target == "any" {
		target = f.anyServing(pool)
	}
	f.runs[name]++
	f.running, f.runBy, f.runReceipt, f.runFault = r, cause, receipt, ""
	start := drill.Start{Spec: s, Run: f.runs[name], By: by, Target: target, Rev: f.rev, Version: f.options.Version, World: f.options.World}
	if c := f.spec.ClientsOf(s.Clients); c != nil {
		start.Timeout = c.Timeout.D()
	}
	f.tellDrill(now, start, out)
	f.observe(now, out)
}

// drillPool is the pool that the drill's clients use.
func (f *Fleet) drillPool(r *drill.Runner) string {
	c := f.spec.ClientsOf(r.Spec().Clients)
	if c == nil {
		return ""
	}
	if l := f.spec.Listener(c.Listener); l != nil {
		return l.Pool
	}
	return ""
}

// anyServing is the backend of a pool whose loss is felt most: the one of our
// own that gets the largest share of flows, the first of equals.
func (f *Fleet) anyServing(pool string) string {
	best, share := "", -1.0
	for i := range f.picture.Backends {
		if b := &f.picture.Backends[i]; b.Pool == pool && b.PID != 0 && b.Serves() && b.Share > share {
			best, share = b.Name, b.Share
		}
	}
	return best
}

// tellDrill tells the running drill and carries out what it asks.
func (f *Fleet) tellDrill(now instant.Instant, ev drill.Event, out *Effects) {
	r := f.running
	if r == nil {
		return
	}
	var e drill.Effects
	r.Step(now, ev, &e)
	f.dirty = f.dirty || e.Changed
	if e.StartProbes > 0 {
		f.startProbes(now, r, e, out)
	}
	var answer *drill.FaultDone
	if e.Inject != nil {
		target := id.To(id.KindBackend, e.Inject.Backend)
		if other := f.faultOn(target); other != nil {
			// A second fault on one backend would hide the first from its revert.
			answer = &drill.FaultDone{At: now, Err: fmt.Sprintf("fault %s is in force on %s already", other.order.ID, target)}
		} else {
			f.runFault = f.inject(now, api.InjectFault{Kind: e.Inject.Kind, Target: target, For: e.Inject.DeadMan, Delay: e.Inject.Delay}, drillBy+r.Name(), "", f.runBy, out)
		}
	}
	if e.StopProbes {
		out.StopProbes = true
	}
	if e.Ended {
		f.endDrill(now, r, out)
		return
	}
	if e.Revert && (f.runFault == "" || !f.clear(now, f.runFault, f.runBy, drillBy+r.Name(), "", out)) {
		// There is nothing to revert: its injection failed, or it is over already.
		answer = &drill.FaultDone{ID: f.runFault, Revert: true, At: now}
	}
	if answer != nil {
		f.tellDrill(now, *answer, out)
	}
}

// endDrill says how the drill ended. A fault that its run could not get reverted
// is asked for until it is.
func (f *Fleet) endDrill(now instant.Instant, r *drill.Runner, out *Effects) {
	f.running, f.runFault = nil, ""
	d := r.Report(now, f.options.Origin)
	state := api.StateOK
	if d.Phase != api.DrillPassed {
		state = api.StateDegraded
	}
	f.emit(api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindDrill, r.Name()), Lane: api.LaneDrill, State: state,
		Text: fmt.Sprintf("run %d %s", d.Run, d.Phase), Reason: d.Reason, Cause: f.runBy, Receipt: f.runReceipt,
	}, out)
}

// keepDrill ends the running drill when a new spec took away what it measures.
func (f *Fleet) keepDrill(now instant.Instant, before *spec.Fleet, cause api.Seq, out *Effects) {
	r := f.running
	if r == nil {
		return
	}
	s := r.Spec()
	why := ""
	switch d := f.spec.Drill(s.Name); {
	case d == nil:
		why = "drill " + s.Name + " left the spec"
	case *d != s:
		why = "the spec of drill " + s.Name + " changed"
	case f.spec.ClientsOf(s.Clients) == nil:
		why = "clients " + s.Clients + " left the spec"
	case f.pools[r.Target()] != f.drillPool(r):
		why = "backend/" + r.Target() + " left the pool"
	case moved(before, f.spec, r.Target()):
		why = "backend/" + r.Target() + " is another one now"
	}
	if why != "" {
		f.runBy = max(f.runBy, cause)
		f.tellDrill(now, drill.Abort{By: "a new spec: " + why}, out)
	}
}

func (f *Fleet) startProbes(now instant.Instant, r *drill.Runner, e drill.Effects, out *Effects) {
	run := f.runs[r.Name()]
	if c := f.spec.ClientsOf(r.Spec().Clients); c != nil {
		out.StartProbes = &ProbesOrder{Drill: r.Name(), Run: run, Clients: *c, Every: e.StartProbes}
	}
	// What the drill does from here on follows from its beginning.
	f.runBy = f.emit(api.Event{
		Subject: id.To(id.KindDrill, r.Name()), Lane: api.LaneDrill, State: api.StateOK, At: f.options.Origin.Wall(now),
		Text: fmt.Sprintf("run %d begins", run), Cause: f.runBy,
	}, out).Seq
}

// observe tells the running drill what the hosts say.
func (f *Fleet) observe(now instant.Instant, out *Effects) {
	r := f.running
	if r == nil {
		return
	}
	pool := f.spec.Pool(f.drillPool(r))
	if pool == nil {
		return
	}
	var o drill.Observe
	back := true
	serving := map[string]bool{}
	for _, name := range f.hostsOf(pool.Name) {
		m := f.hosts[name]
		if m == nil || !m.heard || now.Sub(m.at) > staleAfter {
			o.Silent++
			continue
		}
		for j := range pool.Backends {
			b := m.backend(pool.Backends[j].Name)
			if b == nil {
				continue
			}
			in := b.Balance.Phase == api.PhaseServing || b.Balance.Phase == api.PhaseRising || b.Balance.Phase == api.PhaseStandby
			if was, ok := serving[b.Name]; !ok || was {
				serving[b.Name] = in
			}
			if b.Name == r.Target() {
				o.Hosts++
				if !in {
					o.HostsOut++
					back = false
				}
			}
		}
	}
	o.All = len(pool.Backends)
	for _, in := range serving {
		if in {
			o.Up++
		}
	}
	o.TargetBack = back && o.Hosts > 0
	o.ErrorsPct = f.seriesOf(id.KindClients, r.Spec().Clients).traffic().ErrorsPct
	f.tellDrill(now, o, out)
}

// hostsOf are the hosts that serve a pool, by the spec.
func (f *Fleet) hostsOf(pool string) []string {
	var all []string
	for i := range f.spec.Listeners {
		l := &f.spec.Listeners[i]
		if l.Pool == pool || slices.ContainsFunc(l.SNI, func(r spec.SNIRoute) bool { return r.Pool == pool }) {
			all = append(all, l.Hosts...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hostsBackends are the backends of the pools that a host serves, by the spec.
func (f *Fleet) hostsBackends(name string) []string {
	var all []string
	for i := range f.spec.Pools {
		p := &f.spec.Pools[i]
		if !slices.Contains(f.hostsOf(p.Name), name) {
			continue
		}
		for j := range p.Backends {
			all = append(all, p.Backends[j].Name)
		}
	}
	slices.Sort(all)
	return all
}
