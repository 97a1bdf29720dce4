package report_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/report"
)

// clockwork is two clocks and what a message needs between them, in virtual time.
type clockwork struct {
	rng   *rand.Rand
	now   time.Duration // that nobody knows
	begun time.Duration // how long the host ran before us
	drift float64       // of the host's clock against ours
	slept time.Duration // by the host's clock
	least time.Duration // on the way, each direction
	most  time.Duration
	clock report.Clock
}

func (c *clockwork) ours() instant.Instant { return instant.Instant(c.now) }

func (c *clockwork) theirs() instant.Instant {
	return instant.Instant(float64(c.now)*(1+c.drift)) + instant.Instant(c.begun-c.slept)
}

func (c *clockwork) travel() {
	c.now += c.least + time.Duration(c.rng.ExpFloat64()*float64(c.most-c.least)/8)
}

// ping is one round trip; the host answers when it comes to it.
func (c *clockwork) ping() {
	sent := c.ours()
	c.travel()
	got := c.theirs()
	c.now += time.Duration(c.rng.Int64N(int64(time.Second)))
	left := c.theirs()
	c.travel()
	c.clock.Sample(sent, got, left, c.ours())
}

// off is how wrong the translation is now.
func (c *clockwork) off() time.Duration { return c.clock.Ours(c.theirs()).Sub(c.ours()) }

// TestClockFollowsDrift lets clocks drift apart for an hour, over links of some kinds.
func TestClockFollowsDrift(t *testing.T) {
	for name, c := range map[string]struct {
		drift       float64
		least, most time.Duration
		off         time.Duration // at most
	}{
		"a LAN":                   {50e-6, 50 * time.Microsecond, time.Millisecond, 3 * time.Millisecond},
		"a LAN, the other way":    {-50e-6, 50 * time.Microsecond, time.Millisecond, 3 * time.Millisecond},
		"two bad clocks":          {95e-6, 50 * time.Microsecond, time.Millisecond, 4 * time.Millisecond},
		"across the world":        {50e-6, 100 * time.Millisecond, 300 * time.Millisecond, 60 * time.Millisecond},
		"a line that is overfull": {-50e-6, 20 * time.Millisecond, 2 * time.Second, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := &clockwork{rng: rand.New(rand.NewPCG(1, 2)), begun: 77 * time.Hour, drift: c.drift, least: c.least, most: c.most}
			var worst time.Duration
			for w.now < time.Hour {
				w.ping()
				if off := w.off().Abs(); w.now > time.Minute { // before, one slow message is all there is
					worst = max(worst, off)
				}
			}
			if worst > c.off {
				t.Errorf("the translation is off by %v; at most %v", worst, c.off)
			}
			if drifted := time.Duration(float64(time.Hour) * max(c.drift, -c.drift)); c.off < drifted/2 && worst < drifted/1000 {
				t.Errorf("off by %v only: the clocks do not drift here", worst)
			}
		})
	}
}

// TestClockStands has the translation stay as it is on a line of moods: an instant
// that changes looks like news. It moves when it is proven wrong, which a fast
// message does once in a while.
func TestClockStands(t *testing.T) {
	for seed := range uint64(20) {
		w := &clockwork{rng: rand.New(rand.NewPCG(seed, 4)), least: 100 * time.Microsecond, most: 20 * time.Millisecond}
		var was instant.Instant
		moved := 0
		for range 3600 {
			w.ping()
			if is := w.clock.Ours(instant.Instant(2 * time.Hour)); is != was {
				moved, was = moved+1, is
			}
		}
		if off := w.off().Abs(); moved > 12 || off > 3*time.Millisecond {
			t.Errorf("seed %d: in an hour it moved %d times, and is off by %v", seed, moved, off)
		}
	}
}

// TestClockOfAHostThatSlept has a host's clock stand still for a while, as a machine's
// that is suspended, and ours: then it is the host's that jumps.
func TestClockOfAHostThatSlept(t *testing.T) {
	for name, slept := range map[string]time.Duration{"the host slept": time.Hour, "we slept": -time.Hour} {
		w := &clockwork{rng: rand.New(rand.NewPCG(5, 6)), begun: 77 * time.Hour, least: 100 * time.Microsecond, most: time.Millisecond}
		for range 20 {
			w.ping()
		}
		before := w.clock.Ours(w.theirs())
		w.slept = slept
		for range 20 {
			w.ping()
		}
		if off := w.off().Abs(); slept > 0 && off > 3*time.Millisecond {
			t.Errorf("%s: off by %v", name, off)
		}
		if after := w.clock.Ours(w.theirs()); after < before {
			t.Errorf("%s: what was later is earlier by %v", name, before.Sub(after))
		}
	}
}

// TestClockKeepsOrder draws links, drifts and jumps. At each moment a later instant of
// the host is no earlier here, and of two that were translated at different moments
// the later one is not the earlier one either.
func TestClockKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &clockwork{
			rng:   rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
			begun: time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "begun")),
			drift: rapid.Float64Range(-100e-6, 100e-6).Draw(t, "drift"),
			least: time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "least")),
		}
		w.most = w.least + time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "most"))
		w.ping()
		type pair struct{ theirs, ours instant.Instant }
		var said []pair
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				w.slept += time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "slept"))
				w.slept = min(w.slept, w.begun) // no clock is below zero
			case 1:
				w.least = time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "another way"))
				w.most = w.least + time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "its most"))
			case 2, 3, 4:
				w.ping()
			default:
				w.now += time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "time"))
				at := w.theirs()
				if n := len(said); n > 0 && at < said[n-1].theirs {
					continue // it slept: nobody's clock goes back, this one only lost time
				}
				said = append(said, pair{at, w.clock.Ours(at)})
			}
		}
		for i := 1; i < len(said); i++ {
			if said[i].ours < said[i-1].ours {
				t.Fatalf("%v came before %v and is later here: %v, %v", said[i-1].theirs, said[i].theirs, said[i-1].ours, said[i].ours)
			}
		}
		var last instant.Instant
		first := true
		for at := w.theirs() - instant.Instant(10*time.Second); at < w.theirs()+instant.Instant(time.Second); at += instant.Instant(7 * time.Millisecond) {
			ours := w.clock.Ours(at)
			if !first && ours < last {
				t.Fatalf("the translation falls at %v: from %v to %v", at, last, ours)
			}
			last, first = ours, false
		}
	})
}

// TestClockBeforeUs translates what a host did before we began.
func TestClockBeforeUs(t *testing.T) {
	var c report.Clock
	if c.Known() || c.Ours(5) != 0 {
		t.Error("a clock without a sample knows something")
	}
	c.Sample(100, 5_000_000, 5_000_000, 100)
	if at := c.Ours(1_000_000); at != 100-4_000_000 {
		t.Errorf("four milliseconds before: %v", at)
	}
	if c.Ours(instant.Never) != instant.Never || c.Ours(instant.Never-1) == instant.Never {
		t.Error("only Never is Never")
	}
}
