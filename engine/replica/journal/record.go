package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The kinds of record. They are on disks: never renumber, never reuse.
const (
	kindBase    = 1
	kindVote    = 2
	kindEntries = 3
	kindGone    = 4
)

// GroupLengthMax is the longest name of a group in bytes: kind, a slash and a
// name (id.NameLengthMax), with room.
const GroupLengthMax = 128

// EntriesMax is how many entries one record may hold. A raft append holds far
// fewer; the bound is for what a damaged length could ask for.
const EntriesMax = 1 << 20

// Record is something that a replica must not forget.
//
//sumtype:decl
type Record interface{ record() }

// A Base is everything of one group at one index, and voids what the journal says
// of the group before it.
type Base struct {
	Group  string
	Member uint64 // as whom this host takes part
	Lost   bool   // the member's memory is lost: it must never vote again

	Term, Vote uint64
	Commit     uint64

	Index, EntryTerm uint64 // of the last entry that Data holds; 0: none yet
	Conf             []byte // raft's configuration at Index
	Data             []byte // the state at Index
}

// A Vote is a group's term, whom it voted for in it, and how far it knows to be
// committed.
type Vote struct {
	Group              string
	Term, Vote, Commit uint64
}

// Entries are a stretch of a group's entries. Whatever the group had from First
// on is void.
type Entries struct {
	Group   string
	First   uint64
	Entries []Entry
}

// An Entry is one of a group.
type Entry struct {
	Term uint64
	Kind uint8
	Data []byte
}

// Gone says that the host has left a group.
type Gone struct{ Group string }

func (Base) record()    {}
func (Vote) record()    {}
func (Entries) record() {}
func (Gone) record()    {}

// Append encodes a record behind b.
func Append(b []byte, r Record) []byte {
	switch r := r.(type) {
	case Base:
		b = appendText(append(b, kindBase), r.Group)
		lost := byte(0)
		if r.Lost {
			lost = 1
		}
		b = append(b, lost)
		for _, n := range []uint64{r.Member, r.Term, r.Vote, r.Commit, r.Index, r.EntryTerm} {
			b = binary.AppendUvarint(b, n)
		}
		b = appendBytes(b, r.Conf)
		b = appendBytes(b, r.Data)
	case Vote:
		b = appendText(append(b, kindVote), r.Group)
		for _, n := range []uint64{r.Term, r.Vote, r.Commit} {
			b = binary.AppendUvarint(b, n)
		}
	case Entries:
		b = appendText(append(b, kindEntries), r.Group)
		b = binary.AppendUvarint(b, r.First)
		b = binary.AppendUvarint(b, uint64(len(r.Entries)))
		for _, e := range r.Entries {
			b = binary.AppendUvarint(b, e.Term)
			b = append(b, e.Kind)
			b = appendBytes(b, e.Data)
		}
	case Gone:
		b = appendText(append(b, kindGone), r.Group)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// errRecord is the root of every refusal of a record.
var errRecord = errors.New("journal: a record is not as Append writes them")

// Parse decodes the records of a batch. What it returns shares b's memory.
func Parse(b []byte) ([]Record, error) {
	var all []Record
	r := reader{b: b}
	for len(r.b) > 0 && r.err == nil {
		var rec Record
		switch kind := r.byte(); kind {
		case kindBase:
			base := Base{Group: r.group(), Lost: r.byte() == 1, Member: r.number(), Term: r.number(), Vote: r.number(), Commit: r.number()}
			base.Index, base.EntryTerm, base.Conf, base.Data = r.number(), r.number(), r.bytes(), r.bytes()
			rec = base
		case kindVote:
			rec = Vote{Group: r.group(), Term: r.number(), Vote: r.number(), Commit: r.number()}
		case kindEntries:
			list := Entries{Group: r.group(), First: r.number()}
			count := r.number()
			if count == 0 || count > EntriesMax || list.First == 0 || list.First+count < list.First {
				return nil, fmt.Errorf("%w: %d entries from %d on", errRecord, count, list.First)
			}
			for range count {
				if r.err != nil {
					break
				}
				list.Entries = append(list.Entries, Entry{Term: r.number(), Kind: r.byte(), Data: r.bytes()})
			}
			rec = list
		case kindGone:
			rec = Gone{Group: r.group()}
		default:
			return nil, fmt.Errorf("%w: kind %d", errRecord, kind)
		}
		all = append(all, rec)
	}
	if r.err != nil {
		return nil, r.err
	}
	return all, nil
}

// reader takes fields off the front of b; after an error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) { r.err, r.b = fmt.Errorf("%w: %s", errRecord, what), nil }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("it ends early")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) number() uint64 {
	n, length := binary.Uvarint(r.b)
	if length <= 0 {
		r.fail("a number has no end")
		return 0
	}
	r.b = r.b[length:]
	return n
}

// bytes returns nil for none, so that what is read equals what was written.
func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail("it is shorter than it says")
		return nil
	}
	if n == 0 {
		return nil
	}
	data := r.b[:n:n]
	r.b = r.b[n:]
	return data
}

func (r *reader) group() string {
	name := r.bytes()
	if len(name) == 0 || len(name) > GroupLengthMax {
		if r.err == nil {
			r.fail(fmt.Sprintf("a group's name has %d bytes", len(name)))
		}
		return ""
	}
	return string(name)
}
