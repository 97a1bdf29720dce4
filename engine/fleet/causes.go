package fleet

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// noted numbers a host's notes, and says what led to those that do not say so
// themselves.
func (f *Fleet) noted(ev Noted, out *Effects) {
	m := f.hosts[ev.Host]
	if m == nil {
		return // it left the spec while they were under way
	}
	seqs := make([]api.Seq, len(ev.Notes))
	for i, n := range ev.Notes {
		e := n.Event
		e.At, e.Host = f.options.Origin.Wall(n.At), ev.Host
		switch {
		case n.After > 0 && n.After <= i:
			e.Cause = seqs[n.After-1]
		case e.Cause == 0:
			e.Cause = f.blame(m, &n)
		}
		seqs[i] = f.emit(e, out).Seq
		if f.has(e.Subject) {
			m.told[e.Subject] = seqs[i]
		}
	}
	f.dirty = true
}

// blame is what led to a note that says nothing of it. Trouble comes from what
// was done to the subject, or happened to its process, not long ago: a fault that
// is asked for counts before the world has said that it is done. A recovery comes
// from what mended it, and otherwise goes on with what the host told before. What
// an operator asked for is never to blame for what probes find: its own effects
// name it.
func (f *Fleet) blame(m *reporter, n *host.Note) api.Seq {
	subject := n.Event.Subject
	newest := m.told[subject]
	st, ok := f.states[subject]
	near := ok && st.blame > 0 && f.now.Sub(st.blameAt) <= blameFor
	if n.Follows {
		if near && !st.blameBad && st.blame > newest {
			return st.blame
		}
		return newest
	}
	if near && st.blameBad {
		return st.blame
	}
	if x := f.faultOn(subject); x != nil && !x.revert {
		return x.cause
	}
	return 0
}

// has reports whether the spec has a backend, listener or pool of that name.
func (f *Fleet) has(ref id.Ref) bool {
	switch ref.Kind {
	case id.KindBackend:
		return f.pools[ref.Name] != ""
	case id.KindListener:
		return f.spec.Listener(ref.Name) != nil
	case id.KindPool:
		return f.spec.Pool(ref.Name) != nil
	case id.KindFleet, id.KindSite, id.KindHost, id.KindClients, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup:
	}
	return false
}

// emit numbers an event and remembers it as the cause of what its subject does
// next.
func (f *Fleet) emit(e api.Event, out *Effects) api.Event {
	f.seq++
	e.Seq = f.seq
	out.Events = append(out.Events, e)
	f.dirty = true
	if f.spec == nil || !f.has(e.Subject) {
		return e
	}
	st := f.standing(e.Subject)
	st.cause = e.Seq
	if e.Subject.Kind != id.KindBackend {
		return e
	}
	f.standing(id.To(id.KindPool, f.pools[e.Subject.Name])).cause = e.Seq
	if e.Lane == api.LaneFault || e.Lane == api.LaneFleet {
		st.blame, st.blameAt, st.blameBad = e.Seq, f.now, e.State != api.StateOK
	}
	return e
}

// blameFor is how long what was done to a backend, or happened to its process,
// counts as the cause of what its probes find: longer than any detection.
const blameFor = time.Minute

func (f *Fleet) standing(ref id.Ref) *standing {
	s, ok := f.states[ref]
	if !ok {
		s = &standing{state: api.StateUnknown, since: f.started}
		f.states[ref] = s
	}
	return s
}

func (f *Fleet) process(now instant.Instant, ev Process, out *Effects) {
	if f.spec != nil && f.pools[ev.Backend] == "" {
		return // it left the spec
	}
	before, known := f.processes[ev.Backend]
	f.processes[ev.Backend] = ev
	f.dirty = true
	if before.Running == ev.Running && before.PID == ev.PID && (ev.Running || before.Reason == ev.Reason) {
		return
	}
	e := api.Event{At: f.options.Origin.Wall(now), Subject: id.To(id.KindBackend, ev.Backend), Lane: api.LaneFleet, State: api.StateOK, Text: "its process was started"}
	switch {
	case ev.Running && !known:
		return // the first start of a process is no news
	case !ev.Running && before.Running:
		e.State, e.Text, e.Reason = api.StateDown, "its process ended", ev.Reason
	case !ev.Running:
		e.State, e.Text, e.Reason = api.StateDown, "its process could not be started", ev.Reason
	}
	if st := f.states[e.Subject]; ev.Running && st != nil {
		e.Cause = st.blame // its end, or the revert of what ended it
	}
	if x := f.faultOn(e.Subject); x != nil {
		e.Cause = x.cause
	}
	e.Site = f.siteOf(e.Subject)
	f.emit(e, out)
}
