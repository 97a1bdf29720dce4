package replicas

import (
	"bytes"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// disk is a host's journal as it would be found after a power cut.
type disk struct {
	segments []journal.Segment // by number
	flight   *replica.Write    // being written: some pages of it may be there
	last     replica.Write     // the last one that is durable
	full     bool
	slow     bool
	fails    bool // the next write
	busy     instant.Instant
}

func (d *disk) segment(number uint64) *journal.Segment {
	for i := range d.segments {
		if d.segments[i].Number == number {
			return &d.segments[i]
		}
	}
	return nil
}

// put writes the pages of w that persists says.
func (d *disk) put(w replica.Write, persists func(page int) bool) {
	s := d.segment(w.Segment)
	if s == nil {
		d.segments = append(d.segments, journal.Segment{Number: w.Segment, Data: make([]byte, max(w.Size, w.Offset+int64(len(w.Data))))})
		slices.SortFunc(d.segments, func(a, b journal.Segment) int { return int(a.Number) - int(b.Number) })
		s = d.segment(w.Segment)
	}
	if end := int(w.Offset) + len(w.Data); end > len(s.Data) {
		s.Data = append(s.Data, make([]byte, end-len(s.Data))...)
	}
	for p := range len(w.Data) / journal.Page {
		if persists(p) {
			copy(s.Data[int(w.Offset)+p*journal.Page:], w.Data[p*journal.Page:(p+1)*journal.Page])
		}
	}
}

// sink makes the write in flight durable.
func (d *disk) sink(w replica.Write) {
	d.put(w, func(int) bool { return true })
	d.flight, d.last = nil, w
}

// cut is what a power cut leaves of the write in flight: nothing, all, or any
// pages of it.
func (d *disk) cut(w *World) {
	f := d.flight
	d.flight = nil
	if f == nil || w.plant.early {
		return
	}
	switch w.rand.IntN(4) {
	case 0:
	case 1:
		d.put(*f, func(int) bool { return false }) // the file is there, and empty
	case 2:
		d.sink(*f)
	default:
		d.put(*f, func(int) bool { return w.rand.IntN(2) == 0 })
	}
}

// free removes the segments below one.
func (d *disk) free(below uint64) {
	d.segments = slices.DeleteFunc(d.segments, func(s journal.Segment) bool { return s.Number < below })
}

// carry out what Recover asked for.
func (d *disk) shorten(cuts []journal.Cut) {
	for _, c := range cuts {
		if s := d.segment(c.Segment); s != nil {
			s.Data = s.Data[:c.Size]
		}
	}
}

// rot flips a bit of a page that is written and not of the last batch, whose damage
// nobody can tell from a torn write. It reports whether there was such a page.
func (d *disk) rot(w *World) bool {
	type place struct{ segment, page int }
	var all []place
	for i, s := range d.segments {
		for p := range len(s.Data) / journal.Page {
			at := int64(p * journal.Page)
			if s.Number > d.last.Segment || s.Number == d.last.Segment && at >= d.last.Offset {
				continue
			}
			if len(bytes.Trim(s.Data[at:at+64], "\x00")) > 0 {
				all = append(all, place{i, p})
			}
		}
	}
	if len(all) == 0 {
		return false
	}
	x := all[w.rand.IntN(len(all))]
	d.segments[x.segment].Data[x.page*journal.Page+w.rand.IntN(40)] ^= 1 << w.rand.IntN(8)
	return true
}
