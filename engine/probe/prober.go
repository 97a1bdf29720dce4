package probe

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Subject is something whose health is asked for: a backend of a pool. Any
// number of subjects may share one target.
type Subject struct {
	Name    string // of the backend
	Address string // address:port that is probed
	Probe   spec.Probe
}

// Event is what a Prober is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// SetSubjects replaces everything that is probed. What stays keeps its
	// history.
	SetSubjects struct{ Subjects []Subject }
	// Finished answers a Launch.
	Finished struct {
		Target  string // Launch.Target
		Attempt uint64 // Launch.Attempt; an answer to an older one is ignored
		Outcome Outcome
	}
	// Force sets a subject's health whatever is measured; an empty Health takes
	// it back.
	Force struct {
		Subject string
		Health  api.Measure
	}
	// Wake says that the deadline has come.
	Wake struct{}
)

func (SetSubjects) event() {}
func (Finished) event()    {}
func (Force) event()       {}
func (Wake) event()        {}

// Verdict is what one probe found.
type Verdict uint8

// The verdicts of one probe.
const (
	Pass Verdict = iota + 1
	Fail
	// Unable means that this host could not probe at all (no permission, no file
	// descriptors): it says nothing about the target.
	Unable
)

// Outcome is the result of one probe.
type Outcome struct {
	Verdict Verdict
	Latency time.Duration
	// Reason in words: "connection refused", "status 503, expected 200-299".
	Reason string
	// Warning is set when the target passed but somebody should look: a
	// certificate that ends soon.
	Warning string
}

// Launch asks for one probe. The answer is Finished.
type Launch struct {
	Target  string
	Attempt uint64
	Address string
	Probe   *spec.Probe // immutable
}

// Change says that a subject's health changed. Of one that was never measured
// it may say anew why.
type Change struct {
	Subject string
	Health  api.Health
	Before  api.Health
	Reason  string // "connection refused, 2 in a row"
}

// Effects are what a Prober asks for. Reset before each Step; slices are
// reused.
type Effects struct {
	Launches []Launch
	Changes  []Change
}

// Reset empties e and keeps its memory.
func (e *Effects) Reset() { e.Launches, e.Changes = e.Launches[:0], e.Changes[:0] }

// Status is a copy of one subject's health for the picture.
type Status struct {
	Subject string
	Health  api.Health
	Since   instant.Instant // of the effective health
	Reason  string
	Warning string
	Latency time.Duration   // of the newest answer
	Strip   string          // as api.Backend.Strip
	Flaps   int             // within the flap window
	HeldTo  instant.Instant // hold-down ends; Never when none
}
