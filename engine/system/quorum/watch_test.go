package quorum_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

// follow keeps what a watcher would believe, and requires that it never goes back.
type follow struct {
	h        *host
	updates  <-chan quorum.Update
	facts    map[string]string
	revision uint64
	wholes   int
}

func (h *host) follow(prefix string) *follow {
	return &follow{h: h, updates: h.facts.Watch(h.r.ctx(2*wait), prefix), facts: map[string]string{}}
}

// until reads updates until what it believes is so.
func (f *follow) until(what string, is func() bool) {
	t := f.h.r.t
	t.Helper()
	end := time.After(wait)
	for !is() {
		select {
		case u, ok := <-f.updates:
			if !ok {
				t.Fatalf("%s: the watch ended before %s", f.h.name, what)
			}
			if u.Revision < f.revision {
				t.Errorf("%s: revision %d after %d", f.h.name, u.Revision, f.revision)
			}
			f.revision = u.Revision
			if u.All {
				f.wholes++
				clear(f.facts)
			}
			for _, x := range u.Facts {
				f.facts[x.Key] = string(x.Value)
			}
			for _, c := range u.Changes {
				switch {
				case c.Lease:
				case c.Gone:
					delete(f.facts, c.Key)
				default:
					f.facts[c.Key] = string(c.Value)
				}
			}
		case <-end:
			t.Fatalf("%s believes %v; it is never so: %s", f.h.name, f.facts, what)
		}
	}
}

// Watchers on a host with a replica and on one without are told the same, over
// changes of the leader, and from another host when the one that told them died.
func TestWatchOverLeaders(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	r.host("tokyo-1").put("a/0", "before")
	r.host("tokyo-1").put("b/0", "of another prefix")
	all := []*follow{r.host("tokyo-4").follow("a/"), r.host("tokyo-4").follow("a/")}
	want := map[string]string{"a/0": "before"}
	for i := range 5 {
		leads := r.leader(names...)
		all = append(all, r.host(names[i%3]).follow("a/"))
		if i%2 == 0 {
			leads.kill()
			r.start(leads.name)
			all = all[:2] // those on the host that died ended with it
		}
		key := fmt.Sprint("a/", i%3)
		want[key] = fmt.Sprint("round ", i)
		r.host(names[(i+1)%3]).put(key, want[key])
		if i == 3 {
			delete(want, "a/1")
			if _, err := r.host("tokyo-2").facts.Do(r.ctx(wait), facts.Txn{Ops: []facts.Op{{Key: "a/1", Delete: true}}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range all {
			f.until(fmt.Sprint("what is put in round ", i), func() bool { return maps.Equal(f.facts, want) })
		}
	}
}

// Who reads late misses nothing that counts: when the changes in between are
// forgotten, everything is told again.
func TestWatchOfForgottenHistory(t *testing.T) {
	r := newRig(t, 1, "tokyo-1")
	h := r.host("tokyo-1")
	h.put("key", "first")
	f := h.follow("key")
	f.until("the first", func() bool { return f.facts["key"] == "first" })
	for i := range 14 {
		h.put("key", fmt.Sprint(i)+strings.Repeat("v", 400<<10)) // more than history holds
	}
	h.put("key", "last")
	f.until("the last", func() bool { return f.facts["key"] == "last" })
	if f.wholes < 2 {
		t.Errorf("it was told everything %d times", f.wholes)
	}
}

func TestWatchEnds(t *testing.T) {
	r := newRig(t, 1, "tokyo-1", "tokyo-2")
	for _, name := range []string{"tokyo-2", "tokyo-1"} {
		ctx, cancel := context.WithCancel(context.Background())
		mine, others := r.host(name).facts.Watch(ctx, ""), r.host(name).follow("")
		<-mine
		cancel()
		for range mine {
			continue // what came before the end
		}
		r.host(name).kill()
		for range others.updates {
			continue
		}
	}
}

// Changed tells of leaders and members.
func TestChanged(t *testing.T) {
	r := newRig(t, 0, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	h := r.host("tokyo-1")
	seen := func(what string, is func() bool) {
		t.Helper()
		end := time.After(wait)
		for {
			changed := h.Changed()
			if is() {
				return
			}
			select {
			case <-changed:
			case <-end:
				t.Fatalf("nobody says %s", what)
			}
		}
	}
	r.found(names...)
	seen("who leads", func() bool { g := h.Status().Groups; return len(g) == 1 && g[0].Leader != "" })
	leads := r.leader(names...)
	to := "tokyo-2"
	if leads.name == to {
		to = "tokyo-3"
	}
	go func() { _ = leads.Transfer(r.ctx(wait), group, to) }()
	seen("who leads now", func() bool { return h.Status().Groups[0].Leader == to })
}
