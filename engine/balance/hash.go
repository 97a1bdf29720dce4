package balance

import (
	"encoding/binary"
	"net/netip"

	"github.com/holdfast-edge/holdfast/engine/maglev"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// HashSource hashes a client's address for sch. An IPv4 address and the same
// one mapped into IPv6 are the same client.
func HashSource(a netip.Addr) uint64 {
	b := a.Unmap().As16()
	return maglev.Mix(binary.BigEndian.Uint64(b[:8]) ^ maglev.Mix(binary.BigEndian.Uint64(b[8:])))
}

// HashQUIC hashes the destination connection ID of a QUIC datagram (RFC 8999
// section 5). It reports false for what is no QUIC packet or has no connection
// ID; such a datagram is placed by its source.
func HashQUIC(datagram []byte, s spec.Scheduler) (uint64, bool) {
	const short = 8
	if len(datagram) < 1 {
		return 0, false
	}
	var cid []byte
	if datagram[0]&0x80 != 0 { // long header: flags, version, length, ID
		if len(datagram) < 6 {
			return 0, false
		}
		n := int(datagram[5])
		if n == 0 || len(datagram) < 6+n {
			return 0, false
		}
		cid = datagram[6 : 6+n]
		// The server chooses the ID that short headers carry, and the client uses
		// its first eight bytes from then on.
		cid = cid[:min(n, short)]
	} else {
		if len(datagram) < 1+short {
			return 0, false
		}
		cid = datagram[1 : 1+short]
	}
	if s == spec.IQCH {
		if len(cid) < 4 {
			return 0, false
		}
		cid = cid[1:4]
	}
	var h uint64
	for _, b := range cid {
		h = h<<8 | uint64(b)
	}
	return maglev.Mix(h ^ uint64(len(cid))<<56), true
}
