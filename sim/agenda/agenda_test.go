package agenda_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/sim/agenda"
)

// TestInOrder: what is asked for comes by its time, and at one time in the order
// in which it was asked for.
func TestInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type thing struct {
			at instant.Instant
			n  int
		}
		var q agenda.Queue
		var asked, came []thing
		for n, at := range rapid.SliceOf(rapid.IntRange(0, 5)).Draw(t, "at") {
			x := thing{instant.Instant(at), n}
			asked = append(asked, x)
			q.Add(x.at, func() { came = append(came, x) })
		}
		for range asked {
			at := q.Next()
			e := q.Take()
			if e.At != at {
				t.Fatalf("the next was at %d, and %d came", at, e.At)
			}
			e.Do()
		}
		if q.Next() != instant.Never {
			t.Fatalf("something is left at %d", q.Next())
		}
		slices.SortStableFunc(asked, func(a, b thing) int { return int(a.at - b.at) })
		if !slices.Equal(asked, came) {
			t.Fatalf("asked for %v, came %v", asked, came)
		}
	})
}
