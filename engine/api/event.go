package api

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Seq numbers events. The first is 1; 0 means none.
type Seq uint64

// EventRing is how many events are kept: enough for a bad night at one event a
// second and small enough to send whole.
const EventRing = 4096

// Lane is the subject area of an event, one row of the console's time line.
type Lane string

// The lanes.
const (
	LaneHealth Lane = "health" // probes and backends
	LanePool   Lane = "pool"   // what the balancer decided
	LaneFleet  Lane = "fleet"  // hosts, spec, start and stop
	LanePeople Lane = "people" // what somebody asked for
	LaneFault  Lane = "fault"
	LaneDrill  Lane = "drill"
)

// Event is something that happened.
type Event struct {
	Seq     Seq       `json:"seq"`
	At      time.Time `json:"at"`
	Site    string    `json:"site,omitempty"`
	Host    string    `json:"host,omitempty"` // that reports it
	Subject id.Ref    `json:"subject"`
	Lane    Lane      `json:"lane"`
	State   State     `json:"state"`             // of the subject after it
	Text    string    `json:"text"`              // a sentence without the subject's name
	Reason  string    `json:"reason,omitempty"`  // because …
	Cause   Seq       `json:"cause,omitempty"`   // the event that led to it
	By      string    `json:"by,omitempty"`      // who, for lane people and what follows from it
	Receipt string    `json:"receipt,omitempty"` // of the command that it answers
}
