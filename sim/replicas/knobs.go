package replicas

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Knobs are what is drawn for one run.
type Knobs struct {
	Hosts  int
	Safety time.Duration
	Drift  float64 // of the hosts' clocks, each somewhere up to it

	NetMax   time.Duration
	Loss     float64
	Twice    float64
	FlushMax time.Duration
	LateMax  time.Duration // of a wake

	Nature   time.Duration // between two faults; 0: none
	Kinds    []string
	Operator time.Duration // between two orders of an operator; 0: none

	Clients, Keys int
	Think         time.Duration
	TTL           time.Duration

	SegmentSize  int64
	SegmentsKept uint64
	Witness      bool
	Far          bool // the hosts are in different sites
}

func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// Draw draws a run's knobs.
func Draw(r *rand.Rand) Knobs {
	k := Knobs{
		Hosts:  oneOf(r, 1, 3, 3, 3, 4, 5),
		Safety: oneOf(r, 6*time.Second, 12*time.Second, 20*time.Second),
		Drift:  oneOf(r, 0, 0.001, 0.01, 0.01),

		NetMax:   oneOf(r, 300*time.Microsecond, 2*time.Millisecond, 15*time.Millisecond),
		Loss:     oneOf(r, 0, 0, 0.01, 0.1),
		Twice:    oneOf(r, 0, 0.01, 0.1),
		FlushMax: oneOf(r, 300*time.Microsecond, 3*time.Millisecond, 30*time.Millisecond),
		LateMax:  oneOf(r, 100*time.Microsecond, 2*time.Millisecond),

		Nature:   oneOf(r, 0, 300*time.Millisecond, time.Second, 3*time.Second),
		Operator: oneOf(r, 0, 0, time.Second, 3*time.Second),

		Clients: 2 + r.IntN(5), Keys: 1 + r.IntN(4),
		Think: oneOf(r, 5*time.Millisecond, 20*time.Millisecond, 60*time.Millisecond),
		TTL:   oneOf(r, time.Second, 2*time.Second, 5*time.Second),

		SegmentSize:  oneOf(r, int64(32<<10), 256<<10),
		SegmentsKept: oneOf(r, uint64(2), 4),
		Witness:      r.IntN(3) == 0,
	}
	if r.IntN(5) == 0 {
		k.Far, k.NetMax = true, oneOf(r, 40*time.Millisecond, 150*time.Millisecond)
		k.TTL = oneOf(r, 5*time.Second, 10*time.Second)
		k.Safety *= 2
	}
	for _, f := range natures {
		if r.IntN(2) == 0 {
			k.Kinds = append(k.Kinds, f.name)
		}
	}
	if len(k.Kinds) == 0 {
		k.Nature = 0
	}
	return k
}

// Calm are the knobs of a run in which nothing goes wrong by itself.
func Calm() Knobs {
	return Knobs{
		Hosts: 3, Safety: 5 * time.Second, NetMax: 300 * time.Microsecond, FlushMax: time.Millisecond, LateMax: 100 * time.Microsecond,
		Clients: 3, Keys: 2, Think: 20 * time.Millisecond, TTL: time.Second, SegmentSize: 64 << 10, SegmentsKept: 4,
	}
}

// String lists the knobs, for the line that a failure prints.
func (k Knobs) String() string {
	type plain Knobs
	return fmt.Sprintf("%+v", plain(k))
}
