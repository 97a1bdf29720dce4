package fleet_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// TestLateReportOfAnEarlierLife holds that a report which was overtaken says
// nothing any more, whatever its clock: neither one of the life before a restart
// nor an older one of the same life.
func TestLateReportOfAnEarlierLife(t *testing.T) {
	w := newWorld(t, story)
	w.run(10 * time.Second)
	before := w.hosts["h1"].Status(w.now) // it serves; this is under way while the host dies
	w.restart("h1")
	w.ask(api.Drain{Target: id.To(id.KindBackend, "b1")}, "")
	w.run(100 * time.Millisecond)
	// Far ahead of the new life's clock, a little behind it, and far behind it.
	for _, at := range []instant.Instant{w.now.Add(time.Hour), w.now.Add(-time.Second), 0} {
		before.At = at
		w.tell(fleet.Report{Status: before, Changed: true})
		w.run(fleet.PictureEvery)
		b, _ := w.picture.Backend("b1")
		for _, v := range b.Votes {
			if v.Host == "h1" && (v.Phase == api.PhaseServing || v.Phase == api.PhaseRising) {
				t.Fatalf("a report of the life before, at %s, is taken for the new one: %s", time.Duration(at), v.Phase)
			}
		}
	}
	stale := w.hosts["h1"].Status(w.now)
	stale.At = w.now.Add(-time.Hour) // a machine that slept with the letter in its hand
	stale.Bindings = []host.Binding{{Listener: "web", Address: "127.11.0.1:8080", Reason: "an old story"}}
	w.tell(fleet.Report{Status: stale, Changed: true})
	w.run(fleet.PictureEvery)
	for _, h := range w.picture.Hosts {
		if h.State == api.StateDegraded {
			t.Errorf("an overtaken report of this life is taken: %s", h.Reason)
		}
	}
}

// TestNewLifeIsToldAllAtOnce holds that a host which was restarted is known by
// its life, also when its clock and its revision say nothing of it.
func TestNewLifeIsToldAllAtOnce(t *testing.T) {
	w := newWorld(t, story)
	w.run(10 * time.Second)
	w.ask(api.SetWeights{Weights: []api.Weight{{Backend: "b1", Weight: 7}}}, "")
	w.run(10 * time.Second)
	w.hosts["h1"] = w.born("h1", 2)
	w.now = w.now.Add(time.Millisecond)
	w.report("h1", true)
	s := w.hosts["h1"].Status(w.now)
	for _, b := range s.Backends {
		if b.Name == "b1" && b.Balance.Weight == 7 {
			return
		}
	}
	t.Fatalf("its first report did not bring it the spec and the weight: %+v", s)
}
