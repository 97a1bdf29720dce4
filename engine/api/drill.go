package api

import "time"

// DrillPhase is how far a drill has come.
type DrillPhase string

// The phases of a drill.
const (
	DrillIdle      DrillPhase = "idle"      // never run, or report cleared
	DrillChecking  DrillPhase = "checking"  // steady state before
	DrillRunning   DrillPhase = "running"   // the fault is in
	DrillReverting DrillPhase = "reverting" // the fault is being taken back
	DrillSettling  DrillPhase = "settling"  // waiting for the steady state
	DrillPassed    DrillPhase = "passed"
	DrillFailed    DrillPhase = "failed"
	DrillAborted   DrillPhase = "aborted"
	DrillRefused   DrillPhase = "refused"
)

// Live reports whether a drill is under way.
func (p DrillPhase) Live() bool {
	switch p {
	case DrillChecking, DrillRunning, DrillReverting, DrillSettling:
		return true
	case DrillIdle, DrillPassed, DrillFailed, DrillAborted, DrillRefused:
		return false
	}
	return false
}

// Drill is a rehearsal and its last report.
type Drill struct {
	Name     string      `json:"name"`
	Why      string      `json:"why"`
	Fault    string      `json:"fault"`  // in words: kill backend/shop-tokyo-1
	Target   string      `json:"target"` // kind/name once chosen
	Clients  string      `json:"clients"`
	Phase    DrillPhase  `json:"phase"`
	Run      int         `json:"run"` // number of the run, from 1; 0 never
	By       string      `json:"by"`
	Started  time.Time   `json:"started"`
	Ended    time.Time   `json:"ended"`
	Reason   string      `json:"reason"` // of the verdict, or of the refusal
	Steps    []DrillStep `json:"steps"`
	Verdicts []Verdict   `json:"verdicts"`
	Probes   DrillProbes `json:"probes"`
	// Strip is what the probes saw since the fault, one column per StripEvery:
	// '.' all good, 'X' at least one bad, '_' not yet. 60 at most.
	Strip      string        `json:"strip"`
	StripEvery time.Duration `json:"strip_every_ns"`
	Log        []DrillNote   `json:"log"`
	// Evidence is what the verdict rests on, besides the probes.
	Evidence DrillEvidence `json:"evidence"`
}

// DrillEvidence says what was tried, and how well it could be measured.
type DrillEvidence struct {
	Rev     uint64 `json:"rev"`     // of the spec in force
	Version string `json:"version"` // of the program
	World   World  `json:"world"`
	Fault   string `json:"fault_id"` // of the drill's fault; empty: none was injected
	// Baseline is what the probes saw before the fault.
	BaselineSent   uint64 `json:"baseline_sent"`
	BaselineFailed uint64 `json:"baseline_failed"`
	// Unsent probes found no place on the probing host, Missing ones were never
	// heard of: with them less was measured than should have been.
	Unsent  uint64 `json:"unsent"`
	Missing uint64 `json:"missing"`
	// Reasons say why probes failed, the most frequent first; eight at most.
	Reasons []DrillReason `json:"reasons"`
}

// DrillReason is why probes failed, and how many of them.
type DrillReason struct {
	Text  string `json:"text"`
	Count uint64 `json:"count"`
}

// DrillStep is one step of a drill.
type DrillStep struct {
	Name  string        `json:"name"`
	State State         `json:"state"` // unknown: not begun; degraded: under way; ok; down: failed
	At    time.Duration `json:"at_ns"` // from the fault; negative before it
	Took  time.Duration `json:"took_ns"`
	Limit time.Duration `json:"limit_ns"`
	Text  string        `json:"text"`
}

// Verdict is one objective and what was measured.
type Verdict struct {
	Objective string `json:"objective"` // took, errors, p99
	Limit     string `json:"limit"`
	Measured  string `json:"measured"`
	State     State  `json:"state"` // ok, down, or unknown while it is open
}

// DrillProbes is what the independent probes saw.
type DrillProbes struct {
	Every  time.Duration `json:"every_ns"`
	Sent   uint64        `json:"sent"`
	Failed uint64        `json:"failed"`
	Late   uint64        `json:"late"` // sent more than one interval late: the measuring itself was slow
	// The times from the fault, 0 while there is none: until the first request
	// that failed was sent, until the first host took the backend out, until
	// every host had, until the last failed request had failed (from then on all
	// were good), and until every host had the backend in again.
	FirstFail time.Duration `json:"first_fail_ns"`
	Detected  time.Duration `json:"detected_ns"`
	Out       time.Duration `json:"out_ns"`
	LastFail  time.Duration `json:"last_fail_ns"`
	Back      time.Duration `json:"back_ns"`
	// Gap is the longest time without any good answer.
	Gap time.Duration `json:"gap_ns"`
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// DrillNote is a line of a drill's log.
type DrillNote struct {
	At   time.Duration `json:"at_ns"` // from the fault
	Text string        `json:"text"`
}
