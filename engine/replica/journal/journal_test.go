package journal_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

const smallSegment = 8 * journal.Page

// disk is segments in memory, and what the journal said in them.
type disk struct {
	tail     journal.Tail
	segments []journal.Segment
	writes   []journal.Write
}

func newDisk(generation uint64) *disk { return &disk{tail: journal.Tail{Generation: generation}} }

func (d *disk) write(records ...journal.Record) {
	var b []byte
	for _, r := range records {
		b = journal.Append(b, r)
	}
	w := d.tail.Place(b, smallSegment)
	d.writes = append(d.writes, w)
	d.put(w, len(w.Data)/journal.Page, nil)
}

// put writes the pages of w that persist says, or all of them.
func (d *disk) put(w journal.Write, pages int, persist func(page int) bool) {
	if w.Size > 0 {
		d.segments = append(d.segments, journal.Segment{Number: w.Segment, Data: make([]byte, w.Size)})
	}
	for i := range d.segments {
		if d.segments[i].Number != w.Segment {
			continue
		}
		for p := range pages {
			if persist == nil || persist(p) {
				copy(d.segments[i].Data[int(w.Offset)+p*journal.Page:], w.Data[p*journal.Page:(p+1)*journal.Page])
			}
		}
	}
}

func (d *disk) cut(cuts []journal.Cut) {
	for _, c := range cuts {
		for i := range d.segments {
			if d.segments[i].Number == c.Segment {
				d.segments[i].Data = d.segments[i].Data[:c.Size]
			}
		}
	}
}

func (d *disk) copy() *disk {
	c := *d
	c.segments = nil
	for _, s := range d.segments {
		c.segments = append(c.segments, journal.Segment{Number: s.Number, Data: bytes.Clone(s.Data)})
	}
	return &c
}

func base(group string, member uint64) journal.Base {
	return journal.Base{Group: group, Member: member, Term: 1, Index: 1, EntryTerm: 1, Conf: []byte("c"), Data: []byte("d")}
}

func entries(group string, first uint64, size int, terms ...uint64) journal.Entries {
	e := journal.Entries{Group: group, First: first}
	for i, term := range terms {
		e.Entries = append(e.Entries, journal.Entry{Term: term, Data: bytes.Repeat([]byte{byte(first) + byte(i)}, size)})
	}
	return e
}

func TestWhatWasWrittenIsThere(t *testing.T) {
	d := newDisk(7)
	d.write(base("fleet", 2), base("site", 3))
	d.write(entries("fleet", 2, 10, 1, 1, 1), journal.Vote{Group: "fleet", Term: 4, Vote: 1, Commit: 2})
	d.write(entries("fleet", 3, 10, 4)) // the tail of term 1 is void
	d.write(journal.Gone{Group: "site"})
	got := journal.Recover(d.segments)
	if got.Rot != "" || got.Torn != 0 || len(got.Groups) != 1 {
		t.Fatalf("recovered %+v", got)
	}
	g := got.Groups["fleet"]
	if g.Term != 4 || g.Vote != 1 || g.Commit != 2 || g.Base.Member != 2 || len(g.Entries) != 2 || g.Entries[1].Term != 4 || g.Entries[0].Term != 1 {
		t.Errorf("group %+v", g)
	}
	if got.Tail != d.tail {
		t.Errorf("the tail is %+v, was written to %+v", got.Tail, d.tail)
	}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(records(), 1, 5).Draw(t, "records")
		var b []byte
		for _, r := range want {
			b = journal.Append(b, r)
		}
		got, err := journal.Parse(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
	})
}

func records() *rapid.Generator[journal.Record] {
	name := rapid.StringMatching(`[a-z/]{1,12}`)
	n := rapid.Uint64()
	data := rapid.Custom(func(t *rapid.T) []byte {
		if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data"); len(b) > 0 {
			return b
		}
		return nil
	})
	return rapid.Custom(func(t *rapid.T) journal.Record {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return journal.Base{
				Group: name.Draw(t, "g"), Member: n.Draw(t, "m"), Lost: rapid.Bool().Draw(t, "l"), Term: n.Draw(t, "t"), Vote: n.Draw(t, "v"),
				Commit: n.Draw(t, "c"), Index: n.Draw(t, "i"), EntryTerm: n.Draw(t, "et"), Conf: data.Draw(t, "conf"), Data: data.Draw(t, "data"),
			}
		case 1:
			return journal.Vote{Group: name.Draw(t, "g"), Term: n.Draw(t, "t"), Vote: n.Draw(t, "v"), Commit: n.Draw(t, "c")}
		case 2:
			e := journal.Entries{Group: name.Draw(t, "g"), First: rapid.Uint64Range(1, 1<<60).Draw(t, "f")}
			for range rapid.IntRange(1, 4).Draw(t, "n") {
				e.Entries = append(e.Entries, journal.Entry{Term: n.Draw(t, "t"), Kind: rapid.Byte().Draw(t, "k"), Data: data.Draw(t, "d")})
			}
			return e
		}
		return journal.Gone{Group: name.Draw(t, "g")}
	})
}

