package quorum

import "github.com/holdfast-edge/holdfast/engine/replica"

// Disk lets a test stand between the replicas and the journal's files. It must be
// called before Run.
func (q *Quorum) Disk(between func(w replica.Write, carry func(replica.Write) replica.Event) replica.Event) {
	carry := q.disk.carry
	q.disk.carry = func(w replica.Write) replica.Event { return between(w, carry) }
}

// Hello is how a connection of a lane begins.
func Hello(lane byte, life uint64) []byte { return hello{lane, life}.bytes() }

// The lanes.
const (
	LanePrompt = lanePrompt
	LaneBulk   = laneBulk
	LaneAsk    = laneAsk
)

// Prefer makes a host the one that answered for a group last.
func (q *Quorum) Prefer(group replica.GroupID, host string) { q.callers.good(group, host) }
