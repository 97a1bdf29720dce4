package replica_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// BenchmarkPut is what one put of 256 bytes costs three hosts together, without
// network and disks: the agreement, its frames and its journal.
func BenchmarkPut(b *testing.B) {
	for _, batch := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d at once", batch), func(b *testing.B) {
			s := newStage(b, 1, "h1", "h2", "h3")
			s.create()
			leader := s.leader()
			value := string(make([]byte, 256))
			// One batch at a time is in flight: what comes meanwhile shares the next.
			var held []letter
			s.writes = func(h *actor, w replica.Write) replica.Event {
				held = append(held, letter{h, replica.Wrote{Op: w.Op}})
				return nil
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				n := s.propose(leader, fmt.Sprint("k", i%100), value)
				if i%batch != batch-1 {
					continue
				}
				for _, done := s.answers[n]; !done; _, done = s.answers[n] {
					all := held
					held = nil
					for _, l := range all {
						s.step(l.to, l.ev)
					}
				}
				clear(s.answers)
			}
		})
	}
}

// BenchmarkIdle is what a host spends on one second of a hundred idle groups.
func BenchmarkIdle(b *testing.B) {
	s := newStage(b, 1, "h1", "h2", "h3")
	for i := range 100 {
		for _, h := range s.hosts {
			s.next++
			s.step(h, replica.Create{Request: s.next, Group: replica.GroupID(fmt.Sprint("g", i)), Seats: seats("h1", "h2", "h3")})
		}
	}
	s.run(2e9)
	b.ReportAllocs()
	for b.Loop() {
		s.run(1e9)
	}
}
