package gossip

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/member"
)

// A packet is
//
//	mark     2  "HB"
//	version  1
//	key      4  name of the key
//	to life  8  of the host it is for, as its sender knows it; 0: not at all
//	number   8  grows with every packet to that host in the sender's life
//	report   -  member's codec
//	mac     16  HMAC-SHA256 over all before it and the name of the host it is for
const (
	packetVersion = 1
	headSize      = 2 + 1 + keyNameSize + 8 + 8
	macSize       = 16
	packetMax     = headSize + member.ReportSizeMax + macSize
)

// Why a packet goes no further.
var (
	errNoPacket = errors.New("gossip: it is no heartbeat of this version")
	errKey      = errors.New("gossip: it is sealed with a key that is not of this fleet")
	errStale    = errors.New("gossip: it is for another life of this host")
	errReplay   = errors.New("gossip: it was heard before")
)

// sealKey is a key made ready. The sums keep their schedule of the key, which costs
// as much as a packet does.
type sealKey struct {
	name [keyNameSize]byte
	sums *sync.Pool // of *summer
}

type summer struct {
	hash.Hash
	to  []byte
	out [sha256.Size]byte
}

func ready(r Keyring) []sealKey {
	all := make([]sealKey, len(r.keys))
	for i, k := range r.keys {
		secret := k.derive("holdfast heartbeat", 32)
		all[i] = sealKey{[keyNameSize]byte(k.name()), &sync.Pool{New: func() any { return &summer{Hash: hmac.New(sha256.New, secret)} }}}
	}
	return all
}

func (k *sealKey) sum(b []byte, to string) (mac [macSize]byte) {
	s := k.sums.Get().(*summer)
	s.Reset()
	s.to = append(s.to[:0], to...)
	s.Write(b)
	s.Write(s.to)
	copy(mac[:], s.Sum(s.out[:0]))
	k.sums.Put(s)
	return mac
}

// seal appends a packet.
func (k *sealKey) seal(b []byte, to string, toLife, number uint64, r member.Report) []byte {
	begin := len(b)
	b = append(b, 'H', 'B', packetVersion)
	b = append(b, k.name[:]...)
	b = binary.BigEndian.AppendUint64(b, toLife)
	b = binary.BigEndian.AppendUint64(b, number)
	b = r.Append(b)
	mac := k.sum(b[begin:], to)
	return append(b, mac[:]...)
}

// packet is one that was sealed with a key of the ring.
type packet struct {
	toLife, number uint64
	report         member.Report
}

// open reads a packet that is for a host. Nothing of it is read before its seal
// is found good.
func open(keys []sealKey, b []byte, to string) (packet, error) {
	if len(b) < headSize+macSize || len(b) > packetMax || b[0] != 'H' || b[1] != 'B' || b[2] != packetVersion {
		return packet{}, errNoPacket
	}
	body, mac := b[:len(b)-macSize], b[len(b)-macSize:]
	good := false
	for i := range keys {
		if keys[i].name == [keyNameSize]byte(b[3:]) {
			sum := keys[i].sum(body, to)
			good = hmac.Equal(sum[:], mac)
			break
		}
	}
	if !good {
		return packet{}, errKey
	}
	p := packet{toLife: binary.BigEndian.Uint64(b[7:]), number: binary.BigEndian.Uint64(b[15:])}
	var err error
	p.report, err = member.ParseReport(body[headSize:])
	return p, err
}

// windowSize is how far packets may overtake each other.
const windowSize = 64

// window says which numbers of a sender's life were heard.
type window struct {
	life uint64
	top  uint64
	seen uint64 // bit i: top-i was heard
}

// fresh reports whether a number was not heard before, and remembers it.
func (w *window) fresh(life, number uint64) bool {
	switch {
	case number == 0 || life < w.life:
		return false
	case life > w.life:
		*w = window{life: life}
	}
	if number > w.top {
		if shift := number - w.top; shift < windowSize {
			w.seen <<= shift
		} else {
			w.seen = 0
		}
		w.seen |= 1
		w.top = number
		return true
	}
	back := w.top - number
	if back >= windowSize || w.seen&(1<<back) != 0 {
		return false
	}
	w.seen |= 1 << back
	return true
}
