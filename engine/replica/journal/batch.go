package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// Page is what a batch begins on and is padded to.
const Page = 4096

// SegmentSize is how long a segment is unless one batch needs more. At 16 MiB
// preallocating one takes some milliseconds, and four of them are read in well
// under a second at a start.
const SegmentSize = 16 << 20

// BatchSizeMax is the longest batch, header and padding included: a base of a
// large group and some entries. What claims to be longer is damage.
const BatchSizeMax = 256 << 20

const (
	magic      = 0x484a4c31 // HJL1
	headerSize = 40
)

// Flags of a batch.
const (
	flagGenesis = 1 // the first of its generation: nothing before it counts
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a batch begins with:
//
//	 0 magic      4
//	 4 flags      4
//	 8 generation 8
//	16 sequence   8
//	24 length     4  of the records, without padding
//	28 sum        4  of the records
//	32 reserved   4
//	36 sum        4  of the bytes before it
type header struct {
	flags           uint32
	generation, seq uint64
	length, sum     uint32
}

func (h header) append(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, h.flags)
	b = binary.LittleEndian.AppendUint64(b, h.generation)
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	b = binary.LittleEndian.AppendUint32(b, h.length)
	b = binary.LittleEndian.AppendUint32(b, h.sum)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

// parseHeader returns the header that b begins with, and whether there is one.
func parseHeader(b []byte) (header, bool) {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != magic ||
		binary.LittleEndian.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli) {
		return header{}, false
	}
	return header{
		flags:      binary.LittleEndian.Uint32(b[4:]),
		generation: binary.LittleEndian.Uint64(b[8:]),
		seq:        binary.LittleEndian.Uint64(b[16:]),
		length:     binary.LittleEndian.Uint32(b[24:]),
		sum:        binary.LittleEndian.Uint32(b[28:]),
	}, true
}

// padded is the length of a batch with so many bytes of records.
func padded(length int) int { return (headerSize + length + Page - 1) / Page * Page }

// A Tail is where the journal is written next. The zero Tail with a Generation
// begins a new journal in segment 1.
type Tail struct {
	Generation uint64 // random, and never one that was used before
	Segment    uint64 // the segment written last; 0: none
	Offset     int64  // the end of its last batch
	Size       int64  // how long it is
	Seq        uint64 // of the last batch
}

// A Write is one batch in its place.
type Write struct {
	Segment uint64
	Offset  int64
	Size    int64 // of the segment, when it must be created first; 0: it exists
	Data    []byte
}

// Place frames records as the next batch and moves the tail behind it. A batch
// that does not fit begins a new segment, whose size is segmentSize or what the
// batch needs.
func (t *Tail) Place(records []byte, segmentSize int64) Write {
	size := int64(padded(len(records)))
	h := header{generation: t.Generation, seq: t.Seq + 1, length: uint32(len(records)), sum: crc32.Checksum(records, castagnoli)}
	if h.seq == 1 {
		h.flags = flagGenesis
	}
	w := Write{Data: make([]byte, 0, size)}
	if t.Seq == 0 || t.Segment == 0 || t.Offset+size > t.Size {
		t.Segment, t.Offset, t.Size = t.Segment+1, 0, max(segmentSize, size)
		w.Size = t.Size
	}
	t.Seq++
	w.Segment, w.Offset = t.Segment, t.Offset
	w.Data = append(h.append(w.Data), records...)
	w.Data = w.Data[:size] // the padding is zeros: the memory is new
	t.Offset += size
	return w
}
