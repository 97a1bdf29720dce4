package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// TestHandBackIsNoOutage: a primary fails, its backup takes over, and the primary
// comes back. Hosts learn of it one after another; in between no backend serves
// for all of them, and yet each host has one that does. Nobody is called out of
// bed for that.
func TestHandBackIsNoOutage(t *testing.T) {
	w := newWorld(t, strings.Replace(story, "port: 9002, service: {}", "port: 9002, service: {}, backup: true", 1))
	w.run(5 * time.Second)
	w.restart("h2") // so that it probes at another moment than h1
	w.run(5300 * time.Millisecond)
	w.dead["b1"] = true
	w.run(5 * time.Second)
	w.dead["b1"] = false
	w.run(10 * time.Second)
	back := false
	for _, e := range w.events {
		back = back || e.Subject.String() == "backend/b1" && strings.HasPrefix(e.Text, "is back")
		if e.Subject.String() == "pool/shop" && e.State == api.StateDown {
			t.Errorf("%s", line(e))
		}
	}
	if !back {
		t.Error("b1 did not come back")
	}
	// When nobody serves it is said as ever.
	w.dead["b1"], w.dead["b2"] = true, true
	w.run(5 * time.Second)
	if p := w.picture.Pools[0]; p.State != api.StateDown || p.Reason != "nobody serves" {
		t.Errorf("without a backend the pool is %s: %s", p.State, p.Reason)
	}
}
