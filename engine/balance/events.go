package balance

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Event is what a Balancer is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// SetSpec replaces the listeners and pools this host serves. Backends that
	// stay keep their phase; operators' weights and drains stay too, except for
	// a backend whose weight in the spec changed: there the spec wins.
	SetSpec struct {
		Listeners []spec.Listener
		Pools     []spec.Pool
		// Bind maps a listener's name to the address:port this host binds.
		Bind map[string]string
	}
	// SetHealth is a backend's health, from its probes or by force.
	SetHealth struct {
		Backend string
		Health  api.Health
		Reason  string
	}
	// SetWeight is an operator's weight.
	SetWeight struct {
		Backend string
		Weight  int
	}
	// Drain stops new flows; after For (0: the pool's drain_for) the rest is
	// closed.
	Drain struct {
		Backend string
		For     time.Duration
	}
	// Undrain takes Drain back.
	Undrain struct{ Backend string }
	// Outcomes are what traffic saw of a backend since its last success.
	Outcomes struct {
		Backend string
		InARow  int // that failed
		Spared  int // that passed it over, because it refuses connections
		Reason  string
	}
	// Active is the number of open flows of a draining backend.
	Active struct {
		Backend string
		Flows   int64
	}
	// Wake says that the deadline has come.
	Wake struct{}
)

func (SetSpec) event()   {}
func (SetHealth) event() {}
func (SetWeight) event() {}
func (Drain) event()     {}
func (Undrain) event()   {}
func (Outcomes) event()  {}
func (Active) event()    {}
func (Wake) event()      {}

// Change says that a backend entered another phase.
type Change struct {
	Backend string
	Pool    string
	Phase   api.Phase
	Before  api.Phase
	Reason  string
}

// PanicChange says that a pool began or ended using all its backends.
type PanicChange struct {
	Pool   string
	Panic  bool
	Reason string
}

// Cut names the flows of a backend that are to be closed: the deadline of its
// drain has come, or of its leave from the spec.
type Cut struct {
	Backend string
	Address string // only those to this address:port; empty: all
}

// Effects are what a Balancer asks for.
type Effects struct {
	// Table is set when the data path must use a new one.
	Table *Table
	// Cut says whose remaining flows are to be closed.
	Cut []Cut
	// Changes and Panics are for the picture and the event ring.
	Changes []Change
	Panics  []PanicChange
}

// Reset empties e and keeps its memory.
func (e *Effects) Reset() {
	e.Table, e.Cut, e.Changes, e.Panics = nil, e.Cut[:0], e.Changes[:0], e.Panics[:0]
}

// BackendStatus is a copy for the picture.
type BackendStatus struct {
	Backend string
	Pool    string
	Phase   api.Phase
	Since   instant.Instant
	Reason  string
	Weight  int // operator's or spec's, 0 to 100
	Now     int // in force, WeightScale times; slow start included
	Share   float64
	DrainTo instant.Instant // Never when it does not drain
	Ejected int             // times within the hour
}
