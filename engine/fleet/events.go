package fleet

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Event is what a Fleet is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// SetSpec is the spec at start. Later ones come by Ask with api.Apply.
	SetSpec struct {
		Fleet *spec.Fleet
		Text  string // that it was parsed from
		// Rev is its revision where it had one before this fleet began, and From
		// says how it came to be.
		Rev  uint64
		From string
		// Words are what operators had set in the fleet before this one, and Reports
		// those of its drills. One that was under way ended with it.
		Words   []Word
		Reports []api.Drill
		// Revisions are those of the fleet before this one, with their texts. A Rev
		// that is not among them is put there, and kept if it is new. Name, Dir and
		// By are of the spec's file, and of who began the fleet with it.
		Revisions     []api.Revision
		Name, Dir, By string
	}
	// Kept answers Keep and Words, and says how the other records fare.
	Kept struct {
		Record Record
		Rev    uint64 // of RecordSpec
		Err    string // empty: it is on the disk
	}
	// Report is a host's status, once a second and after every change.
	Report struct {
		Status host.Status
		// Changed says that more than counters differ from the one before, so that
		// faces should see it at once.
		Changed bool
	}
	// Noted are a host's notes, in order.
	Noted struct {
		Host  string
		Notes []host.Note
	}
	// Ask is a command. Spec is the checked spec of an api.Apply; Refusal is why
	// it could not be read. ID is the receipt's, made by the world.
	Ask struct {
		ID      string
		Request api.Request
		Spec    *spec.Fleet
		Refusal []api.Refusal
	}
	// FaultDone answers a FaultOrder.
	FaultDone struct {
		ID     string
		Revert bool
		At     instant.Instant // when it was done
		Err    string          // empty: done
	}
	// Adopt tells of a fault that is in force on a host: a coordinator before this
	// fleet asked for it. It may come again.
	Adopt struct {
		Host  string
		Order FaultOrder // the one that is in force; not a revert
		By    string
		Since instant.Instant
	}
	// Members is how one host sees who lives: the one that keeps this picture,
	// whenever that changes and once a second; from others it tells of the links
	// between their sites and others.
	Members struct{ Status member.Status }
	// Groups are the replicas of one host, whenever they change and once a second.
	Groups struct {
		Host   string
		Status replica.Status
	}
	// Clock is how far the wall clock of a host is ahead of this one's, measured
	// with a message and its answer that took RTT.
	Clock struct {
		Host        string
		Offset, RTT time.Duration
	}
	// Agent is what the program of a host says of itself when it connects.
	Agent struct{ Host, Version string }
	// Process is a backend's process as its keeper sees it.
	Process struct {
		Backend string
		PID     int // 0: none
		Running bool
		Reason  string // how it ended
		Taken   bool   // somebody else has its address, and may answer in its place
	}
	// ClientsRead is what built-in clients saw in the last second.
	ClientsRead struct {
		Name      string
		Reading   host.Reading
		LastError string
	}
	// Sampled is what a drill's probes saw since the last one.
	Sampled struct {
		Drill   string // whose ProbesOrder it answers
		Run     int
		Samples []drill.Sample
	}
	// Wake says that the deadline has come.
	Wake struct{}
)

func (SetSpec) event()     {}
func (Kept) event()        {}
func (Report) event()      {}
func (Noted) event()       {}
func (Ask) event()         {}
func (FaultDone) event()   {}
func (Adopt) event()       {}
func (Members) event()     {}
func (Groups) event()      {}
func (Clock) event()       {}
func (Agent) event()       {}
func (Process) event()     {}
func (ClientsRead) event() {}
func (Sampled) event()     {}
func (Wake) event()        {}

// Effects are what a Fleet asks for.
type Effects struct {
	// Hosts are events for hosts.
	Hosts []ToHost
	// Faults to inject or revert; answered by FaultDone.
	Faults []FaultOrder
	// Answers to Asks, one each, in the same Step.
	Answers []Answer
	// Picture is set when faces should see a new one: at once after a change
	// that people wait for, otherwise at most every PictureEvery.
	Picture *api.Status
	// Events are new, numbered, oldest first.
	Events []api.Event
	// Begin names built-in clients that begin to use their listener. Those of an
	// earlier Begin go on through changes of the spec.
	Begin []string
	// StartProbes and StopProbes drive a drill's independent probes.
	StartProbes *ProbesOrder
	StopProbes  bool
	// Spec is set when a spec was applied: the world starts and stops the
	// processes, clients and files of it.
	Spec *spec.Fleet
	// Keep is a spec that came into force, for the world to keep over a restart.
	// Answered by Kept, each time that changes.
	Keep *Keep
	// Revisions are all that are kept, oldest first, with their texts; set when
	// they change.
	Revisions []api.Revision
	// Words is set when what operators have set changes, for the world to keep
	// over a restart. Answered by Kept.
	Words *Words
	// Reports are drills whose phase has changed, for the world to keep: the fleet
	// after this one goes on with them.
	Reports []api.Drill
	// Admit are changes of who may come in, each answered by Admitted.
	Admit []AdmitOrder
}

// ToHost is an event for one host.
type ToHost struct {
	Host  string
	Event host.Event
}

// FaultOrder asks the world to break or mend something.
type FaultOrder struct {
	ID     string
	Kind   api.FaultKind
	Target id.Ref
	Delay  time.Duration
	Revert bool
	By     string // who asked for the fault
	Host   string // that runs the target, or did when the fault was injected
	// DeadMan reverts it without being asked, kept by whoever carries it out: it
	// holds also when the fleet's loop is gone. 0 none.
	DeadMan time.Duration
}

// ProbesOrder asks for independent probes of the listener that clients use, at
// the addresses of all its hosts in turn.
type ProbesOrder struct {
	Drill   string
	Run     int // with Drill tells its samples from an earlier run's
	Clients spec.Clients
	Every   time.Duration
}

// Answer is the receipt of an Ask.
type Answer struct{ Receipt api.Receipt }

// Reset empties e and keeps its memory.
func (e *Effects) Reset() {
	*e = Effects{Hosts: e.Hosts[:0], Faults: e.Faults[:0], Answers: e.Answers[:0], Events: e.Events[:0], Begin: e.Begin[:0], Reports: e.Reports[:0], Admit: e.Admit[:0]}
}
