package api

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// StatusVersion is the version of the picture's shape. It grows when a field
// changes its meaning; new fields do not need it.
const StatusVersion = 1

// World is what carries out the engine's effects.
type World string

// The worlds.
const (
	WorldLocal      World = "local"      // a whole fleet in one process
	WorldAgent      World = "agent"      // real hosts
	WorldSimulation World = "simulation" // virtual time
)

// Status is the picture of the fleet at one moment. Slices are sorted by name;
// names are unique within a kind.
type Status struct {
	Version    int       `json:"version"`
	Fleet      string    `json:"fleet"`
	Title      string    `json:"title"`
	Production bool      `json:"production"`
	World      World     `json:"world"`
	Started    time.Time `json:"started"`
	At         time.Time `json:"at"`  // when this picture was true
	Seq        Seq       `json:"seq"` // the newest event it contains
	// Ring names the numbering of events. When it changes, numbers and events of
	// before mean nothing any more: who watches begins anew, from 0.
	Ring  string `json:"ring,omitempty"`
	Rev   uint64 `json:"rev"` // revision of the spec
	State State  `json:"state"`
	Spec  string `json:"spec,omitempty"` // the text in force
	// RevFirst is the oldest revision that is kept.
	RevFirst uint64 `json:"rev_first"`
	// Coordinator keeps the picture, and Through is the host whose agent handed it
	// out. Both are empty in a fleet that is one process.
	Coordinator Coordinator `json:"coordinator,omitzero"`
	Through     string      `json:"through,omitempty"`
	// Admission is who may come in; nil in a fleet that nobody joins.
	Admission *Admission `json:"admission,omitempty"`

	Sites     []Site     `json:"sites"`
	Hosts     []Host     `json:"hosts"`
	Listeners []Listener `json:"listeners"`
	Pools     []Pool     `json:"pools"`
	Backends  []Backend  `json:"backends"`
	Clients   []Clients  `json:"clients"`
	Faults    []Fault    `json:"faults"`
	Drills    []Drill    `json:"drills"`
	// Links between sites and Groups that agree on facts: of a fleet of agents.
	Links  []Link  `json:"links"`
	Groups []Group `json:"groups"`
	// Problems is what needs a person, most severe first, then newest first.
	Problems []Problem `json:"problems"`
}

// Traffic is what went through something. Rates and latencies are of the last
// ten seconds, totals since the process started.
type Traffic struct {
	Requests  float64       `json:"requests_per_second"` // flows per second on L4
	Errors    float64       `json:"errors_per_second"`   // 5xx, refused, reset, timed out
	Active    int64         `json:"active"`              // open flows
	InRate    float64       `json:"in_bytes_per_second"`
	OutRate   float64       `json:"out_bytes_per_second"`
	P50       time.Duration `json:"p50_ns"` // response begins; on L4 connect time
	P90       time.Duration `json:"p90_ns"`
	P99       time.Duration `json:"p99_ns"`
	Totals    Totals        `json:"totals"`
	ErrorsPct float64       `json:"errors_percent"` // of requests in the last ten seconds
}

// Totals count from the start of the process.
type Totals struct {
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	Retries  uint64 `json:"retries"`
	Flows    uint64 `json:"flows"`
	InBytes  uint64 `json:"in_bytes"`
	OutBytes uint64 `json:"out_bytes"`
	// Latencies is how many latencies were measured, LatencySum their sum.
	Latencies  uint64        `json:"latencies"`
	LatencySum time.Duration `json:"latency_sum_ns"`
}

// Trend is recent history for graphs, oldest first. A face that starts late
// has it at once.
type Trend struct {
	Requests   []float32 `json:"requests"`     // per second, one a second, 60 at most
	P99        []float32 `json:"p99_ms"`       // milliseconds, one a second
	Errors     []float32 `json:"errors"`       // per second, one a second
	Requests15 []float32 `json:"requests_15s"` // the same, one per 15 s, 64 at most: 16 minutes
	P9915      []float32 `json:"p99_15s"`
	Errors15   []float32 `json:"errors_15s"`
}

// Site is one place.
type Site struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`
	Counts  Counts    `json:"counts"`
	Traffic Traffic   `json:"traffic"`
	Trend   Trend     `json:"trend"`
}

// Counts say how many of a site's things are up.
type Counts struct {
	HostsUp    int `json:"hosts_up"`
	Hosts      int `json:"hosts"`
	PoolsUp    int `json:"pools_up"`
	Pools      int `json:"pools"`
	BackendsUp int `json:"backends_up"`
	Backends   int `json:"backends"`
}

// Host is one machine.
type Host struct {
	Name    string    `json:"name"`
	Site    string    `json:"site"`
	Address string    `json:"address"`
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`
	AsOf    time.Time `json:"as_of"` // of the host's own report
	Traffic Traffic   `json:"traffic"`
	Trend   Trend     `json:"trend"`
	// Inbox overflow and other losses that the host counted.
	Dropped uint64 `json:"dropped"`
	Agent   Agent  `json:"agent,omitzero"`
}

