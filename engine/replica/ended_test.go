package replica_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// When all who are left know that the leader's process ended, they need not wait
// for its silence.
func TestEndedLeaderIsReplacedAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		s := newStage(t, seed, "h1", "h2", "h3")
		s.create()
		leader := s.leader()
		s.put(leader, "k", "1")
		s.run(time.Duration(seed) * 3 * time.Millisecond)
		leader.dead = true
		others := s.others(leader)
		for _, h := range others {
			s.step(h, replica.Ended{Host: leader.name})
		}
		// Both may stand in the same moment; then they draw again, from the whole
		// silence. Here time is exact, so they do not.
		s.run(replica.Near.Heartbeat)
		if !s.status(others[0]).Leads && !s.status(others[1]).Leads {
			t.Errorf("seed %d: nobody leads after %s", seed, replica.Near.Heartbeat)
		}
	}
}

// A leader that lives is not deposed because one host believes that it ended.
func TestRumourOfOneHostChangesNothing(t *testing.T) {
	s := newStage(t, 1, "h1", "h2", "h3")
	s.create()
	leader := s.leader()
	s.put(leader, "k", "1")
	term := s.status(leader).Term
	for range 10 {
		s.step(s.others(leader)[0], replica.Ended{Host: leader.name})
		s.run(100 * time.Millisecond)
	}
	if st := s.status(leader); !st.Leads || st.Term != term {
		t.Errorf("the leader of term %d is now %+v", term, st)
	}
	s.put(s.others(leader)[0], "k", "2")
}
