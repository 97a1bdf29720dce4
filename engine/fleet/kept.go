package fleet

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// kept takes what became of a spec that the world was to keep. It is in force
// either way: users are served first.
func (f *Fleet) kept(now instant.Instant, ev Kept, out *Effects) {
	if f.spec == nil || ev.Rev != f.rev || ev.Err == f.unkept {
		return
	}
	f.unkept, f.dirty = ev.Err, true
	e := api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
		Text: fmt.Sprintf("revision %d is kept", f.rev),
	}
	if ev.Err != "" {
		e.State, e.Text, e.Reason = api.StateDegraded, fmt.Sprintf("revision %d cannot be kept", f.rev), ev.Err
	}
	st := f.standing(e.Subject)
	e.Cause, st.since = st.cause, now
	st.cause = f.emit(e, out).Seq
}

// drawUnkept lists a spec that the next restart would lose.
func (f *Fleet) drawUnkept(s *api.Status) {
	if f.unkept == "" {
		return
	}
	ref := id.To(id.KindFleet, f.spec.Name)
	st := f.standing(ref)
	s.Problems = append(s.Problems, api.Problem{
		Subject: ref, State: api.StateDegraded, Since: f.options.Origin.Wall(st.since), Cause: st.cause,
		Text: fmt.Sprintf("revision %d cannot be kept: %s", f.rev, f.unkept), Effect: "a restart would lose it; tried again every few seconds",
	})
	s.State = api.Worst(s.State, api.StateDegraded)
}
