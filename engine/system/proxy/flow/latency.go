package flow

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// latencyFade is the time in which what was measured loses all but a third of
// its weight. It goes by time and not by the number of flows: a busy backend
// would else forget in a millisecond, and an idle one never.
const latencyFade = 5 * time.Second

// latency is a backend's time to the first byte as a peak-sensitive moving
// average: a slower answer counts at once, a faster one as its turn comes, for
// too much sent to a slow backend costs more than too little sent to a fast one.
// Two flows that write at once may lose one of two near values, no more.
type latency struct {
	value atomic.Int64 // nanoseconds at the instant of the newest answer; 0 unknown
	at    atomic.Int64
}

// add counts one answer.
func (l *latency) add(now instant.Instant, d time.Duration) {
	next := max(int64(d), 1)
	if old := l.value.Load(); old > next {
		w := fade(now, instant.Instant(l.at.Load()))
		next = max(int64(float64(old)*w+float64(next)*(1-w)), 1)
	}
	l.value.Store(next)
	l.at.Store(int64(now))
}

// now is the average, which fades while nothing is measured: a backend that
// was slow once and is passed over since gets its next chance.
func (l *latency) now(now instant.Instant) time.Duration {
	v := l.value.Load()
	if v == 0 {
		return 0
	}
	return time.Duration(max(int64(float64(v)*fade(now, instant.Instant(l.at.Load()))), 1))
}

func fade(now, then instant.Instant) float64 {
	if now <= then {
		return 1
	}
	return math.Exp(-float64(now-then) / float64(latencyFade))
}