// Listener is where clients connect.
type Listener struct {
	Name     string    `json:"name"`
	Site     string    `json:"site"`
	Protocol string    `json:"protocol"`
	Port     int       `json:"port"`
	Pool     string    `json:"pool"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Bindings []Binding `json:"bindings"`
	Traffic  Traffic   `json:"traffic"`
	Trend    Trend     `json:"trend"`
}

// Binding is a listener on one host.
type Binding struct {
	Host    string `json:"host"`
	Address string `json:"address"` // address:port
	Bound   bool   `json:"bound"`
	Reason  string `json:"reason,omitempty"` // why it is not
}

// Pool is a set of backends.
type Pool struct {
	Name      string        `json:"name"`
	Site      string        `json:"site"`
	Scheduler string        `json:"scheduler"`
	Probe     string        `json:"probe"`        // in words: http GET /health every 500ms, …
	Detection time.Duration `json:"detection_ns"` // worst case from a fault to out of rotation
	State     State         `json:"state"`
	Since     time.Time     `json:"since"`
	Reason    string        `json:"reason"`
	Up        int           `json:"up"`
	Backends  int           `json:"backends"`
	Panic     bool          `json:"panic"` // too few are up: all are used
	Traffic   Traffic       `json:"traffic"`
	Trend     Trend         `json:"trend"`
}

// Backend serves flows.
type Backend struct {
	Name       string    `json:"name"`
	Pool       string    `json:"pool"`
	Site       string    `json:"site"`
	Host       string    `json:"host"`
	Address    string    `json:"address"` // address:port
	Weight     int       `json:"weight"`  // in force; 0 to 100
	SpecWeight int       `json:"spec_weight"`
	Backup     bool      `json:"backup"`
	State      State     `json:"state"`
	Phase      Phase     `json:"phase"`
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`
	Health     Health    `json:"health"`
	// Asked is what operators want of it. The hosts follow within milliseconds;
	// commands are checked against it.
	Asked Asked `json:"asked"`
	// Share of the pool's new flows that it should get, 0 to 1.
	Share float64 `json:"share"`
	// RealShare of the pool's flows that it got in the last ten seconds.
	RealShare float64 `json:"real_share"`
	Votes     []Vote  `json:"votes"` // one per host that probes it
	// Strip is the recent probes as one host of the site saw them, oldest
	// first: '.' pass, '^' slow, 'X' fail, '_' not yet. 44 at most.
	Strip     string        `json:"strip"`
	PID       int           `json:"pid"` // 0 when it is not the fleet's own process
	DrainLeft time.Duration `json:"drain_left_ns,omitempty"`
	Traffic   Traffic       `json:"traffic"`
	Trend     Trend         `json:"trend"`
}

// Asked is the newest word of operators and the spec on a backend.
type Asked struct {
	Weight int     `json:"weight"` // 0 to 100
	Drain  bool    `json:"drain"`
	Forced Measure `json:"forced"` // empty: not forced
}

// Vote is one host's opinion of a backend.
type Vote struct {
	Host     string        `json:"host"`
	Measured Measure       `json:"measured"`
	Since    time.Time     `json:"since"`
	Reason   string        `json:"reason"`
	Latency  time.Duration `json:"latency_ns"` // of the last answer
	Phase    Phase         `json:"phase"`      // in that host's table
	Weight   int           `json:"weight"`     // in that host's table, 0 to 100
}

// Clients are built-in traffic and what it sees.
type Clients struct {
	Name        string    `json:"name"`
	Listener    string    `json:"listener"`
	Site        string    `json:"site"`
	State       State     `json:"state"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason"`
	Traffic     Traffic   `json:"traffic"`
	Trend       Trend     `json:"trend"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at"`
}

// Fault is something broken on purpose.
type Fault struct {
	ID     string        `json:"id"`
	Kind   FaultKind     `json:"kind"`
	Target id.Ref        `json:"target"`
	Since  time.Time     `json:"since"`
	Until  time.Time     `json:"until"` // zero: until it is cleared
	By     string        `json:"by"`
	Delay  time.Duration `json:"delay_ns,omitempty"`
	State  State         `json:"state"` // degraded while it is in force, unknown while it is being carried out, ok when it is being reverted
	Reason string        `json:"reason"`
}

// Problem is something that needs a person.
type Problem struct {
	Subject id.Ref    `json:"subject"`
	Site    string    `json:"site"`
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Text    string    `json:"text"`   // what is wrong
	Effect  string    `json:"effect"` // what that means for users
	Cause   Seq       `json:"cause"`  // the event that began it; 0 unknown
}
