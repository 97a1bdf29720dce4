package replica

import "time"

// Bounds, each with its reason.
const (
	// GroupsMax is how many groups a host has: each costs a heartbeat, and every
	// step looks at the deadlines of all.
	GroupsMax = 1024
	// SeatsMax bounds a group: beyond seven voters a write waits for more hosts
	// than it gains safety.
	SeatsMax = 15
	// CommandSizeMax bounds one command, so that one cannot hold up the heartbeats
	// behind it on a slow line.
	CommandSizeMax = 1 << 20
	// RequestsMax is how many proposals, and as many reads, of one group wait here.
	RequestsMax = 512
	// RequestForMax is the longest time that a request is tried.
	RequestForMax = 5 * time.Minute
	// FrameSizeMax bounds a frame: the largest is a snapshot of a group.
	FrameSizeMax = 64 << 20
	// frameAim is where a frame is closed and the next one begun.
	frameAim = 1 << 20
	// bulkSize is from when on a snapshot goes in a frame of its own: a millisecond
	// on a local network.
	bulkSize = 128 << 10
	// entriesKept and entriesKeptBytes are what stays in memory of what is applied,
	// for followers that are a little late; a later one gets a snapshot.
	entriesKept      = 512
	entriesKeptBytes = 1 << 20
	// messageSizeMax, inflightMax and uncommittedMax bound what raft sends to one
	// follower at once and what a leader takes in.
	messageSizeMax = 1 << 20
	inflightMax    = 64
	inflightBytes  = 8 << 20
	uncommittedMax = 32 << 20
	// sessionsMax is how many origins of commands a group remembers: a few lives of
	// each of its hosts.
	sessionsMax = 128
	// sessionWindow is how far an origin's commands may overtake each other.
	sessionWindow = 1024
)

// Times that do not depend on the distance between hosts.
const (
	// markAfter is how long the journal is quiet before a mark is written.
	markAfter = 50 * time.Millisecond
	// retryAfter is how long a full disk is left alone.
	retryAfter = 500 * time.Millisecond
	// slowAfter is when a disk that does not answer costs its host the lead.
	slowAfter = 2 * time.Second
	// noticeAfter is how often a lost member asks for its place to be refilled.
	noticeAfter = time.Second
)

// Timing is how fast a group notices that its leader is gone.
type Timing struct {
	Heartbeat time.Duration // between two heartbeats of the leader
	Election  time.Duration // the shortest silence after which another stands; the longest is twice this
}

// Near is for hosts of one site: five heartbeats may get lost, and a new leader is
// there after about 200 ms.
var Near = Timing{Heartbeat: 30 * time.Millisecond, Election: 150 * time.Millisecond}

// Far is for hosts in different sites, up to 300 ms away from each other.
var Far = Timing{Heartbeat: 250 * time.Millisecond, Election: 1500 * time.Millisecond}

// ticks is how many heartbeats an election's silence has.
func (t Timing) ticks() int { return max(2, int(t.Election/t.Heartbeat)) }
