package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

func seats(names ...string) []replica.Seat {
	var all []replica.Seat
	for _, name := range names {
		s := replica.Seat{}
		s.Host, s.Witness = strings.CutSuffix(name, "?")
		if host, learns := strings.CutSuffix(s.Host, "+"); learns {
			s.Host, s.Learner = host, true
		}
		all = append(all, s)
	}
	return all
}

func (s *stage) change(h *actor, want []replica.Seat) replica.Answer {
	s.t.Helper()
	return s.wait(s.ask(h, func(n uint64) replica.Event { return replica.Change{Request: n, Group: "fleet", Seats: want} }))
}

// are says who a leader sees: host and role, and the goal where it is another.
func (s *stage) are(h *actor) string {
	var all []string
	for _, m := range s.status(h).Members {
		x := m.Host + " " + m.Role.String()
		if m.Role != m.Goal {
			x += " to be " + m.Goal.String()
		}
		all = append(all, x)
	}
	return strings.Join(all, ", ")
}

// A leader and another host are replaced by two new ones in one change: the new
// ones catch up first, the lead is handed over, and those who left forget the
// group.
func TestChangeReplacesMembers(t *testing.T) {
	s := newStage(t, 1, "h1", "h2", "h3", "h4", "h5")
	s.create(seats("h1", "h2", "h3")...)
	leader := s.leader()
	s.put(leader, "k", "1")
	stays := s.others(leader)[0]
	want := seats(stays.name, "h4", "h5")
	if a := s.change(stays, want); a.Reason != replica.ReasonNotLeader || a.Leader != leader.name {
		t.Errorf("a follower says %+v", a)
	}
	if a := s.change(leader, want); a.Reason != replica.ReasonUnheard || a.Detail != "h4" {
		t.Errorf("of a host that was never heard it says %+v", a)
	}
	if a := s.change(leader, want); a.Reason != replica.ReasonUnheard || a.Detail != "h5" {
		t.Errorf("of the second it says %+v", a)
	}
	var invitations [][]byte
	s.carries = func(from, to *actor, frame []byte) bool {
		if from == leader && to.name == "h4" && len(invitations) < 3 {
			invitations = append(invitations, frame)
		}
		return true
	}
	if a := s.change(leader, want); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	if a := s.change(leader, want); a.Reason != "" {
		t.Errorf("the same change once more: %+v", a)
	}
	s.until("the change is finished", func() bool {
		l := s.leader()
		return s.are(l) == fmt.Sprintf("%s voter, h4 voter, h5 voter", stays.name) && !s.status(l).Joint
	})
	s.put(s.host("h5"), "k", "2")
	s.until("who left has forgotten it", func() bool { return s.status(leader).Group == "" })
	if a := s.answers[s.propose(leader, "k", "3")]; a.Reason != replica.ReasonNoGroup {
		t.Errorf("who left says %+v", a)
	}
	for _, h := range []string{stays.name, "h4", "h5"} {
		if got := s.get(s.host(h), "k"); got != "2" {
			t.Errorf("%s reads %q", h, got)
		}
	}
	// A frame from before, when it was invited, does not bring it back.
	for _, frame := range invitations {
		s.step(s.host("h4"), replica.Heard{From: leader.name, Frame: frame})
	}
	if s.status(s.host("h4")).Member == 0 {
		t.Error("old invitations threw a member out")
	}
	// It is as good as the first three were: one may die.
	dies := s.leader()
	dies.dead = true
	s.put(s.leader(), "k", "4")
	// Nor do they once it has left.
	s.start(dies)
	if a := s.change(s.leader(), seats(stays.name, "h5")); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	h4 := s.host("h4")
	s.until("h4 has left", func() bool { return s.status(h4).Group == "" })
	for _, frame := range invitations {
		s.step(h4, replica.Heard{From: leader.name, Frame: frame})
	}
	if s.status(h4).Group != "" {
		t.Error("who left came back by an old frame")
	}
}

// While a new voter has not caught up, it does not vote, and nobody has left.
func TestNewVotersCatchUpFirst(t *testing.T) {
	s := newStage(t, 1, "h1", "h2", "h3", "h4")
	s.create(seats("h1", "h2", "h3")...)
	leader := s.leader()
	gone := s.others(leader)[0]
	kept := s.others(leader)[1]
	want := seats(leader.name, kept.name, "h4")
	s.change(leader, want) // greets h4
	s.carries = func(_, to *actor, _ []byte) bool { return to.name != "h4" }
	if a := s.change(leader, want); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	s.run(3 * time.Second)
	if got, want := s.are(leader), fmt.Sprintf("%s voter to be none", gone.name); !strings.Contains(got, want) || !strings.Contains(got, "h4 learner to be voter") {
		t.Errorf("they are %s", got)
	}
	kept.dead = true
	s.put(leader, "k", "still two of three")
	kept.dead = false
	s.carries = nil
	s.until("it is finished", func() bool { return strings.HasSuffix(s.are(s.leader()), "h4 voter") })
}