// filled writes some batches, a few of several pages and over several segments.
func filled(t *rapid.T) *disk {
	d := newDisk(rapid.Uint64Min(1).Draw(t, "generation"))
	d.write(base("a", 1))
	next := uint64(2)
	for range rapid.IntRange(1, 12).Draw(t, "batches") {
		size := rapid.SampledFrom([]int{1, 100, 5000, 20000}).Draw(t, "size")
		d.write(entries("a", next, size, 1))
		next++
	}
	return d
}

// Whatever pages of the last batch reach the disk before the power goes, what
// was durable before is there, and the batch is there whole or not at all.
func TestTornBatchIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := filled(t)
		want := journal.Recover(d.segments)
		tail := d.tail
		b := journal.Append(nil, entries("a", uint64(len(want.Groups["a"].Entries))+2, rapid.IntRange(1, 30000).Draw(t, "last"), 1))
		w := d.tail.Place(b, smallSegment)
		all := true
		d.put(w, len(w.Data)/journal.Page, func(page int) bool {
			persists := rapid.Bool().Draw(t, "persists")
			all = all && persists
			return persists
		})
		got := journal.Recover(d.segments)
		if got.Rot != "" {
			t.Fatalf("a torn batch is taken for rot: %s", got.Rot)
		}
		n := len(want.Groups["a"].Entries)
		if all {
			n++
		}
		if len(got.Groups["a"].Entries) != n || got.Tail.Seq != tail.Seq+uint64(n-len(want.Groups["a"].Entries)) {
			t.Fatalf("%d entries, want %d; tail %+v", len(got.Groups["a"].Entries), n, got.Tail)
		}
		// Life goes on, and the remains of the torn batch are no rot later.
		d.cut(got.Cuts)
		d.tail = got.Tail
		d.write(entries("a", uint64(n)+2, 10, 1))
		again := journal.Recover(d.segments)
		if again.Rot != "" || len(again.Groups["a"].Entries) != n+1 {
			t.Fatalf("afterwards: rot %q, %d entries, want %d", again.Rot, len(again.Groups["a"].Entries), n+1)
		}
	})
}

// A byte that changes in what has something whole behind it is found, wherever
// it is; in padding and in what was never written it means nothing.
func TestRotIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := filled(t)
		w := rapid.SampledFrom(d.writes).Draw(t, "batch")
		d.write() // the mark
		want := journal.Recover(d.segments)
		at := rapid.IntRange(0, len(w.Data)-1).Draw(t, "byte")
		flip := byte(1) << rapid.IntRange(0, 7).Draw(t, "bit")
		for _, s := range d.segments {
			if s.Number == w.Segment {
				s.Data[int(w.Offset)+at] ^= flip
			}
		}
		got := journal.Recover(d.segments)
		if got.Rot == "" && (!reflect.DeepEqual(got.Groups, want.Groups) || got.Tail != want.Tail || got.Torn != 0) {
			t.Fatalf("a changed byte %d of %+v goes unnoticed and matters", at, w.Segment)
		}
		if got.Rot == "" && at < 40 {
			t.Fatalf("a changed header byte %d goes unnoticed", at)
		}
	})
}

// A batch that the disk said was durable and that is not there is rot too, and so
// is a whole segment.
func TestLostWritesAreFound(t *testing.T) {
	d := newDisk(9)
	d.write(base("a", 1))
	for i := range uint64(20) {
		d.write(entries("a", i+2, 3000, 1))
	}
	for i, w := range d.writes[1 : len(d.writes)-1] {
		c := d.copy()
		for _, s := range c.segments {
			if s.Number == w.Segment {
				clear(s.Data[w.Offset : w.Offset+int64(len(w.Data))])
			}
		}
		if got := journal.Recover(c.segments); got.Rot == "" {
			t.Errorf("lost batch %d goes unnoticed", i+2)
		}
	}
	if len(d.segments) < 3 {
		t.Fatalf("%d segments are too few for this test", len(d.segments))
	}
	for i := range d.segments[:len(d.segments)-1] {
		c := d.copy()
		c.segments = append(c.segments[:i], c.segments[i+1:]...)
		if got := journal.Recover(c.segments); got.Rot == "" {
			t.Errorf("lost segment %d goes unnoticed", i+1)
		}
	}
}

