package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// ask answers a command: refused with its reasons, or recorded and carried out.
func (f *Fleet) ask(now instant.Instant, ev Ask, out *Effects) {
	req := ev.Request
	if f.picture == nil || f.dirty {
		f.redraw(now) // a command is checked against what is true now
	}
	receipt := api.Receipt{ID: ev.ID}
	need := api.Confirmation(req.Command, f.picture)
	confirmed := need == "" || req.Confirm == need
	receipt.Refusals = append(req.Command.Check(f.picture), ev.Refusal...)
	if need != "" && !confirmed {
		receipt.Refusals = append(receipt.Refusals, api.Refusal{Reason: api.ReasonNotConfirmed, Detail: fmt.Sprintf("confirm with %q", need)})
	}
	receipt.OK = !api.Stops(receipt.Refusals, need != "" && confirmed)
	if receipt.OK {
		receipt.Done = req.Command.Sentence()
	}
	if receipt.OK && !req.DryRun {
		receipt.Seq = f.record(now, ev, out)
		f.obey(now, ev, receipt.Seq, out)
	}
	out.Answers = append(out.Answers, Answer{receipt})
}

// record makes the event that says who asked for what, and why.
func (f *Fleet) record(now instant.Instant, ev Ask, out *Effects) api.Seq {
	req := ev.Request
	subject := id.To(id.KindFleet, f.spec.Name)
	if t := req.Command.Targets(); len(t) > 0 {
		subject = t[0]
	}
	by := req.By.Name
	if by == "" {
		by = "somebody"
	}
	return f.emit(api.Event{
		At: f.options.Origin.Wall(now), Site: f.siteOf(subject), Subject: subject, Lane: api.LanePeople, State: api.StateOK,
		Text: by + " asks: " + req.Command.Sentence(), Reason: req.Why, By: by, Receipt: ev.ID,
	}, out).Seq
}

// obey routes an accepted command to those who carry it out.
func (f *Fleet) obey(now instant.Instant, ev Ask, cause api.Seq, out *Effects) {
	by := ev.Request.By.Name
	switch c := ev.Request.Command.(type) {
	case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce:
		f.operator.take(c, f.backendsOf)
		for _, h := range f.hostNames() {
			out.Hosts = append(out.Hosts, ToHost{h, host.Order{Command: c, Cause: cause, By: by}})
		}
	case api.InjectFault:
		f.inject(now, c, by, ev.ID, cause, out)
	case api.ClearFault:
		f.clear(now, c.ID, cause, out)
	case api.StartDrill:
		f.startDrill(now, c.Name, by, cause, out)
	case api.AbortDrill:
		f.tellDrill(now, drill.Abort{By: by}, out)
	case api.Apply:
		f.setSpec(now, ev.Spec, c.Text, out)
		f.emit(api.Event{
			At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
			Text: fmt.Sprintf("revision %d is in force", f.rev), Cause: cause, By: by, Receipt: ev.ID,
		}, out)
	}
}

func (f *Fleet) hostNames() []string {
	names := make([]string, 0, len(f.hosts))
	for n := range f.hosts {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// backendsOf are the backends that a target stands for.
func (f *Fleet) backendsOf(target id.Ref) []string {
	var names []string
	for i := range f.spec.Pools {
		for _, b := range f.spec.Pools[i].Backends {
			if target == id.To(id.KindBackend, b.Name) || target == id.To(id.KindHost, b.Host) {
				names = append(names, b.Name)
			}
		}
	}
	return names
}

func (f *Fleet) siteOf(ref id.Ref) string {
	switch ref.Kind {
	case id.KindSite:
		return ref.Name
	case id.KindHost:
		if _, s := f.spec.Host(ref.Name); s != nil {
			return s.Name
		}
	case id.KindPool:
		if p := f.spec.Pool(ref.Name); p != nil {
			return p.Site
		}
	case id.KindBackend:
		if p := f.spec.Pool(f.pools[ref.Name]); p != nil {
			return p.Site
		}
	case id.KindListener:
		if l := f.spec.Listener(ref.Name); l != nil {
			return l.Site
		}
	case id.KindFleet, id.KindClients, id.KindDrill, id.KindFault:
	}
	return ""
}

// startDrill chooses the target and begins.
func (f *Fleet) startDrill(now instant.Instant, name, by string, cause api.Seq, out *Effects) {
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
	f.running, f.runBy = r, cause
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
	if e.Inject != nil {
		f.runFault = f.inject(now, api.InjectFault{
			Kind: e.Inject.Kind, Target: id.To(id.KindBackend, e.Inject.Backend), For: e.Inject.DeadMan, Delay: e.Inject.Delay,
		}, "drill/"+r.Name(), "", f.runBy, out)
	}
	if e.Revert && !f.clear(now, f.runFault, f.runBy, out) {
		// There is nothing to revert: its injection failed, or it is over already.
		defer f.tellDrill(now, drill.FaultDone{ID: f.runFault, Revert: true, At: now}, out)
	}
	if e.StopProbes {
		out.StopProbes = true
	}
	if e.Ended {
		f.running, f.runFault = nil, ""
		d := r.Report(now, f.options.Origin)
		state := api.StateOK
		if d.Phase != api.DrillPassed {
			state = api.StateDegraded
		}
		f.emit(api.Event{
			At: f.options.Origin.Wall(now), Subject: id.To(id.KindDrill, r.Name()), Lane: api.LaneDrill, State: state,
			Text: fmt.Sprintf("run %d %s", d.Run, d.Phase), Reason: d.Reason, Cause: f.runBy,
		}, out)
	}
}

func (f *Fleet) startProbes(now instant.Instant, r *drill.Runner, e drill.Effects, out *Effects) {
	run := f.runs[r.Name()]
	out.StartProbes = &ProbesOrder{Drill: r.Name(), Run: run, Clients: *f.spec.ClientsOf(r.Spec().Clients), Every: e.StartProbes}
	f.emit(api.Event{
		Subject: id.To(id.KindDrill, r.Name()), Lane: api.LaneDrill, State: api.StateOK, At: f.options.Origin.Wall(now),
		Text: fmt.Sprintf("run %d begins", run), Cause: f.runBy,
	}, out)
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
	for _, name := range f.hostNames() {
		m := f.hosts[name]
		if !m.heard {
			continue
		}
		for i := range m.report.Backends {
			b := &m.report.Backends[i].Balance
			if b.Pool != pool.Name {
				continue
			}
			in := b.Phase == api.PhaseServing || b.Phase == api.PhaseRising || b.Phase == api.PhaseStandby
			if was, ok := serving[b.Backend]; !ok || was {
				serving[b.Backend] = in
			}
			if b.Backend == r.Target() {
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
