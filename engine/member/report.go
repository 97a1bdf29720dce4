package member

import "time"

// Host is one host of the fleet.
type Host struct {
	Name string
	Site string
}

// Report is what one host tells another.
type Report struct {
	From    string
	Life    uint64 // grows with every start of the agent
	Leaving bool   // the last one of this life
	View    View
}

// View is how one host sees the hosts of its own site. It travels with its age,
// so that no clocks need to agree.
type View struct {
	By   string
	Site string
	// Life of By, and Number of the view in it: which of two views is newer is
	// told by them and not by ages, which lack the time on the way.
	Life   uint64
	Number uint64
	Age    time.Duration // since By saw it so
	// Via is the other site through which it came; empty: straight from its own.
	Via   string
	Hops  int
	Hosts []Sight
}

// Sight is one host in a View.
type Sight struct {
	Host   string
	Life   uint64
	State  State
	Reason Reason
	// Heard is how long ago By heard it directly; Never if it did not.
	Heard time.Duration
}

// Never is the age of what did not happen.
const Never time.Duration = -1
