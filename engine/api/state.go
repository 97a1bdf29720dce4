package api

// State is how a thing is, in the four words that every face and -o json use.
type State string

// The states, best first.
const (
	StateOK       State = "ok"       // serves as it should
	StateDegraded State = "degraded" // serves, but somebody should look
	StateDown     State = "down"     // does not serve
	StateUnknown  State = "unknown"  // nobody knows: not measured yet, or the report is too old
)

// Severity orders states and events: higher wants a person sooner.
func (s State) Severity() int {
	switch s {
	case StateOK:
		return 0
	case StateUnknown:
		return 1
	case StateDegraded:
		return 2
	case StateDown:
		return 3
	}
	return 1
}

// Worst returns the more severe of two states.
func Worst(a, b State) State {
	if b.Severity() > a.Severity() {
		return b
	}
	return a
}

// Measure is what probes say of a target.
type Measure string

// The measures.
const (
	Up      Measure = "up"
	Down    Measure = "down"
	Unknown Measure = "unknown"
)

// Health of a backend: what probes say, what an operator said, and what is
// used. They are always shown together.
type Health struct {
	Measured  Measure `json:"measured"`
	Forced    Measure `json:"forced,omitempty"` // empty when nobody forced it
	Effective Measure `json:"effective"`
}

// Combine makes a Health. What an operator forced is used, whatever probes
// say; otherwise what was measured.
func Combine(measured, forced Measure) Health {
	h := Health{Measured: measured, Forced: forced, Effective: measured}
	if forced != "" {
		h.Effective = forced
	}
	return h
}

// Phase is where a backend is in its life in a pool.
type Phase string

// The phases.
const (
	PhaseServing  Phase = "serving"  // takes new flows at its weight
	PhaseRising   Phase = "rising"   // slow start: takes fewer
	PhaseStandby  Phase = "standby"  // a backup that is not needed
	PhaseDraining Phase = "draining" // keeps old flows, takes no new ones
	PhaseDrained  Phase = "drained"  // has no flow left
	PhaseEjected  Phase = "ejected"  // taken out by errors in traffic, for a while
	PhaseOut      Phase = "out"      // down, by probes or by force
	PhaseIdle     Phase = "idle"     // weight 0
)
