package fleet_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// TestClientsWaitForEveryHost: one host of two has measured nothing yet when the
// pool is well by the other's word. Clients that began now would get its 503 and
// call a fresh fleet broken.
func TestClientsWaitForEveryHost(t *testing.T) {
	w := newWorld(t, story)
	late := instant.Instant(390 * time.Millisecond) // still within the time-out
	for w.now < late-instant.Instant(time.Millisecond) {
		for i := range w.calls {
			if w.calls[i].host == "h2" {
				w.calls[i].at = late
			}
		}
		w.run(time.Millisecond)
	}
	if p, _ := w.picture.Pool("shop"); p.Up == 0 {
		t.Error("no backend is up by the word of h1: there is nothing to wait with")
	}
	if len(w.began) > 0 {
		t.Errorf("%v began before h2 had measured a backend", w.began)
	}
	w.run(time.Second)
	if len(w.began) != 1 {
		t.Errorf("%v began once both hosts serve, want users", w.began)
	}
}

// TestClientsDoNotWaitForTheDrained: a drain that goes on from the fleet before is
// no reason for clients to wait, nor to call them unknown meanwhile.
func TestClientsDoNotWaitForTheDrained(t *testing.T) {
	w := nextWorld(t, story, []fleet.Word{{Backend: "b1", Verb: "drain", For: time.Minute, By: "kim"}})
	w.run(time.Second)
	if b, _ := w.picture.Backend("b1"); !b.Asked.Drain {
		t.Fatalf("the drain does not go on: %s", w.show())
	}
	if len(w.began) != 1 {
		t.Errorf("%v began within a second, want users", w.began)
	}
}
