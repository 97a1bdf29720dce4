package quorum_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Three hosts with a replica and one without: what one puts, every one gets.
func TestEveryHostPutsAndGets(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4"}
	for _, name := range names {
		r.host(name).put("from/"+name, name)
		for _, other := range names {
			if got := r.host(other).get("from/" + name); got != name {
				t.Errorf("%s put, and %s gets %q", name, other, got)
			}
		}
	}
	if _, ok := r.host("tokyo-4").facts.Local(facts.Get{Key: "from/tokyo-1"}); ok {
		t.Error("a host without a replica answers by itself")
	}
	r.until("every replica has it", func() bool {
		a, ok := r.host("tokyo-2").facts.Local(facts.List{Prefix: "from/"})
		return ok && len(a.Facts) == len(names)
	})
}

// A leader that dies is followed by another; when it comes back on its journal it
// has what was put meanwhile and before.
func TestKillAndRestart(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	for i := range 6 {
		leads := r.leader(names...)
		leads.kill()
		for _, name := range names {
			if name != leads.name {
				r.host(name).put(fmt.Sprint("key", i), "put by "+name)
			}
		}
		r.start(leads.name)
		for _, name := range names {
			if got := r.host(name).get(fmt.Sprint("key", i)); got == "" {
				t.Errorf("%s does not know key%d", name, i)
			}
		}
	}
}

// A host that opened no connection, and whose address nobody knows, is answered on
// the connection that it opens.
func TestAnswerWithoutAnAddress(t *testing.T) {
	r := newRig(t, 1, "tokyo-1", "tokyo-2")
	r.mu.Lock()
	r.cut[[2]string{"tokyo-1", "tokyo-2"}] = true
	r.mu.Unlock()
	r.host("tokyo-2").put("key", "value")
	if got := r.host("tokyo-1").get("key"); got != "value" {
		t.Errorf("got %q", got)
	}
}

// A group grows from one host to three, and the founder leaves.
func TestChange(t *testing.T) {
	r := newRig(t, 1, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	r.host("tokyo-1").put("key", "value")
	all := []replica.Seat{{Host: "tokyo-1"}, {Host: "tokyo-2"}, {Host: "tokyo-3"}, {Host: "tokyo-4"}}
	if err := r.host("tokyo-1").Change(r.ctx(wait), group, all[:3]); err != nil {
		t.Fatal(err)
	}
	voters := func(h *host) (n int) {
		for _, g := range h.Status().Groups {
			for _, m := range g.Members {
				if m.Role == replica.Voter && m.Goal == replica.Voter {
					n++
				}
			}
		}
		return n
	}
	r.until("three vote", func() bool { return voters(r.host("tokyo-1")) == 3 })
	if err := r.host("tokyo-1").Transfer(r.ctx(wait), group, "tokyo-2"); err != nil {
		t.Fatal(err)
	}
	leads := r.leader("tokyo-1", "tokyo-2", "tokyo-3")
	if err := leads.Change(r.ctx(wait), group, all[1:]); err != nil {
		t.Fatal(err)
	}
	r.until("the founder is gone", func() bool { return len(r.host("tokyo-1").Status().Groups) == 0 })
	leads = r.leader("tokyo-2", "tokyo-3", "tokyo-4")
	r.until("three vote again", func() bool { return voters(leads) == 3 })
	if got := r.host("tokyo-1").get("key"); got != "value" {
		t.Errorf("the founder, by way of the others, gets %q", got)
	}
}
