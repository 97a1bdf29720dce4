package host

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Event is what a Host is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// SetSpec gives the host the fleet's spec; it takes what is its own: the
	// listeners it serves, their pools, the probes of those pools' backends.
	SetSpec struct {
		Fleet *spec.Fleet // immutable
		Rev   uint64
		Cause api.Seq // the event that recorded the change; 0 at the start
	}
	// Probed answers a launched probe.
	Probed struct{ Finished probe.Finished }
	// Saw is what traffic saw of a backend.
	Saw struct{ Outcomes balance.Outcomes }
	// Flows is the number of open flows of a draining backend.
	Flows struct{ Active balance.Active }
	// Bound answers a Table: one for each listener whose binding changed.
	Bound struct {
		Listener string
		Address  string // address:port
		OK       bool
		Reason   string // why not
	}
	// Order is a command's part for this host: of api.SetWeights, api.Drain,
	// api.Undrain, api.Force and api.Unforce it takes the backends that it
	// serves, and ignores the others. Cause is the event that recorded the
	// command, By who asked, Receipt the promise that its outcome keeps.
	Order struct {
		Command api.Command
		Cause   api.Seq
		By      string
		Receipt string
	}
	// Measured is what the data path counted in the last second.
	Measured struct{ Readings Readings }
	// Wake says that the deadline has come.
	Wake struct{}
)

func (SetSpec) event()  {}
func (Probed) event()   {}
func (Saw) event()      {}
func (Flows) event()    {}
func (Bound) event()    {}
func (Order) event()    {}
func (Measured) event() {}
func (Wake) event()     {}

// Readings are one second of the data path.
type Readings struct {
	// Number counts them in the host's life: between two of them its reports
	// repeat the older ones, whose latencies must not count twice. The host sets it.
	Number    uint64
	Listeners []Reading
	Backends  []Reading
}

// Reading is what one listener or backend did. Counts are totals since the
// data path started; the latency histogram is of the last second.
type Reading struct {
	Name    string
	Active  int64
	Totals  api.Totals
	Latency Histogram
}

// Effects are what a Host asks for.
type Effects struct {
	Launches []probe.Launch // answered by Probed
	Table    *balance.Table // nil: no change. Answered by Bound per listener that changed
	Cut      []balance.Cut  // flows that are to be closed
	Notes    []Note         // for the fleet's event ring
}

// Reset empties e and keeps its memory.
func (e *Effects) Reset() {
	e.Launches, e.Table, e.Cut, e.Notes = e.Launches[:0], nil, e.Cut[:0], e.Notes[:0]
}

// Note is something worth an event. The fleet numbers it.
type Note struct {
	At    instant.Instant
	Event api.Event // Seq, At and Host are filled in by the fleet
	// After is the place, from 1, of the note in the same batch that led to this
	// one; 0 none. The fleet makes Event.Cause of it.
	After int
	// Follows says that it ends or goes on with what this host told of the same
	// subject before, unless something newer was done to it: a recovery, the end
	// of a drain, the next step of a slow start.
	Follows bool
}

// Status is a host's report: a copy, no pointers into the host.
type Status struct {
	Host     string
	Life     uint64 // which of its lives reports; At is of that life's clock
	At       instant.Instant
	Rev      uint64
	Bindings []Binding // sorted by listener
	Backends []Backend // sorted by name
	Readings Readings
	Panics   []string // pools that use all their backends
	Dropped  uint64
}

// Binding is a listener on this host.
type Binding struct {
	Listener string
	Address  string
	Bound    bool
	Reason   string
	Since    instant.Instant
}

// Backend is a backend as this host sees it.
type Backend struct {
	Name    string
	Probe   probe.Status
	Balance balance.BackendStatus
}
