package drill

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Event is what a Runner is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// Start begins a run. Target is the fault's, resolved: never any, and empty
	// when there was nothing to choose from.
	Start struct {
		Spec    spec.Drill
		Run     int
		By      string
		Target  string        // a backend's name
		Timeout time.Duration // of a probe: how long a failure may take to show
		Rev     uint64        // of the spec in force, for the report
		Version string        // of the program, likewise
		World   api.World     // likewise
	}
	// Abort ends the run and reverts.
	Abort struct{ By string }
	// Observe is what the fleet's picture says.
	Observe struct {
		Up, All    int     // backends of the pool
		ErrorsPct  float64 // of the built-in clients, in the last ten seconds
		Hosts      int     // that serve the target
		HostsOut   int     // of them, those that took it out
		Silent     int     // hosts of the pool whose report is old: what they do is not known
		TargetBack bool    // every host has the target in again
	}
	// FaultDone answers Inject and Revert. A revert that nobody asked for, by the
	// dead-man time or an operator, comes as one too.
	FaultDone struct {
		ID     string // the fault's
		Revert bool
		At     instant.Instant
		Err    string
	}
	// Sampled are results of the probes.
	Sampled struct{ Samples []Sample }
	// Wake says that the deadline has come.
	Wake struct{}
)

func (Start) event()     {}
func (Abort) event()     {}
func (Observe) event()   {}
func (FaultDone) event() {}
func (Sampled) event()   {}
func (Wake) event()      {}

// Sample is one request of the probes.
type Sample struct {
	At   instant.Instant // sent
	Took time.Duration
	OK   bool
	Late bool // sent more than one interval after its time
	// Unsent means that the probing host itself had no room for it: it says
	// nothing of the listener, only that less was measured than should have been.
	Unsent bool
	Reason string // of a failure
	Server string // the backend that answered, as far as it says so
}

// Inject asks for the drill's fault.
type Inject struct {
	Kind    api.FaultKind
	Backend string
	Delay   time.Duration
	DeadMan time.Duration
}

// Effects are what a Runner asks for.
type Effects struct {
	StartProbes time.Duration // their interval; 0: do not
	StopProbes  bool
	Inject      *Inject
	Revert      bool
	Changed     bool // the picture of the drill is another one now
	Ended       bool
}

// Reset empties e.
func (e *Effects) Reset() { *e = Effects{} }
