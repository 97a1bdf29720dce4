package sim

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// Knobs are what is drawn for one run. The more of them differ from run to run,
// the more of the engine's corners are seen: a run with nothing but stalls finds
// what a run with a little of everything hides.
type Knobs struct {
	// The site.
	Hosts, Pools, Backends int // Backends of the largest pool

	// How long faults go on, and how long everything may take to come right after.
	Safety time.Duration

	// Delays.
	LateMax   time.Duration // of a wake past its deadline
	LoopMax   time.Duration // between two loops
	NetMax    time.Duration // one way, between hosts, backends and clients
	ServeMax  time.Duration // of a backend's own work
	CarryMax  time.Duration // from a fault's order to its being done
	FlowMax   time.Duration // of a long flow
	FlowEvery time.Duration // between two long flows

	// How often something happens; 0: never.
	Nature    time.Duration // a fault that nobody ordered
	Operator  time.Duration // a command
	Nonsense  float64       // share of commands that make no sense
	Flat      bool          // no fault of nature hits more than one backend of a pool
	ReportBad float64       // share of reports lost, and again of those doubled and put off
	ProbeLost float64       // share of probes whose result is lost
	FleetDies bool          // for good, somewhere in the safety phase
	Kinds     []string      // of faults of nature
}

// Draw draws a run's knobs.
func Draw(r *rand.Rand) Knobs {
	k := Knobs{
		Hosts: 1 + r.IntN(4), Pools: 1 + r.IntN(3), Backends: 1 + r.IntN(6),
		Safety:    between(r, 15*time.Second, 45*time.Second),
		LateMax:   oneOf(r, 100*time.Microsecond, time.Millisecond, 5*time.Millisecond),
		LoopMax:   oneOf(r, 50*time.Microsecond, time.Millisecond, 4*time.Millisecond),
		NetMax:    oneOf(r, 200*time.Microsecond, 2*time.Millisecond, 10*time.Millisecond),
		ServeMax:  oneOf(r, 500*time.Microsecond, 3*time.Millisecond, 20*time.Millisecond),
		CarryMax:  oneOf(r, 0, 2*time.Millisecond, 50*time.Millisecond),
		FlowMax:   oneOf(r, 500*time.Millisecond, 5*time.Second, 20*time.Second),
		FlowEvery: oneOf(r, 50*time.Millisecond, 200*time.Millisecond),
		Nature:    oneOf(r, 0, 500*time.Millisecond, 2*time.Second, 6*time.Second),
		Operator:  oneOf(r, 0, 300*time.Millisecond, time.Second, 4*time.Second),
		Nonsense:  oneOf(r, 0, 0.1, 0.5),
		Flat:      r.IntN(3) == 0,
		ReportBad: oneOf(r, 0, 0, 0.02, 0.2),
		ProbeLost: oneOf(r, 0, 0, 0, 0.02),
		FleetDies: r.IntN(25) == 0,
	}
	for _, f := range natures {
		if f.name != coordinators && r.IntN(2) == 0 {
			k.Kinds = append(k.Kinds, f.name)
		}
	}
	// By a number that is drawn anyway: the other runs stay as they were.
	if k.Safety.Nanoseconds()%4 == 0 {
		k.Kinds = append(k.Kinds, coordinators)
	}
	if len(k.Kinds) == 0 {
		k.Nature = 0
	}
	return k
}

// Calm are the knobs of a run in which nothing happens that nobody asked for.
func Calm() Knobs {
	return Knobs{
		LateMax: 200 * time.Microsecond, LoopMax: 50 * time.Microsecond, NetMax: 300 * time.Microsecond,
		ServeMax: 2 * time.Millisecond, CarryMax: time.Millisecond, FlowMax: 5 * time.Second,
	}
}

// String lists the knobs, for the line that a failure prints.
func (k Knobs) String() string {
	var b strings.Builder
	v := reflect.ValueOf(k)
	for i := range v.NumField() {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%v", v.Type().Field(i).Name, v.Field(i).Interface())
	}
	return b.String()
}

// oneOf draws one of several values.
func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// between draws a time.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(r.Int64N(int64(high-low)))
}
