package report

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Message is one thing that is said on a line.
//
//sumtype:decl
type Message interface{ message() }

type (
	// Hello is the first word of who keeps the picture.
	Hello struct {
		// Epoch of the coordinator's lease; 0: an observer, which only listens.
		Epoch uint64
		// Ring names its numbering of events. That goes on from the ring Grew and
		// its event GrewAt, where it did not begin anew.
		Ring   string
		Grew   string
		GrewAt api.Seq
		// Life and Took say up to which number of which life of the host it has
		// taken what the host told.
		Life, Took uint64
		Sent       instant.Instant // of its clock
	}
	// Welcome answers it, and is the first word of a host.
	Welcome struct {
		Version string // of its program
		Life    uint64
		Epoch   uint64 // the highest that this host has seen
		Took    uint64 // the orders of the Hello's epoch that it has taken
		// Copy says that it wants the events, and has those of Ring up to Last.
		Copy bool
		Ring string
		Last api.Seq
		Pong
	}
	// Ping asks for a Pong, and says what of the host's is taken.
	Ping struct {
		Sent instant.Instant
		Took uint64
	}
	// Pong answers a Ping, at leisure: it says how long that took.
	Pong struct {
		Echo      instant.Instant // Ping.Sent
		Got, Sent instant.Instant // of the host's clock
		Wall      time.Time       // of the host, at Sent
		Took      uint64          // orders
	}
	// Report is the newest status of a host.
	Report struct{ fleet.Report }
	// Links are how a host sees the other sites, the newest as of reports.
	Links struct{ fleet.Members }
	// Replicas are the host's, the newest too.
	Replicas struct{ fleet.Groups }
	// Told is something that happened on a host. Numbers count in its life; what has
	// none is how things are, told to whoever is new.
	Told struct {
		Number uint64
		Event  fleet.Event // Noted, FaultDone, Process or Adopt
	}
	// Order is something for a host to do. Numbers count in the coordinator's term.
	Order struct {
		Number uint64
		Do     Do
		// Bad says why Do, which is nil then, could not be read: it is for a newer
		// version than this.
		Bad string
	}
	// Events are of the coordinator's ring, those that follow After.
	Events struct {
		Ring   string
		After  api.Seq
		Events []api.Event
	}
	// Share is something that every host should have, whether or not it has a
	// replica: the newest value of its key.
	Share struct {
		Key   string
		Value []byte
	}
	// Refused is a host's no to an order.
	Refused struct {
		Number uint64
		Reason api.Reason
		Detail string
	}
)

func (Hello) message()    {}
func (Welcome) message()  {}
func (Ping) message()     {}
func (Pong) message()     {}
func (Report) message()   {}
func (Links) message()    {}
func (Replicas) message() {}
func (Told) message()     {}
func (Order) message()    {}
func (Events) message()   {}
func (Share) message()    {}
func (Refused) message()  {}

// Do is what an order asks for.
//
//sumtype:decl
type Do interface{ do() }

type (
	// SetSpec is the spec as it was written: a host reads it by itself, and keeps
	// it for the day when it starts cut off.
	SetSpec struct {
		fleet.Keep
		Cause api.Seq // the event that recorded the change
	}
	// Obey is a command's part for the host.
	Obey struct{ host.Order }
	// Fault breaks or mends something there.
	Fault struct{ fleet.FaultOrder }
)

func (SetSpec) do() {}
func (Obey) do()    {}
func (Fault) do()   {}
