package probe

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// hysteresis turns single results into a health that does not flutter.
type hysteresis struct {
	health api.Measure
	inARow int // results in a row that speak against health
	since  instant.Instant

	downs  []instant.Instant // within the flap window, oldest first; at most flapsKept
	flaps  int               // how far the hold-down has grown; 0 is none
	heldTo instant.Instant   // up is not allowed before
}

// Bounds on what is remembered of a flapping target.
const (
	// flapsKept is as many downs as a spec can ask to count.
	flapsKept = 100
	// flapsMax bounds how far a hold-down grows: doubled so often, the shortest
	// one is longer than the longest that a spec allows.
	flapsMax = 20
)

func newHysteresis() hysteresis { return hysteresis{health: api.Unknown} }

// judge takes one result and reports whether the health changed.
func (h *hysteresis) judge(now instant.Instant, pass bool, p *spec.Probe) bool {
	want := api.Down
	if pass {
		want = api.Up
	}
	if h.health == want {
		h.inARow = 0
		return false
	}
	h.inARow++
	need := p.Fall
	if pass {
		need = p.Rise
	}
	if h.health == api.Unknown {
		need = 1 // nothing is known that one result could contradict
	}
	if h.inARow < need {
		return false
	}
	if pass && now.Before(h.heldTo) {
		return false // it keeps passing; the hold-down's end will find it up
	}
	h.turn(now, want, p)
	return true
}

// turn changes the health.
func (h *hysteresis) turn(now instant.Instant, to api.Measure, p *spec.Probe) {
	was, up := h.health, h.since
	h.health, h.inARow, h.since = to, 0, now
	if to != api.Down || was != api.Up || p.Flap.Off {
		return
	}
	// Each whole window that it was up for takes one step of the hold-down back.
	// The time that it was held down does not count as calm: a target that fails
	// whenever it is let up comes to the longest hold-down and stays there.
	h.flaps = max(h.flaps-int(now.Sub(up)/p.Flap.Window.D()), 0)
	h.forget(now, p)
	if len(h.downs) == flapsKept {
		h.downs = h.downs[:copy(h.downs, h.downs[1:])]
	}
	h.downs = append(h.downs, now)
	if h.flaps == 0 && len(h.downs) < p.Flap.Count {
		return
	}
	h.flaps = min(h.flaps+1, flapsMax)
	hold := p.Flap.Hold.D()
	for range h.flaps - 1 {
		if hold >= p.Flap.HoldMax.D()/2 {
			hold = p.Flap.HoldMax.D()
			break
		}
		hold *= 2
	}
	h.heldTo = now.Add(hold)
}

// forget drops the downs that are older than the flap window.
func (h *hysteresis) forget(now instant.Instant, p *spec.Probe) {
	first := 0
	for first < len(h.downs) && now.Sub(h.downs[first]) > p.Flap.Window.D() {
		first++
	}
	if first > 0 {
		h.downs = h.downs[:copy(h.downs, h.downs[first:])]
	}
}
