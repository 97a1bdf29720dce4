package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// A Segment is one of the journal's, as found.
type Segment struct {
	Number uint64
	Data   []byte
}

// A Group is what the journal remembers of one: its Base, and what came after.
type Group struct {
	Base               Base
	Term, Vote, Commit uint64
	Entries            []Entry // from Base.Index+1 on
	Segment            uint64  // where the base stands
}

// Recovered is what the journal holds.
type Recovered struct {
	Groups map[string]*Group
	Tail   Tail
	First  uint64 // the oldest segment of this generation
	Torn   int64  // bytes of the batch that was being written, damaged
	Cuts   []Cut  // to be carried out, and flushed, before anything is written

	// Rot says where something that was acknowledged is damaged, and is empty when
	// nothing is. Groups are then as they were before that place, good for knowing
	// who they were with, and for nothing else.
	Rot string
}

// A Cut shortens a segment, so that what is torn does not look like rot once
// something whole stands behind it.
type Cut struct {
	Segment uint64
	Size    int64
}

// batch is one that was found whole.
type batch struct {
	header
	segment uint64
	offset  int64
	size    int64
	records []byte
}

// Recover reads a journal. It never fails: what cannot be read is Torn or Rot.
// What it returns shares the segments' memory.
func Recover(segments []Segment) *Recovered {
	segments = slices.Clone(segments)
	slices.SortFunc(segments, func(a, b Segment) int { return cmp.Compare(a.Number, b.Number) })
	found := &Recovered{Groups: map[string]*Group{}}
	var batches []batch
	var damage []place
	for _, s := range segments {
		batches, damage = scan(s, batches, damage)
	}
	begin := genesis(batches)
	if begin < 0 {
		if len(damage) > 0 {
			found.Rot = fmt.Sprintf("no batch of the journal is whole; the first damage is at %s", damage[0])
		}
		if n := len(segments); n > 0 {
			found.Tail.Segment = segments[n-1].Number
		}
		return found
	}
	own := batches[begin:]
	found.Tail.Generation, found.First = own[0].generation, own[0].segment
	own = slices.DeleteFunc(slices.Clone(own), func(b batch) bool { return b.generation != found.Tail.Generation })
	found.replay(own, damage, begin > 0)
	last := segments[len(segments)-1]
	if found.Rot != "" {
		// Whoever goes on does so in a new generation behind everything.
		found.Tail = Tail{Segment: last.Number}
		return found
	}
	end := own[len(own)-1]
	found.Tail.Segment, found.Tail.Offset, found.Tail.Seq = end.segment, end.offset+end.size, end.seq
	for _, d := range damage {
		if !d.behind(end) {
			continue
		}
		found.Torn += Page
		cut := Cut{Segment: d.segment}
		if d.segment == end.segment {
			cut.Size = found.Tail.Offset
		}
		if !slices.Contains(found.Cuts, cut) {
			found.Cuts = append(found.Cuts, cut)
		}
	}
	if len(found.Cuts) > 0 || last.Number > end.segment {
		// The next batch begins a new segment, behind any that was created and not
		// used.
		found.Tail.Segment, found.Tail.Offset = last.Number, 0
		return found
	}
	found.Tail.Size = int64(len(last.Data)) / Page * Page
	return found
}

// place is a page that is neither zeros nor part of a whole batch.
type place struct {
	segment uint64
	offset  int64
}

func (p place) String() string { return fmt.Sprintf("segment %d, byte %d", p.segment, p.offset) }

// behind reports whether the place is after a batch.
func (p place) behind(b batch) bool {
	return p.segment > b.segment || p.segment == b.segment && p.offset >= b.offset
}

