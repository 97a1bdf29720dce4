// Package instant is monotonic time as a number.
//
// Deciders are told what time it is and never ask. An Instant counts
// nanoseconds from the origin of the world that hands it out: boot of the
// process on real hosts, zero in simulation. Instants of two worlds are not
// comparable; wall-clock time is for people and is made from an Origin.
package instant

import (
	"math"
	"time"
)

// Instant is a point in monotonic time, in nanoseconds since the world's
// origin.
type Instant int64

// Never is later than every other instant: the deadline of a decider that
// wants no Wake.
const Never Instant = math.MaxInt64

// Add returns the instant d later. It saturates at Never and at zero, so that
// a long time-out cannot wrap round into the past.
func (i Instant) Add(d time.Duration) Instant {
	if i == Never {
		return Never
	}
	sum := i + Instant(d)
	switch {
	case d > 0 && sum < i:
		return Never
	case sum < 0:
		return 0
	}
	return sum
}

// Sub returns the time from j to i, negative when j is the later one.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Before reports whether i is earlier than j.
func (i Instant) Before(j Instant) bool { return i < j }

// Reached reports whether a deadline i has come at now. Never is never
// reached.
func (i Instant) Reached(now Instant) bool { return i != Never && i <= now }

// Earliest returns the earliest of its arguments, Never without any.
func Earliest(all ...Instant) Instant {
	first := Never
	for _, i := range all {
		first = min(first, i)
	}
	return first
}

// Origin is the wall-clock time of instant zero. Only what people read is made
// from it: a step of the wall clock moves no deadline.
type Origin struct{ zero time.Time }

// OriginAt returns the origin that puts instant zero at the wall-clock time t.
func OriginAt(t time.Time) Origin { return Origin{zero: t.Round(0).UTC()} }

// Wall returns the wall-clock time of i in UTC, and the zero time for Never.
func (o Origin) Wall(i Instant) time.Time {
	if i == Never {
		return time.Time{}
	}
	return o.zero.Add(time.Duration(i))
}
