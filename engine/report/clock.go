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
// Of each message we know only that it came after it was sent. One that we sent
// says how far the clocks are apart at least, and its answer how far at most; what
// all of them say together, each less sure by driftMax as it grows old, is a range
// that the fastest message in each direction bounds. Its middle is right to half its
// width whatever share of the way each direction has, and exact if they are alike.
// When nothing fits any more, a clock has jumped, and the range begins anew.
//
// The translation is not the middle itself: it stays as it is while it is near,
// within steady or a quarter of the range. What jitters is the network and not the
// clocks, and an instant that changed with it would look like news.
//
// A correction holds for what the host says from then on. What came before keeps
// its translation, and what comes after is never earlier than it. So the
// translation is, at any moment, one that grows, and of two things on one host
// the earlier one is never the later one here; a correction into the past makes
// things happen at the same instant for as long as it is large.
type Clock struct {
	// The clocks are apart by least to most, ours minus the host's, as of at.
	least, most time.Duration
	at          instant.Instant
	pieces      []piece // oldest first; each holds from its own beginning
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
	least, most := sent.Sub(got), back.Sub(left)
	if back < sent || left < got || most < least {
		return // no clocks do that
	}
	least -= time.Duration(driftMax * float64(back.Sub(sent))) // it is that old
	if c.Known() {
		aged := time.Duration(driftMax * float64(back.Sub(c.at)))
		c.least, c.most = max(c.least-aged, least), min(c.most+aged, most)
	}
	if !c.Known() || c.most < c.least {
		c.least, c.most = least, most
	}
	c.at = back
	trip, middle := c.Trip()
	if !c.Known() {
		c.pieces = append(c.pieces, piece{floor: math.MinInt64, offset: middle})
		return
	}
	last := &c.pieces[len(c.pieces)-1]
	if (middle - last.offset).Abs() <= max(trip/4, steady) {
		return
	}
	next := piece{from: left, floor: c.Ours(left), offset: middle}
	if last.from >= left {
		last.offset = middle // the host has said nothing since
		return
	}
	if len(c.pieces) == piecesMax {
		c.pieces = append(c.pieces[:0], c.pieces[1:]...)
	}
	c.pieces = append(c.pieces, next)
}

// Trip is how long a message and its answer are on the way when they are fast, and
// by how much our clock is ahead of the host's: right to half of that.
func (c *Clock) Trip() (trip, ahead time.Duration) {
	trip = c.most - c.least
	return trip, c.least + trip/2
}

// Ours is an instant of the host's clock on ours. Without any sample it is 0: long
// ago.
func (c *Clock) Ours(at instant.Instant) instant.Instant {
	if at == instant.Never {
		return at
	}
	for i := len(c.pieces) - 1; i >= 0; i-- {
		switch p := &c.pieces[i]; {
		case at >= p.from:
			return max(shift(at, p.offset), p.floor)
		case i == 0: // longer ago than is remembered
			return shift(at, p.offset)
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
