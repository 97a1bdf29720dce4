package replica

import "time"

// GroupID names a group: fleet, site/tokyo, volume/orders.
type GroupID string

// A Seat is a place in a group that an operator wants to be taken.
type Seat struct {
	Host    string
	Witness bool // votes and keeps the journal's terms, but no data
	Learner bool // keeps the data, but does not vote
}

// Event is what a host's replicas are told.
//
//sumtype:decl
type Event interface{ event() }

// Wake says that the deadline came.
type Wake struct{}

// Heard says that another host, whose certificate said who it is, sent a frame.
type Heard struct {
	From  string
	Frame []byte
}

// Unreachable says that the connection to a host broke: what was sent last may be
// lost.
type Unreachable struct{ Host string }

// Ended says that the process ended in which a host's replicas were: nobody listens
// there any more although the machine answers, or another life of it has called.
// Who followed it need not wait for a silence. A false word costs an election, and
// only if a majority heard it.
type Ended struct{ Host string }

// Wrote says that a write is durable: bytes, file and directory.
type Wrote struct{ Op uint64 }

// WriteFailed says that a write is not durable. Retry is for when nothing of it
// was written, as on a full disk: it is asked for again. After anything else
// nobody knows what is on the disk, and only a restart finds out.
type WriteFailed struct {
	Op    uint64
	Err   string
	Retry bool
}

// Create founds a group. Every host of its seats must be given the same seats in
// the same order. It is answered when it is durable; a host that was not answered,
// because it died, is asked again. One that was answered never is: if it loses its
// memory, it is refilled.
type Create struct {
	Request uint64
	Group   GroupID
	Seats   []Seat
}

// Propose asks for a command to be carried out by every machine of a group. For
// is how long to try.
type Propose struct {
	Request uint64
	Group   GroupID
	Command []byte
	For     time.Duration
}

// Read asks this host's machine, as it is after everything that was acknowledged
// before the Read.
type Read struct {
	Request uint64
	Group   GroupID
	Query   []byte
	For     time.Duration
}

// Change asks for a group to have these seats. Only the leader's host can.
type Change struct {
	Request uint64
	Group   GroupID
	Seats   []Seat
}

// Transfer asks the leader's host to hand the lead to another.
type Transfer struct {
	Request uint64
	Group   GroupID
	To      string
}

// Yield asks the leader's host to hand the lead to whoever is furthest.
type Yield struct {
	Request uint64
	Group   GroupID
}

func (Wake) event()        {}
func (Heard) event()       {}
func (Unreachable) event() {}
func (Ended) event()       {}
func (Wrote) event()       {}
func (WriteFailed) event() {}
func (Create) event()      {}
func (Propose) event()     {}
func (Read) event()        {}
func (Change) event()      {}
func (Transfer) event()    {}
func (Yield) event()       {}
