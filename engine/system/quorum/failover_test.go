package quorum_test

import (
	"slices"
	"testing"
	"time"
)

// TestFailover measures how long a group of three cannot be written to when its
// leader is killed, and when it ends in order. The figures are for people: nothing
// depends on them, as the machine may do much else.
func TestFailover(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(h *host)
	}{
		{"killed", func(h *host) { h.kill() }},
		{"stopped in order", func(h *host) { h.stop() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
			names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
			var took []time.Duration
			for range 7 {
				leads := r.leader(names...)
				other := r.host(names[(slices.Index(names, leads.name)+1)%3])
				other.put("key", "before")
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					c.end(leads)
				}()
				// The longest that one put takes while the leader ends is how long nobody
				// could put.
				longest := time.Duration(0)
				for over := false; !over; {
					select {
					case <-ended:
						over = true // and one more
					default:
					}
					at := time.Now()
					other.put("key", "meanwhile")
					longest = max(longest, time.Since(at))
				}
				took = append(took, longest)
				<-ended
				r.start(leads.name)
			}
			slices.Sort(took)
			t.Logf("failover of a leader that was %s: median %s, longest %s", c.name, took[len(took)/2], took[len(took)-1])
		})
	}
}
