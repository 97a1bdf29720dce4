package replica

import (
	"encoding/binary"

	"github.com/holdfast-edge/holdfast/engine/replica/journal"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// frameVersion is the first byte of a frame. A frame is the generation of the
// sender's journal and packets, each for one group.
const frameVersion = 1

// The kinds of packet. They travel between versions: never renumber.
const (
	packetRaft  = 1 // a message of raft
	packetHello = 2 // say which generation your journal is; group and members are empty
	packetHere  = 3 // the answer, which is in the frame
	packetLost  = 4 // the sender has no memory of being member From
	packetGone  = 5 // member To was removed
	packetWho   = 6 // member From does not know member To; who is that?
	packetIs    = 7 // the answer: member From is on the host in the body
)

// packet is one message of a frame.
type packet struct {
	kind     byte
	group    GroupID
	from, to uint64 // members
	// invite is the generation that a learner was added for: the host may begin
	// as that member if this is its journal still. Zero: it may not begin.
	invite  uint64
	witness bool // begin as a witness
	bulk    bool // a snapshot; not sent
	body    []byte
}

func (p packet) append(b []byte) []byte {
	b = wire.AppendText(append(b, p.kind), string(p.group))
	b = binary.AppendUvarint(b, p.from)
	b = binary.AppendUvarint(b, p.to)
	b = binary.AppendUvarint(b, p.invite)
	b = wire.AppendBool(b, p.witness)
	return wire.AppendText(b, p.body)
}

// frames are what a step sends, by host, in the order in which hosts were first
// written to.
type frames struct {
	generation uint64
	hosts      []string
	open       map[string][]byte
	closed     []Send
}

// add puts a packet into its host's frame. A large snapshot goes in one of its own,
// so that the heartbeats of the same step need not wait for it.
func (f *frames) add(host string, p packet) {
	if p.bulk && len(p.body) >= bulkSize {
		b := binary.AppendUvarint([]byte{frameVersion}, f.generation)
		f.closed = append(f.closed, Send{To: host, Frame: p.append(b), Bulk: true})
		return
	}
	b, ok := f.open[host]
	if !ok {
		f.hosts = append(f.hosts, host)
	}
	if len(b) == 0 {
		b = binary.AppendUvarint([]byte{frameVersion}, f.generation)
	}
	b = p.append(b)
	if len(b) >= frameAim {
		f.closed = append(f.closed, Send{To: host, Frame: b})
		b = nil
	}
	if f.open == nil {
		f.open = map[string][]byte{}
	}
	f.open[host] = b
}

// flush moves what was added to out, or drops it.
func (f *frames) flush(out *Effects, send bool) {
	if send {
		out.Sends = append(out.Sends, f.closed...)
		for _, host := range f.hosts {
			if b := f.open[host]; len(b) > 0 {
				out.Sends = append(out.Sends, Send{To: host, Frame: b})
			}
		}
	}
	f.hosts, f.closed = f.hosts[:0], f.closed[:0]
	clear(f.open)
}

// parseFrame returns the sender's generation and the packets.
func parseFrame(b []byte) (generation uint64, packets []packet, err error) {
	if len(b) > FrameSizeMax {
		return 0, nil, errCodec
	}
	r := fieldsOf(b)
	if r.Byte() != frameVersion {
		r.Fail("a frame of another version")
	}
	generation = r.Number()
	for len(r.Left()) > 0 {
		p := packet{kind: r.Byte(), group: GroupID(r.Text(journal.GroupLengthMax)), from: r.Number(), to: r.Number(), invite: r.Number(), witness: r.Bool(), body: r.Bytes()}
		packets = append(packets, p)
	}
	return generation, packets, r.refusal()
}
