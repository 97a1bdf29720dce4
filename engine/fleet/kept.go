package fleet

import (
	"fmt"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Record is what a world keeps on its disk.
type Record string

// The records.
const (
	RecordSpec  Record = "spec"  // the spec in force
	RecordWords Record = "words" // of operators
)

// Records lists the records.
func Records() []Record { return []Record{RecordSpec, RecordWords} }

// unkept is why a record is not on the disk, since when, and the event that said
// so.
type unkept struct {
	err   string
	since instant.Instant
	cause api.Seq
}

// named is a record in words.
func (f *Fleet) named(r Record) string {
	switch r {
	case RecordSpec:
	case RecordWords:
		return "what operators have set"
	}
	return fmt.Sprintf("revision %d", f.rev)
}

// wasKept takes what became of a record that the world was to keep. What it says is
// in force either way: users are served first.
func (f *Fleet) wasKept(now instant.Instant, ev Kept, out *Effects) {
	known := f.unkept[ev.Record]
	if f.spec == nil || ev.Record == RecordSpec && ev.Rev != f.rev || ev.Err == known.err || !slices.Contains(Records(), ev.Record) {
		return
	}
	f.dirty = true
	what := f.named(ev.Record)
	ref := id.To(id.KindFleet, f.spec.Name)
	e := api.Event{At: f.options.Origin.Wall(now), Subject: ref, Lane: api.LaneFleet, State: api.StateOK, Text: what + " is kept", Cause: known.cause}
	if ev.Err != "" {
		e.State, e.Text, e.Reason = api.StateDegraded, what+" cannot be kept", ev.Err
	}
	st := f.standing(ref)
	if e.Cause == 0 {
		e.Cause = st.cause
	}
	st.cause = f.emit(e, out).Seq
	if ev.Err == "" {
		delete(f.unkept, ev.Record)
		return
	}
	if known.err == "" {
		known.since = now
	}
	f.unkept[ev.Record] = unkept{ev.Err, known.since, st.cause}
}

// drawUnkept lists what the disk lacks.
func (f *Fleet) drawUnkept(s *api.Status) {
	for _, r := range Records() {
		u, ok := f.unkept[r]
		if !ok {
			continue
		}
		s.Problems = append(s.Problems, api.Problem{
			Subject: id.To(id.KindFleet, f.spec.Name), State: api.StateDegraded, Since: f.options.Origin.Wall(u.since), Cause: u.cause,
			Text: fmt.Sprintf("%s cannot be kept: %s", f.named(r), u.err), Effect: "a restart would lose it; tried again every few seconds",
		})
		s.State = api.Worst(s.State, api.StateDegraded)
	}
}
