package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// draw makes a picture when there is something new and the last one is old
// enough.
func (f *Fleet) draw(now instant.Instant, out *Effects) {
	if f.spec == nil || !f.dirty || f.picture != nil && !f.drawAt().Reached(now) {
		return
	}
	f.drawn = now
	f.redraw(now)
	f.change(now, out)
	f.dirty, f.news = false, news{}
	f.picture.Seq = f.seq
	if !f.options.Observer {
		f.begin(now, out)
	}
	out.Picture = f.picture
}

// news is what hosts reported since the newest picture.
type news struct {
	any         bool
	first, last instant.Instant // when it came
}

func (n *news) came(now instant.Instant) {
	if !n.any {
		n.any, n.first = true, now
	}
	n.last = now
}

// drawAt is when the next picture is to be made, if there is anything new: for
// the notes of a host whose report changed it waits a moment, so that what led to
// the change is known by then. However often hosts report, it waits but once.
func (f *Fleet) drawAt() instant.Instant {
	at := f.drawn.Add(PictureEvery)
	if !f.news.any {
		return at
	}
	latest := max(at, f.news.first).Add(notesWithin)
	return max(at, min(f.news.last.Add(notesWithin), latest))
}

// redraw makes the picture of this moment. That faces have yet to see it is
// draw's business: who asks without a pause must not keep them from it.
func (f *Fleet) redraw(now instant.Instant) {
	s := &api.Status{
		Version: api.StatusVersion, Fleet: f.spec.Name, Title: f.spec.Title, Production: f.spec.Production, World: f.options.World,
		Started: f.options.Origin.Wall(f.started), At: f.options.Origin.Wall(now), Seq: f.seq, Rev: f.rev, RevFirst: f.oldest(), Spec: f.text, Admission: f.admission.picture,
		Faults: []api.Fault{}, Drills: []api.Drill{}, Problems: []api.Problem{}, Clients: []api.Clients{},
		Links: []api.Link{}, Groups: []api.Group{},
	}
	fell := false // a host fell silent, or came back
	for _, m := range f.hosts {
		if fresh := m.fresh(now); fresh != m.shown {
			m.shown, fell = fresh, true
		}
	}
	if fell {
		clear(f.bindings)
		for _, v := range f.views {
			v.stale = true
		}
	}
	f.drawPools(now, s)
	f.whole = false
	f.drawListeners(now, s)
	f.drawCoordinator(s)
	f.drawGroups(now, s)
	f.drawLinks(now, s)
	f.drawPlaces(now, s)
	f.drawClients(now, s)
	for _, x := range f.faults {
		s.Faults = append(s.Faults, f.drawFault(x))
	}
	slices.SortFunc(s.Faults, func(a, b api.Fault) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range f.drills {
		s.Drills = append(s.Drills, f.drawDrill(now, r))
	}
	slices.SortFunc(s.Drills, func(a, b api.Drill) int { return cmp.Compare(a.Name, b.Name) })
	f.drawProblems(s)
	f.picture = s
}

// stand works out a thing's standing: its state, and since when it has it. What it is so by, if another thing, is set by the caller.
func (f *Fleet) stand(now instant.Instant, ref id.Ref, state api.State, reason string) *standing {
	st := f.standing(ref)
	if st.begun == 0 {
		st.begun = max(now, 1)
	}
	if st.state != state {
		st.state, st.since = state, now
	}
	st.reason = reason
	return st
}

func (f *Fleet) drawPools(now instant.Instant, s *api.Status) {
	s.Pools, s.Backends = make([]api.Pool, 0, len(f.spec.Pools)), make([]api.Backend, 0, len(f.pools))
	for i := range f.spec.Pools {
		p := &f.spec.Pools[i]
		first := len(s.Backends)
		for j := range p.Backends {
			v := f.view(p.Backends[j].Name)
			if v.stale || f.whole && (len(s.Backends)+f.ticks)%votesEvery == 0 {
				v.votes = f.drawVotes(v.sights)
			}
			if v.stale {
				v.stale, v.sum = false, sum(v.sights)
				v.drawn = f.drawBackend(now, p, &p.Backends[j], v)
			} else if f.whole || v.drawn.DrainLeft > 0 {
				v.drawn = f.drawBackend(now, p, &p.Backends[j], v)
			}
			s.Backends = append(s.Backends, v.drawn)
		}
		mine := s.Backends[first:]
		total := 0.0
		for k := range mine {
			total += mine[k].Traffic.Requests
		}
		for k := range mine {
			if total > 0 {
				mine[k].RealShare = mine[k].Traffic.Requests / total
			}
		}
		serves := slices.ContainsFunc(mine, func(b api.Backend) bool { return b.Share > 0 }) // by any host that is not silent
		s.Pools = append(s.Pools, f.drawPool(now, p, mine, serves))
	}
	byName := func(a, b api.Backend) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(s.Backends, byName) { // they are large to move
		slices.SortFunc(s.Backends, byName)
	}
	slices.SortFunc(s.Pools, func(a, b api.Pool) int { return cmp.Compare(a.Name, b.Name) })
}

// drawPool draws a pool from its backends. serves says that some host sends flows
// to one of them: each backend is drawn as the host sees it that sees it worst,
// and while hosts learn one after another that a primary is back and its backup
// stands by again, no backend serves for all of them although each has one.
func (f *Fleet) drawPool(now instant.Instant, p *spec.Pool, mine []api.Backend, serves bool) api.Pool {
	ref := id.To(id.KindPool, p.Name)
	out := api.Pool{Name: p.Name, Site: p.Site, Scheduler: string(p.Scheduler), Backends: len(p.Backends), Probe: "none"}
	if check := f.spec.Probe(p.Probe); check != nil {
		d, ok := f.probes[p.Probe]
		if !ok {
			d = described{probe.Describe(*check), probe.Detection(*check)}
			f.probes[p.Probe] = d
		}
		out.Probe, out.Detection = d.text, d.detection
	}
	if se, ok := f.series[ref]; ok {
		out.Traffic, out.Trend = se.traffic(), se.trend()
	}
	for _, m := range f.hosts {
		out.Panic = out.Panic || m.fresh(now) && slices.Contains(m.report.Panics, p.Name)
	}
	state, known, standby, fresh := api.StateOK, false, 0, 0
	var off, ill []string
	// The newest trouble is the culprit, of those that do not serve if there are
	// any.
	var culprit *standing
	spared := false
	for i := range mine {
		b := &mine[i]
		st := f.standing(id.To(id.KindBackend, b.Name))
		known = known || b.State != api.StateUnknown
		if serves := b.Serves() || b.Phase == api.PhaseStandby; b.State != api.StateOK && (culprit == nil || !serves && spared || serves == spared && st.since > culprit.since) {
			culprit, spared = st, serves
		}
		if b.State == api.StateUnknown && now.Sub(st.begun) < settleTime {
			fresh++ // it is being measured for the first time
			continue
		}
		switch {
		case b.State == api.StateUnknown:
			off = append(off, b.Name)
		case b.Serves():
			out.Up++
		case b.Phase == api.PhaseStandby:
			out.Up++
			standby++
		default:
			off = append(off, b.Name)
		}
		if b.State == api.StateDegraded && b.Phase != api.PhaseRising {
			ill = append(ill, b.Name)
		}
	}
	reason := fmt.Sprintf("%d of %d serve", out.Up-standby, len(mine))
	if fresh > 0 {
		reason += fmt.Sprintf(", %d not measured yet", fresh)
	}
	if standby > 0 {
		reason += fmt.Sprintf(", %d stand by", standby)
	}
	switch {
	case !known:
		state, reason = api.StateUnknown, "nothing is known of its backends"
		if len(mine) > 0 {
			reason += ": " + mine[0].Reason
		}
	case out.Panic:
		state, reason = api.StateDegraded, "panic: all backends are used, "+reason
	case out.Up-standby == 0 && serves:
		state, reason = api.StateDegraded, "hosts differ on who serves"
	case out.Up-standby == 0:
		state, reason = api.StateDown, "nobody serves"
	case len(off) > 0:
		state, reason = api.StateDegraded, reason+": "+off[0]+more(len(off)-1)+" does not"
	case len(ill) > 0:
		state, reason = api.StateDegraded, reason+": "+ill[0]+more(len(ill)-1)+" is degraded"
	}
	st := f.stand(now, ref, state, reason)
	if state != api.StateOK && culprit != nil {
		st.cause = culprit.cause
	}
	out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
	return out
}

// fresh reports whether a host was heard of not long ago.
func (m *reporter) fresh(now instant.Instant) bool {
	return m.heard && !m.gone && now.Sub(m.at) <= staleAfter
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

func (f *Fleet) drawListeners(now instant.Instant, s *api.Status) {
	s.Listeners = make([]api.Listener, 0, len(f.spec.Listeners))
	for i := range f.spec.Listeners {
		l := &f.spec.Listeners[i]
		ref := id.To(id.KindListener, l.Name)
		out := api.Listener{Name: l.Name, Site: l.Site, Protocol: string(l.Protocol), Port: l.Port, Pool: l.Pool, Bindings: []api.Binding{}}
		if se, ok := f.series[ref]; ok {
			out.Traffic, out.Trend = se.traffic(), se.trend()
		}
		known, ok := f.bindings[l.Name]
		if !ok {
			known = f.bind(now, l)
			f.bindings[l.Name] = known
		}
		bound, heard, silent, refusal := known.bound, known.heard, known.silent, known.refusal
		out.Bindings = known.all
		state, reason := api.StateOK, fmt.Sprintf("listens on %d of %d hosts", bound, len(l.Hosts))
		pool, hasPool := s.Pool(l.Pool)
		switch {
		case heard == 0 && silent > 0:
			state, reason = api.StateUnknown, "its hosts are silent"
		case heard == 0 && known.dead > 0:
			state, reason = api.StateDown, "its hosts are dead, or have stopped"
		case heard == 0:
			state, reason = api.StateUnknown, "no host has reported on it"
		case bound == 0 && silent == 0:
			state, reason = api.StateDown, refusal
		case bound < len(l.Hosts):
			state = api.StateDegraded
			if silent > 0 {
				reason += fmt.Sprintf("; %d silent", silent)
			}
			if known.dead > 0 {
				reason += fmt.Sprintf("; %d dead or stopped", known.dead)
			}
			if refusal != "" {
				reason += "; " + refusal
			}
		case hasPool && pool.State == api.StateDown:
			state, reason = api.StateDown, "pool "+pool.Name+": "+pool.Reason
		}
		st := f.stand(now, ref, state, reason)
		out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
		s.Listeners = append(s.Listeners, out)
	}
	slices.SortFunc(s.Listeners, func(a, b api.Listener) int { return cmp.Compare(a.Name, b.Name) })
}
