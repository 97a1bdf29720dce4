package tui

import (
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
)

// ringed is a picture of a ring of events, and so many of them.
func ringed(ring string, last api.Seq) (*api.Status, []api.Event) {
	s := fixture.Agents()
	s.Ring, s.Seq = ring, last
	var all []api.Event
	for q := api.Seq(1); q <= last; q++ {
		all = append(all, api.Event{Seq: q, At: fixture.At, Subject: id.To(id.KindHost, "tokyo-a"), Lane: api.LaneFleet, State: api.StateOK, Text: "says " + ring})
	}
	return s, all
}

// Another coordinator numbers events its own way. What was seen of the ring before
// is forgotten, all of the new one is asked for, and nothing is seen twice, whether
// the connection goes on or a new one brings it.
func TestAnotherRing(t *testing.T) {
	for name, lost := range map[string]bool{"the connection goes on": false, "a new connection": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 120, 36, nil)
			s, all := ringed("e7", 9)
			r.see(s, all...)
			s, all = ringed("e8", 12)
			if lost {
				r.send(feed.Lost{Conn: r.a.line.Conn})
				r.send(feed.Retry{})
			}
			before := r.a.line.Conn
			if cmd := r.send(feed.Updated{Update: api.Update{Status: s, Events: all[9:]}, Conn: before}); cmd == nil || r.a.line.Conn == before {
				t.Fatal("the console does not ask for all of the new ring")
			}
			r.press("5")
			r.lacks("says e7", "says e8")
			r.has("live 0.0 s")
			r.send(feed.Updated{Update: api.Update{Status: s, Events: all[9:]}, Conn: before}) // late
			before = r.a.line.Conn
			r.see(s, all...)
			if r.a.line.Conn != before {
				t.Fatal("it asks again for what it has")
			}
			if n := len(r.a.events); n != 12 || r.a.events[0].Seq != 1 {
				t.Errorf("it has %d events, want the 12 of the new ring", n)
			}
			if got := strings.Count(r.frame(), "says e8"); got != 12 {
				t.Errorf("%d events are on the screen, want 12:\n%s", got, r.frame())
			}
			r.lacks("says e7")
		})
	}
}
