package api

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Coordination is how the picture is kept in a fleet of agents.
type Coordination string

// The coordinations.
const (
	// CoordinationActing: a coordinator keeps the picture and answers commands.
	CoordinationActing Coordination = "acting"
	// CoordinationAlone: an agent that reaches no coordinator shows what it sees
	// by itself, and refuses commands.
	CoordinationAlone Coordination = "alone"
)

// Coordinator is who keeps the picture of a fleet of agents. It is empty in a
// simulation.
type Coordinator struct {
	Kind Coordination `json:"kind"`
	// Host whose agent keeps the picture. Alone it is the one that shows it.
	Host  string    `json:"host"`
	Epoch uint64    `json:"epoch"` // of its lease; 0 alone
	Since time.Time `json:"since"`
	// Reason says why this host has it, or why nobody that can be reached has.
	Reason string `json:"reason"`
}

// Alone reports whether the picture is what one agent sees by itself: nobody
// answers commands.
func (s *Status) Alone() bool { return s.Coordinator.Kind == CoordinationAlone }

// Agents reports whether each of the fleet's hosts has an agent of its own, in a
// process of its own or with the others in one.
func (s *Status) Agents() bool { return s.World == WorldAgent || s.Coordinator.Kind != "" }

// AgentState is how a host's agent is, as other agents see it. A stopped agent, a
// dead host and a cut link are three different things.
type AgentState string

// The states of an agent.
const (
	AgentAlive     AgentState = "alive"
	AgentSuspected AgentState = "suspected" // silent, and too early to say; or it comes and goes
	AgentCut       AgentState = "cut"       // it lives, and the link to it is cut
	AgentStopped   AgentState = "stopped"   // the machine is there and its agent does not run
	AgentDead      AgentState = "dead"      // nobody hears it: the machine is gone
	AgentUnknown   AgentState = "unknown"   // who keeps the picture has no word of it yet
)

// State is what an agent's state means for its host, when nothing else is known
// of that.
func (a AgentState) State() State {
	switch a {
	case AgentAlive:
		return StateOK
	case AgentStopped, AgentDead:
		return StateDown
	case AgentSuspected, AgentCut, AgentUnknown:
	}
	return StateUnknown
}

// Agent is a host's agent. It is empty where hosts have none.
type Agent struct {
	State   AgentState `json:"state"`
	Since   time.Time  `json:"since"`
	Reason  string     `json:"reason"`
	By      string     `json:"by,omitempty"` // the host that says so, if it was another
	Version string     `json:"version"`      // of its program; empty: not known
	// ClockOffset is how far its wall clock is ahead of the coordinator's, and RTT
	// how long a message and its answer take. They are right to half of the RTT, as
	// of Measured; zero: never.
	ClockOffset time.Duration `json:"clock_offset_ns"`
	RTT         time.Duration `json:"rtt_ns"`
	Measured    time.Time     `json:"measured"`
	// Journal is how what the host promised to keep fares: ok, degraded while it can
	// lead nothing, down when it takes part in nothing, unknown without a word of it.
	Journal       State  `json:"journal"`
	JournalReason string `json:"journal_reason,omitempty"`
}

// Link is how two sites reach each other. Its name is the sites' names.
type Link struct {
	Name    string        `json:"name"`
	Sites   [2]string     `json:"sites"` // by name
	State   State         `json:"state"` // down: cut
	Since   time.Time     `json:"since"`
	Reason  string        `json:"reason"`
	Via     string        `json:"via,omitempty"` // a site through which they hear of each other all the same
	Latency time.Duration `json:"latency_ns"`    // there and back; 0 not known
}

// LinkName is the name of the link between two sites.
func LinkName(a, b string) string { return min(a, b) + "--" + max(a, b) }

// Group is a replica group: hosts that agree on facts.
type Group struct {
	Name   string    `json:"name"` // fleet, or site-NAME
	Site   string    `json:"site"` // whose facts they are; empty: the fleet's
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	Leader string    `json:"leader"` // host; empty: nobody
	Term   uint64    `json:"term"`
	// Quorate says that most of the voters take part, so that facts can change.
	// Of Voters, Need must take part, and Active do.
	Quorate bool `json:"quorate"`
	Voters  int  `json:"voters"`
	Need    int  `json:"need"`
	Active  int  `json:"active"`
	// Changing says that its members are being changed.
	Changing bool          `json:"changing"`
	Members  []GroupMember `json:"members"` // by host
}

// GroupRole is how a host takes part in a group.
type GroupRole string

// The roles in a group.
const (
	GroupVoter   GroupRole = "voter"   // has the data, and a vote
	GroupLearner GroupRole = "learner" // has the data, and no vote
	GroupWitness GroupRole = "witness" // has a vote, and no data
	GroupLeaving GroupRole = "leaving" // votes until it may go
)

// GroupMember is a host's part in a group.
type GroupMember struct {
	Host   string    `json:"host"`
	Site   string    `json:"site"`
	Role   GroupRole `json:"role"`
	Leads  bool      `json:"leads"`
	State  State     `json:"state"`
	Reason string    `json:"reason"`
	Active bool      `json:"active"` // the leader heard it lately
	// Behind is how many entries it lacks of what the leader has.
	Behind uint64 `json:"behind"`
}

// Group returns the group of that name.
func (s *Status) Group(name string) (*Group, bool) {
	return find(s.Groups, name, func(g *Group) string { return g.Name })
}

// Link returns the link of that name.
func (s *Status) Link(name string) (*Link, bool) {
	return find(s.Links, name, func(l *Link) string { return l.Name })
}

// Check asks what keeps a command from being carried out: that nobody is there
// who would, or what the command itself says. It changes nothing.
func Check(c Command, s *Status) []Refusal {
	if s.Alone() {
		return []Refusal{{
			Reason: ReasonNoCoordinator, Target: id.To(id.KindFleet, s.Fleet),
			Detail: s.Coordinator.Reason + "; ask an agent on the other side, or wait until the link is back",
		}}
	}
	return c.Check(s)
}