// Segments before the newest base of every group can be freed.
func TestFreedSegmentsAreNotMissed(t *testing.T) {
	d := newDisk(9)
	d.write(base("a", 1), base("b", 1))
	for i := range uint64(20) {
		d.write(entries("a", i+2, 3000, 1))
	}
	later := base("a", 1)
	later.Index = 21
	d.write(later)
	oldest := d.tail.Segment
	d.write(base("b", 1), entries("a", 22, 10, 1))
	for len(d.segments) > 0 && d.segments[0].Number < oldest {
		d.segments = d.segments[1:]
		if len(d.segments) == 0 {
			t.Fatal("everything is freed")
		}
	}
	got := journal.Recover(d.segments)
	if got.Rot != "" || len(got.Groups) != 2 || got.Groups["a"].Base.Index != 21 || len(got.Groups["a"].Entries) != 1 || got.First != oldest {
		t.Fatalf("recovered %+v", got)
	}
	// Without a's base the entries are orphans, and that is rot.
	c := d.copy()
	for len(c.segments) > 1 {
		c.segments = c.segments[1:]
	}
	c.tail = journal.Tail{Generation: 3}
	c.segments = nil
	c.write(entries("a", 5, 10, 1))
	if got := journal.Recover(c.segments); !strings.Contains(got.Rot, "base of group a") {
		t.Errorf("rot %q", got.Rot)
	}
}

// After rot a new generation begins, and what is before it does not count, even
// while it is still there.
func TestNewGenerationVoidsTheOld(t *testing.T) {
	d := newDisk(9)
	d.write(base("a", 1))
	d.write(entries("a", 2, 10, 1))
	d.write()
	d.segments[0].Data[journal.Page+50] ^= 1
	got := journal.Recover(d.segments)
	if got.Rot == "" || got.Groups["a"] == nil {
		t.Fatalf("recovered %+v", got)
	}
	d.tail = got.Tail
	d.tail.Generation = 10
	torn := d.copy()
	lost := base("a", 1)
	lost.Lost = true
	d.write(lost)
	again := journal.Recover(d.segments)
	if again.Rot != "" || !again.Groups["a"].Base.Lost || again.Tail.Generation != 10 {
		t.Fatalf("recovered %+v", again)
	}
	// When its first batch is torn, the rot is still known.
	w := torn.tail.Place(journal.Append(nil, lost), smallSegment)
	torn.put(w, 0, nil)
	if got := journal.Recover(torn.segments); got.Rot == "" {
		t.Error("the rot is forgotten")
	}
}

func TestEmptyJournal(t *testing.T) {
	if got := journal.Recover(nil); got.Rot != "" || len(got.Groups) != 0 || got.Tail != (journal.Tail{}) {
		t.Errorf("recovered %+v", got)
	}
	// A segment that was created and not written to.
	if got := journal.Recover([]journal.Segment{{Number: 4, Data: make([]byte, smallSegment)}}); got.Rot != "" || got.Tail.Segment != 4 {
		t.Errorf("recovered %+v", got)
	}
	if got := journal.Recover([]journal.Segment{{Number: 4, Data: []byte("garbage")}}); got.Rot == "" {
		t.Error("garbage is no journal, and nobody says so")
	}
}

func TestBatchLargerThanASegment(t *testing.T) {
	d := newDisk(9)
	big := base("a", 1)
	big.Data = bytes.Repeat([]byte{1}, 3*smallSegment)
	d.write(base("b", 1))
	d.write(big)
	d.write(base("c", 1))
	got := journal.Recover(d.segments)
	if got.Rot != "" || len(got.Groups) != 3 || len(got.Groups["a"].Base.Data) != 3*smallSegment {
		t.Fatalf("rot %q, groups %d", got.Rot, len(got.Groups))
	}
}

// Records that follow from nothing before them are rot, however whole they are.
func TestImpossibleRecordsAreRot(t *testing.T) {
	for name, records := range map[string][]journal.Record{
		"a gap":         {base("a", 1), entries("a", 5, 1, 1)},
		"below a base":  {base("a", 1), entries("a", 1, 1, 1)},
		"a term undone": {base("a", 1), journal.Vote{Group: "a", Term: 5}, journal.Vote{Group: "a", Term: 4}},
	} {
		d := newDisk(9)
		d.write(records...)
		if got := journal.Recover(d.segments); got.Rot == "" {
			t.Errorf("%s: no rot", name)
		}
	}
}

func FuzzRecover(f *testing.F) {
	d := newDisk(9)
	d.write(base("a", 1))
	d.write(entries("a", 2, 10, 1, 1), journal.Vote{Group: "a", Term: 2, Vote: 2})
	f.Add(d.segments[0].Data[:3*journal.Page])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		half := len(b) / 2
		got := journal.Recover([]journal.Segment{{Number: 2, Data: b[half:]}, {Number: 1, Data: b[:half]}})
		if got.Rot == "" && len(got.Groups) == 0 && got.Tail.Seq == 0 && bytes.ContainsFunc(b, func(r rune) bool { return r != 0 }) && half > 0 {
			t.Error("bytes that are no journal are taken for an empty one")
		}
	})
}

// What Parse takes, Append writes so that Parse takes it for the same.
func FuzzParse(f *testing.F) {
	f.Add(journal.Append(journal.Append(nil, base("a", 1)), entries("a", 2, 3, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := journal.Parse(b)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			again = journal.Append(again, r)
		}
		second, err := journal.Parse(again)
		if err != nil || fmt.Sprint(second) != fmt.Sprint(records) {
			t.Errorf("%v: %v is read as %v", err, records, second)
		}
	})
}
