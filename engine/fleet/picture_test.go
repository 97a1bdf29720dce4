package fleet_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// TestPicturesComeHoweverOftenHostsReport: hosts whose every report tells of a
// change, as while somebody asks without a pause, are no reason to show nothing.
// A picture waits once for what led to a change, and no longer.
func TestPicturesComeHoweverOftenHostsReport(t *testing.T) {
	const patience = fleet.PictureEvery + 10*time.Millisecond
	for _, every := range []time.Duration{time.Millisecond, 9 * time.Millisecond, 60 * time.Millisecond} {
		w := newWorld(t, story)
		w.run(5 * time.Second)
		w.report("h1", true)
		for last := w.picture; w.picture == last; {
			w.run(time.Millisecond)
		}
		seen, last := w.now, w.picture
		for end := w.now.Add(2 * time.Second); w.now < end; {
			w.run(every)
			w.report("h1", true)
			if w.picture != last {
				if gap := w.now.Sub(seen); gap < fleet.PictureEvery-every {
					t.Errorf("reports every %s: two pictures are %s apart", every, gap)
				}
				seen, last = w.now, w.picture
			}
			if gap := w.now.Sub(seen); gap > patience+every {
				t.Fatalf("reports every %s: no picture for %s", every, gap)
			}
		}
	}
}