// scan finds the whole batches of a segment and its damaged pages.
func scan(s Segment, batches []batch, damage []place) ([]batch, []place) {
	for at := 0; at < len(s.Data); {
		rest := s.Data[at:]
		page := rest[:min(Page, len(rest))]
		if h, ok := parseHeader(rest); ok {
			size := padded(int(h.length))
			if size <= len(rest) && size <= BatchSizeMax {
				records := rest[headerSize : headerSize+int(h.length)]
				if crc32.Checksum(records, castagnoli) == h.sum {
					batches = append(batches, batch{h, s.Number, int64(at), int64(size), records})
					at += size
					continue
				}
			}
			damage = append(damage, place{s.Number, int64(at)})
		} else if !zeros(page) {
			damage = append(damage, place{s.Number, int64(at)})
		}
		at += Page
	}
	return batches, damage
}

var zeroPage [Page]byte

func zeros(page []byte) bool { return bytes.Equal(page, zeroPage[:len(page)]) }

// genesis returns where the newest generation begins: at its first batch, or, when
// that was freed long ago, at the first batch there is. It returns -1 when there
// is none.
func genesis(batches []batch) int {
	for i := len(batches) - 1; i >= 0; i-- {
		if batches[i].flags&flagGenesis != 0 {
			return i
		}
	}
	if len(batches) == 0 {
		return -1
	}
	return 0
}

// replay carries out the records of whole batches in order, up to the first that
// is missing. Damage before the first batch is of an older generation when there
// was one, and rot otherwise.
func (f *Recovered) replay(own []batch, damage []place, older bool) {
	end := own[len(own)-1]
	seq := own[0].seq
	for _, d := range damage {
		before := !d.behind(own[0])
		if !d.behind(end) && !(before && (older || own[0].flags&flagGenesis != 0)) {
			f.Rot = fmt.Sprintf("%s is damaged, and batch %d behind it is whole", d, end.seq)
			break
		}
	}
	orphans := map[string]bool{}
	for _, b := range own {
		if b.seq != seq {
			f.Rot = fmt.Sprintf("batch %d is missing before segment %d, byte %d", seq, b.segment, b.offset)
			return
		}
		seq++
		records, err := Parse(b.records)
		if err != nil {
			f.Rot = fmt.Sprintf("batch %d in segment %d, byte %d: %v", b.seq, b.segment, b.offset, err)
			return
		}
		for _, r := range records {
			if why := f.apply(r, b.segment, orphans); why != "" {
				f.Rot = fmt.Sprintf("batch %d in segment %d, byte %d: %s", b.seq, b.segment, b.offset, why)
				return
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(orphans)) {
		f.Rot = fmt.Sprintf("the base of group %s is missing", name)
		return
	}
}

// apply carries out one record. It returns why that cannot be, as a record
// that follows from none before it does.
func (f *Recovered) apply(r Record, segment uint64, orphans map[string]bool) string {
	switch r := r.(type) {
	case Base:
		delete(orphans, r.Group)
		f.Groups[r.Group] = &Group{Base: r, Term: r.Term, Vote: r.Vote, Commit: r.Commit, Segment: segment}
	case Vote:
		g := f.Groups[r.Group]
		if g == nil {
			orphans[r.Group] = true
			break
		}
		if r.Term < g.Term {
			return fmt.Sprintf("group %s goes from term %d back to %d", r.Group, g.Term, r.Term)
		}
		g.Term, g.Vote, g.Commit = r.Term, r.Vote, r.Commit
	case Entries:
		g := f.Groups[r.Group]
		if g == nil {
			orphans[r.Group] = true
			break
		}
		if r.First <= g.Base.Index || r.First > g.Base.Index+uint64(len(g.Entries))+1 {
			return fmt.Sprintf("group %s has entries up to %d and is given %d", r.Group, g.Base.Index+uint64(len(g.Entries)), r.First)
		}
		g.Entries = append(g.Entries[:r.First-g.Base.Index-1], r.Entries...)
	case Gone:
		delete(orphans, r.Group)
		delete(f.Groups, r.Group)
	}
	return ""
}
