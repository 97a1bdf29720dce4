package report

import (
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Clock makes instants of a host's clock ours. Both clocks begin anywhere and run
// at about the same rate; a message takes its time, and not the same in both
// directions.
//
// Each pair of Ping and Pong gives an estimate of how far the clocks are apart: the
// middle between what the host said and what we saw, as NTP does it, right to half
// of the time on the way whatever share of that each direction had. The best of
// the newest samples counts, where an old one counts as less sure by driftMax.
// The translation is left as it is while it is within that bound, or within
// steady: what jitters is the network and not the clocks, and an instant that
// changes with it would look like news.
//
// A correction holds for what the host says from then on. What came before keeps
// its translation, and what comes after is never earlier than it. So the
// translation is, at any moment, one that grows, and of two things on one host
// the earlier one is never the later one here; a correction into the past makes
// things happen at the same instant for as long as it is large.
type Clock struct {
	samples []sample // newest last
	pieces  []piece  // oldest first; each holds from its own beginning
}

// sample is one estimate.
type sample struct {
	at     instant.Instant // ours
	offset time.Duration   // ours minus the host's
	trip   time.Duration   // on the way, there and back
}

// piece is a part of the translation.
type piece struct {
	from   instant.Instant // of the host
	floor  instant.Instant // ours: what came before is not later
	offset time.Duration
}

const (
	// driftMax is how much of a second two clocks drift apart in a second: twice what
	// crystals are sold for.
	driftMax = 100e-6
	// samplesMax is how many samples are looked at: some seconds of pings, in which
	// one was fast.
	samplesMax = 16
	// steady is how far the translation may be off without being corrected: less
	// than people see.
	steady = time.Millisecond
	// piecesMax is how far back corrections are remembered; before that the oldest
	// holds. With a correction in ten seconds it is several minutes.
	piecesMax = 32
)

// Known reports whether there was a sample.
func (c *Clock) Known() bool { return len(c.pieces) > 0 }

// Sample takes a round trip: sent and back are ours, got and left the host's.
func (c *Clock) Sample(sent, got, left, back instant.Instant) {
	trip := back.Sub(sent) - left.Sub(got)
	if trip < 0 || back < sent || left < got {
		return // no clocks do that
	}
	s := sample{at: back, offset: (sent.Sub(got) + back.Sub(left)) / 2, trip: trip}
	if len(c.samples) == samplesMax {
		c.samples = append(c.samples[:0], c.samples[1:]...)
	}
	c.samples = append(c.samples, s)
	best := c.best(back)
	if !c.Known() {
		c.pieces = append(c.pieces, piece{floor: math.MinInt64, offset: best.offset})
		return
	}
	off := best.offset - c.pieces[len(c.pieces)-1].offset
	if off.Abs() <= max(best.unsure(back), steady) {
		return
	}
	next := piece{from: left, floor: c.Ours(left), offset: best.offset}
	if last := &c.pieces[len(c.pieces)-1]; last.from >= left {
		last.offset = best.offset // the host has said nothing since
		return
	}
	if len(c.pieces) == piecesMax {
		c.pieces = append(c.pieces[:0], c.pieces[1:]...)
	}
	c.pieces = append(c.pieces, next)
}

// unsure is how far off a sample may be by now.
func (s sample) unsure(now instant.Instant) time.Duration {
	return s.trip/2 + time.Duration(driftMax*float64(now.Sub(s.at)))
}

func (c *Clock) best(now instant.Instant) sample {
	best := c.samples[len(c.samples)-1]
	for _, s := range c.samples {
		if s.unsure(now) < best.unsure(now) {
			best = s
		}
	}
	return best
}

// Ours is an instant of the host's clock on ours. Without any sample it is 0: long
// ago.
func (c *Clock) Ours(at instant.Instant) instant.Instant {
	if at == instant.Never {
		return at
	}
	for i := len(c.pieces) - 1; i >= 0; i-- {
		p := &c.pieces[i]
		if at >= p.from || i == 0 {
			return max(shift(at, p.offset), p.floor)
		}
	}
	return 0
}

// shift is Add that may go below zero: what a host did before we began is then
// when it was.
func shift(at instant.Instant, d time.Duration) instant.Instant {
	if d > 0 && at > instant.Never-1-instant.Instant(d) {
		return instant.Never - 1
	}
	return at + instant.Instant(d)
}

// Trip is how long a message and its answer were on the way in the best of the
// newest samples, and Offset how far ours is ahead of the host's.
func (c *Clock) Trip(now instant.Instant) (trip, offset time.Duration) {
	if len(c.samples) == 0 {
		return 0, 0
	}
	best := c.best(now)
	return best.trip, best.offset
}
