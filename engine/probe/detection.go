package probe

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Detection is the longest time from the moment a target stops answering to
// the result that takes it out, in a world that delivers each answer within its
// time-out. The target stops right after it passed, so the next probe begins an
// interval (and its jitter) later; each further one begins when that long has
// gone by since the last one began, or when the last one has timed out if that is
// later; and the last of the Fall probes takes its whole time-out. A target that
// refuses at once is out earlier by its time-outs.
//
// A world that delivers late adds its lateness to each probe that timed out.
func Detection(p spec.Probe) time.Duration {
	interval := longest(p)
	return interval + time.Duration(p.Fall-1)*max(interval, p.Timeout.D()) + p.Timeout.D()
}

// Recovery is the longest time from the moment a target answers again to the
// result that takes it back, when it is not held down: a probe that began just
// before may still fail, and each of the Rise probes may take its whole time-out.
func Recovery(p spec.Probe) time.Duration {
	step := max(longest(p), p.Timeout.D())
	return time.Duration(p.Rise)*step + p.Timeout.D()
}

// longest is the longest time between the beginnings of two probes that answer
// at once.
func longest(p spec.Probe) time.Duration {
	return time.Duration(float64(p.Interval) * (1 + p.Jitter.Share()/2))
}
