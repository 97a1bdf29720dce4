package fleet_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// TestAskKnowsTheOneBefore: commands come faster than hosts report. Each is
// checked against what the one before it asked, and the picture that faces see
// shows it at once.
func TestAskKnowsTheOneBefore(t *testing.T) {
	w := newWorld(t, story)
	w.run(5 * time.Second)
	w.mute["h1"], w.mute["h2"] = true, true // no report brings it to light
	target := id.To(id.KindBackend, "b1")
	for round := range 3 {
		w.now = w.now.Add(fleet.PictureEvery) // a picture is due, and the command comes ahead of its Wake
		if r := w.ask(api.Drain{Target: target}, ""); !r.OK {
			t.Fatalf("round %d: the drain was refused: %v", round, r.Refusals)
		}
		if b, _ := w.picture.Backend("b1"); !b.Asked.Drain {
			t.Errorf("round %d: the picture after the drain does not show it", round)
		}
		if r := w.ask(api.Drain{Target: target}, ""); r.OK {
			t.Errorf("round %d: a second drain was taken for a new one", round)
		}
		if r := w.ask(api.Undrain{Target: target}, ""); !r.OK {
			t.Fatalf("round %d: the drain's end was refused: %v", round, r.Refusals)
		}
	}
}