// A change that waits for a new host which never catches up can be taken back, or
// replaced by one that has another host in its place. Until all its entries are in,
// it cannot.
func TestAChangeTakesTheOthersPlace(t *testing.T) {
	s := newStage(t, 1, "h1", "h2", "h3", "h4", "h5")
	s.create(seats("h1", "h2", "h3")...)
	leader := s.leader()
	gone, kept := s.others(leader)[0], s.others(leader)[1]
	was := s.are(leader)
	for _, h := range []string{"h4", "h5"} {
		s.change(leader, seats("h1", "h2", "h3", h)) // greets it
	}
	s.carries = func(_, to *actor, _ []byte) bool { return to.name != "h4" }
	if a := s.change(leader, seats(leader.name, kept.name, "h4")); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	s.run(time.Second)
	if got := s.are(leader); !strings.Contains(got, gone.name+" voter to be none") || !strings.Contains(got, "h4 learner to be voter") {
		t.Fatalf("they are %s", got)
	}
	if a := s.change(leader, seats("h1", "h2", "h3")); a.Reason != "" {
		t.Fatalf("it cannot be taken back: %+v", a)
	}
	s.until("all is as it was", func() bool { return s.are(leader) == was && !s.status(leader).Joint })
	if a := s.change(leader, seats(leader.name, kept.name, "h4")); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	s.put(leader, "k", "1")
	if a := s.change(leader, seats(leader.name, kept.name, "h5")); a.Reason != "" {
		t.Fatalf("it cannot be replaced: %+v", a)
	}
	s.until("h5 votes", func() bool {
		return !strings.Contains(s.are(s.leader()), "to be") && strings.HasSuffix(s.are(s.leader()), "h5 voter")
	})
	if got := s.are(s.leader()); strings.Contains(got, "h4") || strings.Contains(got, gone.name) {
		t.Errorf("they are %s", got)
	}
	if got := s.get(s.host("h5"), "k"); got != "1" {
		t.Errorf("h5 reads %q", got)
	}
	// One that is being carried out is not overtaken: its first entry is not
	// committed while nobody hears the leader.
	leader = s.leader()
	s.carries = func(_, _ *actor, _ []byte) bool { return false }
	first := s.ask(leader, func(n uint64) replica.Event {
		return replica.Change{Request: n, Group: "fleet", Seats: seats(leader.name)}
	})
	if a := s.change(leader, seats(leader.name, "h5")); a.Reason != replica.ReasonChangePending {
		t.Errorf("a second change at the same time: %+v", a)
	}
	s.carries = nil
	s.wait(first)
}

// A learner keeps the data and counts for nothing; a voter can become one.
func TestLearners(t *testing.T) {
	s := newStage(t, 1, "h1", "h2", "h3")
	s.create(seats("h1", "h2", "h3+")...)
	leader := s.leader()
	s.put(leader, "k", "1")
	if got := s.get(s.host("h3"), "k"); got != "1" {
		t.Errorf("the learner reads %q", got)
	}
	for _, h := range s.others(leader) {
		h.dead = h.name != "h3"
	}
	n := s.propose(leader, "k", "2")
	s.run(time.Second)
	if a, ok := s.answers[n]; ok && a.Reason == "" {
		t.Error("a learner's disk was counted")
	}
	for _, h := range s.hosts {
		h.dead = false
	}
	leader = s.leader()
	if a := s.change(leader, seats("h1", "h2", "h3")); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	s.until("it votes", func() bool { return s.are(s.leader()) == "h1 voter, h2 voter, h3 voter" })
	if a := s.change(s.leader(), seats("h1", "h2", "h3?")); a.Reason != replica.ReasonKind {
		t.Errorf("it is to become a witness in place: %+v", a)
	}
	if a := s.change(s.leader(), seats("h1", "h2+", "h3")); a.Reason != "" {
		t.Fatalf("%+v", a)
	}
	s.until("h2 is a learner", func() bool {
		return s.are(s.leader()) == "h1 voter, h2 learner, h3 voter" && !s.status(s.leader()).Joint
	})
}

// A host whose journal rots is no member any more, says so, and is one again, as
// another, without anybody's hand. So is one that gets a new disk.
func TestLostMemoryIsRefilled(t *testing.T) {
	for name, lose := range map[string]func(h *actor){
		"rot":        func(h *actor) { h.segments[0].Data[4096+20] ^= 1 },
		"a new disk": func(h *actor) { h.segments = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 1, "h1", "h2", "h3")
			s.create()
			leader := s.leader()
			for i := range 20 {
				s.put(leader, "k", fmt.Sprint(i))
			}
			s.run(200 * time.Millisecond) // the mark makes the last batch provable
			h := s.others(leader)[0]
			was := s.status(h).Member
			lose(h)
			s.carries = func(from, to *actor, _ []byte) bool { return from != leader && to != leader }
			s.start(h)
			s.run(3 * time.Second)
			for _, x := range s.others(leader) {
				if s.status(x).Leads {
					t.Fatalf("%s leads by the vote of one that lost its memory", x.name)
				}
			}
			s.carries = nil
			s.until("it is a member again", func() bool {
				l := s.leader()
				return len(s.status(l).Members) == 3 && !strings.Contains(s.are(l), "to be") && !s.status(l).Joint && s.status(h).Applied >= s.status(l).Applied
			})
			if now := s.status(h).Member; now <= was {
				t.Errorf("it was member %d and is member %d", was, now)
			}
			if !s.noted(replica.ReasonRefill) {
				t.Error("nobody is told")
			}
			if got := s.get(h, "k"); got != "19" {
				t.Errorf("it reads %q", got)
			}
			// It counts again: with it, two of three are a majority.
			for _, x := range s.others(h) {
				if x != s.leader() {
					x.dead = true
					break
				}
			}
			s.put(h, "k", "20")
		})
	}
}
