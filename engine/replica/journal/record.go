package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/wire"
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
		b = wire.AppendText(append(b, kindBase), r.Group)
		b = wire.AppendBool(b, r.Lost)
		for _, n := range []uint64{r.Member, r.Term, r.Vote, r.Commit, r.Index, r.EntryTerm} {
			b = binary.AppendUvarint(b, n)
		}
		b = wire.AppendText(b, r.Conf)
		b = wire.AppendText(b, r.Data)
	case Vote:
		b = wire.AppendText(append(b, kindVote), r.Group)
		for _, n := range []uint64{r.Term, r.Vote, r.Commit} {
			b = binary.AppendUvarint(b, n)
		}
	case Entries:
		b = wire.AppendText(append(b, kindEntries), r.Group)
		b = binary.AppendUvarint(b, r.First)
		b = binary.AppendUvarint(b, uint64(len(r.Entries)))
		for _, e := range r.Entries {
			b = binary.AppendUvarint(b, e.Term)
			b = append(b, e.Kind)
			b = wire.AppendText(b, e.Data)
		}
	case Gone:
		b = wire.AppendText(append(b, kindGone), r.Group)
	}
	return b
}

// errRecord is the root of every refusal of a record.
var errRecord = errors.New("journal: a record is not as Append writes them")

// Parse decodes the records of a batch. What it returns shares b's memory.
func Parse(b []byte) ([]Record, error) {
	var all []Record
	r := reader{wire.NewReader(b)}
	for len(r.Left()) > 0 && r.Err() == nil {
		var rec Record
		switch kind := r.Byte(); kind {
		case kindBase:
			base := Base{Group: r.group(), Lost: r.Bool(), Member: r.Number(), Term: r.Number(), Vote: r.Number(), Commit: r.Number()}
			base.Index, base.EntryTerm, base.Conf, base.Data = r.Number(), r.Number(), r.Bytes(), r.Bytes()
			rec = base
		case kindVote:
			rec = Vote{Group: r.group(), Term: r.Number(), Vote: r.Number(), Commit: r.Number()}
		case kindEntries:
			list := Entries{Group: r.group(), First: r.Number()}
			count := r.Number()
			if count == 0 || count > EntriesMax || list.First == 0 || list.First+count < list.First {
				return nil, fmt.Errorf("%w: %d entries from %d on", errRecord, count, list.First)
			}
			for range count {
				if r.Err() != nil {
					break
				}
				list.Entries = append(list.Entries, Entry{Term: r.Number(), Kind: r.Byte(), Data: r.Bytes()})
			}
			rec = list
		case kindGone:
			rec = Gone{Group: r.group()}
		default:
			return nil, fmt.Errorf("%w: kind %d", errRecord, kind)
		}
		all = append(all, rec)
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, r.Err())
	}
	return all, nil
}

// reader takes a record's fields off the front of bytes.
type reader struct{ wire.Reader }

func (r *reader) group() string {
	name := r.Bytes()
	if len(name) == 0 || len(name) > GroupLengthMax {
		if r.Err() == nil {
			r.Fail(fmt.Sprintf("a group's name has %d bytes", len(name)))
		}
		return ""
	}
	return string(name)
}
