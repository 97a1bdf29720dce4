package report

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// Version of the whole protocol is in its ALPN name: holdfast-host/1. Within it
// fields and kinds are added, and who does not know them skips them.

// The kinds of message. They are on the wire: never renumber.
const (
	kindHello    = 1
	kindWelcome  = 2
	kindPing     = 3
	kindPong     = 4
	kindReport   = 5
	kindTold     = 6
	kindOrder    = 7
	kindEvents   = 8
	kindShare    = 9
	kindRefused  = 10
	kindLinks    = 11
	kindReplicas = 12
)

// Bounds of what is read, each with its reason.
const (
	// FrameMax is more than the largest message: the report of a host that serves
	// itemsMax backends, each with sentences of the longest.
	FrameMax = 32 << 20
	// itemsMax bounds the backends, listeners and readings of one report. A spec has
	// at most 20,000 lines.
	itemsMax = 1 << 15
	// nameMax bounds names, and words that are chosen from a list.
	nameMax = 64
	// sentenceMax bounds reasons and warnings of a report, textMax what an event
	// says and by whom: what people type is cut to 500 bytes before. What is longer is cut
	// by who sends it.
	sentenceMax = 200
	textMax     = 2 << 10
	// specMax bounds a spec's text, as api.SpecSizeMax does.
	specMax = 2 << 20
	// commandMax bounds a command: the weights of all backends of a spec.
	commandMax = 4 << 20
	// notesMax is how many notes one Told holds: two of each backend and more.
	// What is above is left out.
	notesMax = 1 << 12
	// EventsMax is how many events one Events holds: with the longest sentences an
	// eighth of a frame. A ring has 4,096.
	EventsMax = 512
	// KeySizeMax and ValueSizeMax bound a Share. The largest is what operators have
	// set, a line for each backend.
	KeySizeMax   = 64
	ValueSizeMax = 4 << 20
)

// Encoder writes the messages of one line, in one direction. A report is written
// as what differs from the one before it.
type Encoder struct {
	last            host.Status
	members, groups string // as they were written
}

// Append appends a message in its frame: its length, its kind, its fields.
func (e *Encoder) Append(b []byte, m Message) []byte {
	// The length is four bytes long, so that a large report is not moved for it.
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	switch m := m.(type) {
	case Hello:
		b = m.append(append(b, kindHello))
	case Welcome:
		b = m.append(append(b, kindWelcome))
	case Ping:
		b = m.append(append(b, kindPing))
	case Pong:
		b = m.append(append(b, kindPong))
	case Report:
		b = appendReport(append(b, kindReport), &e.last, &m.Report)
		e.last = m.Status
	case Links:
		b = append(b, kindLinks)
		b = unlessSame(appendMembers(b, &m.Status), start+HeadSize+1, &e.members)
	case Replicas:
		b = append(b, kindReplicas)
		b = unlessSame(appendGroups(b, &m.Status), start+HeadSize+1, &e.groups)
	case Told:
		b = m.append(append(b, kindTold))
	case Order:
		b = m.append(append(b, kindOrder))
	case Events:
		b = m.append(append(b, kindEvents))
	case Share:
		b = m.append(append(b, kindShare))
	case Refused:
		b = m.append(append(b, kindRefused))
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-HeadSize))
	return b
}

// HeadSize is the size of a frame's length.
const HeadSize = 4

// Size returns the length of the frame whose first HeadSize bytes are head.
func Size(head []byte) (int, error) {
	n := binary.LittleEndian.Uint32(head)
	if n == 0 || n > FrameMax {
		return 0, fmt.Errorf("report: a message of %d bytes; at most %d are sent", n, FrameMax)
	}
	return int(n), nil
}

// ErrUnknown is the answer to a message of a kind that this version does not know.
var ErrUnknown = errors.New("report: a message of a kind that is not known")

// Decoder reads the messages of one line.
type Decoder struct {
	last    host.Status
	members member.Status
	groups  replica.Status
}

// Read reads what is in a frame, behind its length. Instants of the host are made
// ours by clock, at now; nil leaves them.
func (d *Decoder) Read(b []byte, clock *Clock, now instant.Instant) (Message, error) {
	if len(b) == 0 {
		return nil, errors.New("report: a message of nothing")
	}
	f := wire.NewFields(b[1:])
	var m Message
	switch b[0] {
	case kindHello:
		m = readHello(&f)
	case kindWelcome:
		m = readWelcome(&f)
	case kindPing:
		m = readPing(&f)
	case kindPong:
		m = readPong(&f)
	case kindReport:
		r := reader{clock: clock, now: now}
		m = d.readReport(&f, &r)
	case kindLinks:
		m = d.readMembers(&f)
	case kindReplicas:
		m = d.readGroups(&f)
	case kindTold:
		r := reader{clock: clock, now: now}
		m = r.told(&f)
	case kindOrder:
		m = readOrder(&f)
	case kindEvents:
		m = readEvents(&f)
	case kindShare:
		m = readShare(&f)
	case kindRefused:
		m = readRefused(&f)
	default:
		return nil, ErrUnknown
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("report: a message of kind %d: %w", b[0], err)
	}
	return m, nil
}

// reader makes instants of a host ours.
type reader struct {
	clock *Clock
	now   instant.Instant // ours
	// at and ourAt are of what is read: what is not after it is past.
	at, ourAt instant.Instant
}

// ours makes an instant that is read ours. What is past on the host is past here,
// and what is to come is to come.
func (r *reader) ours(n uint64, f *wire.Fields) instant.Instant {
	at := instantOf(n, f)
	if r.clock == nil || at == instant.Never {
		return at
	}
	if at <= r.at {
		return min(r.clock.Ours(at), r.ourAt)
	}
	return max(r.clock.Ours(at), r.ourAt)
}

// begin takes the instant at which what is read was so.
func (r *reader) begin(n uint64, f *wire.Fields) {
	r.at = instantOf(n, f)
	r.ourAt = r.at
	if r.clock != nil && r.at != instant.Never {
		r.ourAt = min(r.clock.Ours(r.at), r.now)
	}
}

// numberOf writes an instant: Never as 0, and others as one more than they are.
func numberOf(at instant.Instant) uint64 {
	if at == instant.Never || at < 0 {
		return 0
	}
	return uint64(at) + 1
}

func instantOf(n uint64, f *wire.Fields) instant.Instant {
	if n == 0 {
		return instant.Never
	}
	if n > uint64(instant.Never) {
		f.Fail("an instant is out of range")
		return instant.Never
	}
	return instant.Instant(n - 1)
}

// cut cuts a text to what the other end reads.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 { // not inside a letter
		limit--
	}
	return s[:limit]
}
