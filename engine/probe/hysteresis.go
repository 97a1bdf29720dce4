package probe

import (
	"time"

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
	heldTo instant.Instant   // up is not allowed before
}

// flapsKept bounds the memory of a flapping target; past it the hold-down has
// long reached its limit.
const flapsKept = 16

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
	was := h.health
	h.health, h.inARow, h.since = to, 0, now
	if to != api.Down || was != api.Up || p.Flap.Off {
		return
	}
	h.forget(now, p)
	if len(h.downs) == flapsKept {
		h.downs = h.downs[:copy(h.downs, h.downs[1:])]
	}
	h.downs = append(h.downs, now)
	if flaps := len(h.downs) - p.Flap.Count; flaps >= 0 {
		hold := p.Flap.Hold.D()
		for range flaps {
			if hold = min(2*hold, p.Flap.HoldMax.D()); hold == p.Flap.HoldMax.D() {
				break
			}
		}
		h.heldTo = now.Add(hold)
	}
}

// forget drops the downs that are older than the flap window.
func (h *hysteresis) forget(now instant.Instant, p *spec.Probe) {
	first := 0
	for first < len(h.downs) && now.Sub(h.downs[first]) > p.Flap.Window.D() {
		first++
	}
	h.downs = h.downs[:copy(h.downs, h.downs[first:])]
}

// Detection is the longest time from the moment a target stops answering to
// the result that takes it out: it stops right after it passed, so the next
// probe begins an interval (and its jitter) later, each of the Fall probes
// begins at the earliest when the interval since the last one is over or the
// last one has timed out, and the last one takes its whole time-out. A target
// that refuses at once is out one time-out earlier.
func Detection(p spec.Probe) time.Duration {
	interval := time.Duration(float64(p.Interval) * (1 + p.Jitter.Share()/2))
	step := max(interval, p.Timeout.D())
	return interval + time.Duration(p.Fall-1)*step + p.Timeout.D()
}
