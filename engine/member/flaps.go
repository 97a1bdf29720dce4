package member

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// lossesKept is how many losses are remembered; more than any Flap.Count.
const lossesKept = 16

// flaps damps a host that comes and goes.
type flaps struct {
	lost  []instant.Instant // the newest losses, oldest first
	came  bool              // it was alive once: who never came cannot be lost
	gone  bool              // it is lost now
	level int               // doublings of the next hold
	calm  instant.Instant   // the last loss, or the last doubling that was taken back
	until instant.Instant   // it is held back until then
}

// damp takes what the evidence says and returns what is to be said.
func (f *flaps) damp(now instant.Instant, set Flap, v verdict) verdict {
	for f.level > 0 && now.Sub(f.calm) >= set.Window {
		f.level--
		f.calm = f.calm.Add(set.Window)
	}
	switch v.state {
	case StateAlive:
		f.came = true
		if f.gone {
			f.gone = false
			if f.count(now, set) >= set.Count {
				f.until = now.Add(min(set.Hold<<min(f.level, 20), set.HoldMax))
				f.level++
			}
		}
		if now.Before(f.until) {
			return verdict{StateSuspected, ReasonFlapping, ""}
		}
	case StateStopped:
		if v.reason != ReasonGoodbye { // to stop on purpose is no flap
			f.loss(now)
		}
	case StateDead, StateCut:
		f.loss(now)
	case StateSuspected:
	}
	return v
}

func (f *flaps) loss(now instant.Instant) {
	if f.gone || !f.came {
		return
	}
	f.gone, f.calm = true, now
	if len(f.lost) == lossesKept {
		f.lost = slices.Delete(f.lost, 0, 1)
	}
	f.lost = append(f.lost, now)
}

// count is how often the host was lost within the window.
func (f *flaps) count(now instant.Instant, set Flap) int {
	n := 0
	for _, at := range f.lost {
		if now.Sub(at) <= set.Window {
			n++
		}
	}
	return n
}
