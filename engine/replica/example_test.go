package replica_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// A host alone: the world's part is to write what is to be written, to say so, and
// to wake the replicas at their deadline.
func Example() {
	groups := replica.New(replica.Config{
		Host: "h1", Boot: 1, Rand: rand.New(rand.NewPCG(1, 1)),
		Machine: func(replica.GroupID) replica.Machine { return facts.New() },
	}, 0, journal.Recover(nil))

	now := instant.Instant(0)
	var step func(ev replica.Event)
	step = func(ev replica.Event) {
		var out replica.Effects
		groups.Step(now, ev, &out)
		for _, n := range out.Notes {
			fmt.Println(n.Group, n.Reason, n.Text)
		}
		for _, a := range out.Answers {
			fmt.Printf("answer %d %q\n", a.Request, a.Reason)
		}
		for _, w := range out.Writes {
			// Here the bytes would go to the disk.
			step(replica.Wrote{Op: w.Op})
		}
	}
	step(replica.Create{Request: 1, Group: "fleet", Seats: []replica.Seat{{Host: "h1"}}})
	put := facts.Txn{Ops: []facts.Op{{Key: "spec", Value: []byte("revision 1")}}}
	step(replica.Propose{Request: 2, Group: "fleet", Command: facts.Encode(put), For: time.Second})
	for range 3 {
		now = groups.Deadline()
		step(replica.Wake{})
	}
	fmt.Println(groups.Machine("fleet").(*facts.Store).Revision())
	// Output:
	// answer 1 ""
	// fleet leads term 2
	// answer 2 ""
	// 1
}
