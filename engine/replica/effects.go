package replica

import "github.com/holdfast-edge/holdfast/engine/replica/journal"

// Effects is what a host's replicas ask of the world. The order between the
// kinds does not matter.
type Effects struct {
	Sends   []Send
	Writes  []Write
	Drops   []uint64 // free all segments below this one, oldest first, each durably before the next
	Answers []Answer
	Notes   []Note
	Applied []GroupID // their machines changed
	Moved   []GroupID // who leads them, who is in them, or whether they take part here changed
}

// A Send carries a frame to a host. It may be lost, doubled, late or overtaken.
type Send struct {
	To    string
	Frame []byte
	// Bulk says that it is a large snapshot, for which nothing else should wait.
	Bulk bool
}

// A Write must become durable and is answered by Wrote or WriteFailed. There is
// one at a time.
type Write struct {
	Op uint64
	journal.Write
}

// An Answer ends a request. Reason is empty when it was carried out.
type Answer struct {
	Request uint64
	Reason  Reason
	Detail  string // what the reason's sentence leaves open
	Result  []byte
	Leader  string // the leader's host, when known
}

// A Note is for people.
type Note struct {
	Group  GroupID // empty: the whole journal
	Reason Reason
	Text   string
}

// Reset empties the effects for their next use.
func (e *Effects) Reset() {
	e.Sends, e.Writes, e.Drops = e.Sends[:0], e.Writes[:0], e.Drops[:0]
	e.Answers, e.Notes, e.Applied = e.Answers[:0], e.Notes[:0], e.Applied[:0]
	e.Moved = e.Moved[:0]
}
