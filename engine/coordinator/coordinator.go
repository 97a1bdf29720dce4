package coordinator

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// LeaseTTL is the length of the coordinator's lease: long enough for an election
// and a slow disk between two renewals, short enough that commands are refused for
// a few seconds only when its holder dies.
const LeaseTTL = 2 * time.Second

// AloneAfter is how long a host waits for a coordinator before it keeps a picture
// of its own: the lease of a dead one ends, somebody gets it and calls.
const AloneAfter = 3 * LeaseTTL

// Kind is what this host is to the picture.
type Kind string

// The kinds.
const (
	Waiting   Kind = "waiting"   // it may hear of a coordinator any moment
	Acting    Kind = "acting"    // it keeps the fleet's picture
	Following Kind = "following" // it shows that of another
	Alone     Kind = "alone"     // it keeps its own, of whom it can reach
)

// Term is how it stands.
type Term struct {
	Kind  Kind
	Host  string // the coordinator; empty: nobody
	Epoch uint64 // of the coordinator
}

// Event is what a Coordinator is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// Startup begins.
	Startup struct{}
	// Led says that this host holds the lease.
	Led struct{ Epoch uint64 }
	// Lost says that this host holds it no more.
	Lost struct{}
	// Called says that a coordinator has connected.
	Called struct {
		Host  string
		Epoch uint64
	}
	// Hung says that a coordinator's connection ended.
	Hung struct {
		Host  string
		Epoch uint64
	}
	// Overtaken says that another host was called by a coordinator of this epoch, or
	// was once.
	Overtaken struct{ Epoch uint64 }
	// Wake says that the deadline has come.
	Wake struct{}
)

func (Startup) event()   {}
func (Led) event()       {}
func (Lost) event()      {}
func (Called) event()    {}
func (Hung) event()      {}
func (Overtaken) event() {}
func (Wake) event()      {}

// Effects are what a Coordinator asks for.
type Effects struct {
	Turn    *Term // nil: as it was
	Release bool
}

// Reset empties e.
func (e *Effects) Reset() { *e = Effects{} }

// Coordinator decides for one host.
type Coordinator struct {
	self    string
	term    Term
	highest uint64 // epoch that was ever seen
	led     uint64 // epoch of this host's own lease; 0: none
	calling uint64 // epoch of the coordinator whose connection stands; 0: none
	alone   instant.Instant
}

// New returns a Coordinator that waits.
func New(self string) *Coordinator {
	return &Coordinator{self: self, term: Term{Kind: Waiting}, alone: instant.Never}
}

// Term is how it stands now.
func (c *Coordinator) Term() Term { return c.term }

// Deadline is when it next wants Wake.
func (c *Coordinator) Deadline() instant.Instant { return c.alone }

// Step tells it one event and adds what must be done to out.
func (c *Coordinator) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case Startup:
		c.alone = now.Add(AloneAfter)
	case Led:
		if ev.Epoch < c.highest {
			out.Release = true // it was overtaken before it began
			return
		}
		c.led, c.highest, c.calling, c.alone = ev.Epoch, ev.Epoch, 0, instant.Never
		c.turn(Term{Kind: Acting, Host: c.self, Epoch: ev.Epoch}, out)
	case Lost:
		if c.led == 0 {
			return
		}
		c.led = 0
		if c.term.Kind == Acting {
			c.alone = now.Add(AloneAfter)
			c.turn(Term{Kind: Waiting}, out)
		}
	case Called:
		if ev.Epoch < c.highest || ev.Host == c.self || ev.Epoch == c.led {
			return
		}
		if c.led != 0 {
			c.led, out.Release = 0, true
		}
		c.highest, c.calling, c.alone = ev.Epoch, ev.Epoch, instant.Never
		c.turn(Term{Kind: Following, Host: ev.Host, Epoch: ev.Epoch}, out)
	case Hung:
		if ev.Epoch == c.calling && c.term.Kind == Following {
			c.calling, c.alone = 0, now.Add(AloneAfter)
		}
	case Overtaken:
		c.highest = max(c.highest, ev.Epoch)
		if c.led == 0 || c.led >= ev.Epoch {
			return
		}
		c.led, out.Release, c.alone = 0, true, now.Add(AloneAfter)
		c.turn(Term{Kind: Waiting}, out)
	case Wake:
		if c.alone.Reached(now) {
			c.alone = instant.Never
			c.turn(Term{Kind: Alone}, out)
		}
	}
}

func (c *Coordinator) turn(to Term, out *Effects) {
	if c.term != to {
		c.term = to
		out.Turn = &to
	}
}
