package balance

import (
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// LatencyFade is the time in which what was measured loses all but a third of
// its weight. It goes by time and not by the number of flows: a busy backend
// would else forget in a millisecond, and an idle one never.
const LatencyFade = 5 * time.Second

// Latency is a backend's time to the first byte as a peak-sensitive moving
// average: a slower answer counts at once, a faster one as its turn comes, for
// too much sent to a slow backend costs more than too little sent to a fast one.
// The zero value was never measured.
type Latency struct {
	Value time.Duration // at the instant of the newest answer; 0 unknown
	At    instant.Instant
}

// Add returns the average with one more answer.
func (l Latency) Add(now instant.Instant, d time.Duration) Latency {
	next := max(d, 1)
	if l.Value > next {
		w := fade(now, l.At)
		next = max(time.Duration(float64(l.Value)*w+float64(next)*(1-w)), 1)
	}
	return Latency{next, now}
}

// Now is the average, which fades while nothing is measured: a backend that was
// slow once and is passed over since gets its next chance.
func (l Latency) Now(now instant.Instant) time.Duration {
	if l.Value == 0 {
		return 0
	}
	return max(time.Duration(float64(l.Value)*fade(now, l.At)), 1)
}

func fade(now, then instant.Instant) float64 {
	if now <= then {
		return 1
	}
	return math.Exp(-float64(now-then) / float64(LatencyFade))
}
