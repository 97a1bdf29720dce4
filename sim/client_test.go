package sim_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/api/apitest"
	"github.com/holdfast-edge/holdfast/profiles"
	"github.com/holdfast-edge/holdfast/sim"
)

func open(t *testing.T, speed float64) *sim.Client {
	t.Helper()
	text, err := profiles.Read("single-site")
	if err != nil {
		t.Fatal(err)
	}
	c, err := sim.NewClient(sim.Options{Name: "single-site", Spec: string(text), Seed: 1, Speed: speed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClient(t *testing.T) {
	apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
		c := open(t, 20)
		t.Cleanup(func() {
			if err := c.Err(); err != nil {
				t.Errorf("the simulation ended by itself: %v", err)
			}
		})
		return apitest.Fixture{Client: c, Gone: c.Close}
	})
}

// By hand, time stands still until somebody moves it, and what is seen is the
// same each time.
func TestClientByHand(t *testing.T) {
	var pictures [2]*api.Status
	for i := range pictures {
		c := open(t, 0)
		c.Advance(5 * time.Second)
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.State != api.StateOK || s.World != api.WorldSimulation {
			t.Errorf("after five seconds the fleet is %s in world %s", s.State, s.World)
		}
		again, err := c.Status(t.Context())
		if err != nil || again != s {
			t.Errorf("time passed by itself: %v", err)
		}
		if r, err := c.Do(t.Context(), api.Request{Command: api.StartDrill{Name: "lose-backend"}}); err != nil || !r.OK {
			t.Fatalf("the drill is refused: %+v, %v", r, err)
		}
		c.Advance(30 * time.Second)
		if pictures[i], err = c.Status(t.Context()); err != nil {
			t.Fatal(err, c.Err())
		}
		if d, ok := pictures[i].Drill("lose-backend"); !ok || d.Phase != api.DrillPassed {
			t.Errorf("the drill is %s: %s", d.Phase, d.Reason)
		}
	}
	a, b := pictures[0], pictures[1]
	if a.Seq != b.Seq || !a.At.Equal(b.At) || a.Drills[0].Probes != b.Drills[0].Probes {
		t.Errorf("the same seed shows event %d at %s, and event %d at %s", a.Seq, a.At, b.Seq, b.At)
	}
}
