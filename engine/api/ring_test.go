package api_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"pgregory.net/rapid"
)

// filled is a ring that n events went through.
func filled(n api.Seq) *api.Ring {
	r := &api.Ring{}
	for q := api.Seq(1); q <= n; q++ {
		r.Add(api.Event{Seq: q})
	}
	return r
}

func TestRingSince(t *testing.T) {
	const ring = api.EventRing
	for _, x := range []struct {
		about        string
		added        api.Seq
		from, last   api.Seq
		most         int
		first, count api.Seq // the oldest and how many
		missed       uint64
	}{
		{"empty", 0, 0, 0, ring, 0, 0, 0},
		{"all of a few", 3, 0, 3, ring, 1, 3, 0},
		{"the newest two", 5, 0, 5, 2, 4, 2, 3},
		{"none are wanted", 5, 0, 5, 0, 0, 0, 5},
		{"a negative number is wanted", 5, 0, 5, -1, 0, 0, 0},
		{"from the newest", 5, 5, 5, ring, 0, 0, 0},
		{"up to an older one", 5, 1, 3, ring, 2, 2, 0},
		{"up to one that is not there yet", 5, 3, 9, ring, 4, 2, 0},
		{"from another life", 5, 9, 5, ring, 1, 5, 0},
		{"exactly full", ring, 0, ring, ring, 1, ring, 0},
		{"one overwritten", ring + 1, 0, ring + 1, ring, 2, ring, 1},
		{"the reader has the overwritten one", ring + 1, 1, ring + 1, ring, 2, ring, 0},
		{"three times round", 3 * ring, 7, 3 * ring, ring, 2*ring + 1, ring, 2*ring - 7},
		{"all asked for are overwritten", 3 * ring, 7, 10, ring, 0, 0, 3},
		{"some asked for are overwritten", 2 * ring, 7, ring + 2, ring, ring + 1, 2, ring - 7},
	} {
		events, missed := filled(x.added).Since(x.from, x.last, x.most)
		if events == nil || api.Seq(len(events)) != x.count || missed != x.missed || len(events) > 0 && events[0].Seq != x.first {
			t.Errorf("%s: %d events and %d missed (nil: %t), want %d from %d and %d missed", x.about, len(events), missed, events == nil, x.count, x.first, x.missed)
		}
	}
}

// Whatever is asked, the events are those that stand in the interval, without a
// gap and up to its end, and each one of it is either returned or missed.
func TestRingSinceProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		around := func(label string, top int) api.Seq { return api.Seq(rapid.IntRange(0, top).Draw(t, label)) }
		added := around("added", 3*api.EventRing)
		r := filled(added)
		from, last := around("from", int(added)+9), around("last", int(added)+9)
		most := rapid.SampledFrom([]int{0, 1, 7, api.EventRing, 2 * api.EventRing}).Draw(t, "most")
		events, missed := r.Since(from, last, most)
		if r.Last() != added {
			t.Fatalf("the newest is %d of %d", r.Last(), added)
		}
		if from > added {
			from = 0
		}
		if r.Known(from) != from {
			t.Fatalf("%d of %d is not known", from, added)
		}
		last = max(min(last, added), from)
		if uint64(len(events))+missed != uint64(last-from) {
			t.Fatalf("%d events and %d missed of %d", len(events), missed, last-from)
		}
		kept := max(last, max(added, api.EventRing)-api.EventRing) - max(from, max(added, api.EventRing)-api.EventRing)
		if len(events) != min(int(kept), most) {
			t.Fatalf("%d events; %d of the interval are kept, %d were wanted", len(events), kept, most)
		}
		for i, e := range events {
			if want := last - api.Seq(len(events)-1-i); e.Seq != want {
				t.Fatalf("event %d stands where %d should", e.Seq, want)
			}
		}
	})
}

// A ring that goes on where another ended says how many it never had.
func TestRingGoesOn(t *testing.T) {
	var r api.Ring
	for q := api.Seq(500); q <= 510; q++ {
		r.Add(api.Event{Seq: q})
	}
	events, missed := r.Since(0, r.Last(), api.EventRing)
	if len(events) != 11 || events[0].Seq != 500 || missed != 499 {
		t.Errorf("from the beginning: %d events from %d, %d missed", len(events), events[0].Seq, missed)
	}
	events, missed = r.Since(505, r.Last(), api.EventRing)
	if len(events) != 5 || events[0].Seq != 506 || missed != 0 {
		t.Errorf("from 505: %d events from %d, %d missed", len(events), events[0].Seq, missed)
	}
	if events, missed = r.Since(0, 400, api.EventRing); len(events) != 0 || missed != 0 {
		t.Errorf("up to 400: %d events, %d missed", len(events), missed)
	}
}
