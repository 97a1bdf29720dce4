package replica_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// FuzzHeard lets a host hear what another, whose certificate is good, might send:
// frames as they are sent, cut and changed. Nothing panics; what is nonsense is
// dropped; a group may stop at worst, and says so.
func FuzzHeard(f *testing.F) {
	frames := [][]byte{}
	s := newStage(f, 1, "h1", "h2", "h3")
	s.carries = func(_, to *actor, frame []byte) bool {
		if to.name == "h2" {
			frames = append(frames, frame)
		}
		return true
	}
	s.create()
	s.put(s.leader(), "k", "v")
	for i, frame := range frames {
		if i%3 == 0 {
			f.Add(frame, uint16(10), byte(1))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, at uint16, flip byte) {
		s := newStage(t, 1, "h1", "h2", "h3")
		s.create()
		if len(frame) > 0 {
			frame = append([]byte(nil), frame...)
			frame[int(at)%len(frame)] ^= flip
		}
		h := s.host("h2")
		for _, from := range []string{"h1", "h3", "stranger", "h2"} {
			var out replica.Effects
			h.groups.Step(s.now, replica.Heard{From: from, Frame: frame}, &out)
			for _, w := range out.Writes {
				h.groups.Step(s.now, replica.Wrote{Op: w.Op}, &out)
			}
		}
		var out replica.Effects
		h.groups.Step(s.now.Add(time.Second), replica.Wake{}, &out)
		_ = h.groups.Status()
	})
}
