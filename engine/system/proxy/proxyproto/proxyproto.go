// Package proxyproto reads and writes the PROXY protocol, versions 1 and 2
// (haproxy, "The PROXY protocol", 2020/03/05): who the client is, said before
// the first byte of a connection.
package proxyproto

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Header is who connected to whom.
type Header struct {
	Source, Destination netip.AddrPort
	// Local is a connection of the sender itself (v2 LOCAL, v1 UNKNOWN): its own
	// addresses count.
	Local bool
}

// ErrMissing means that the connection does not begin with a header.
var ErrMissing = errors.New("proxyproto: the connection does not begin with a PROXY header")

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

const (
	v1Max = 107  // section 2.1, with CRLF
	v2Max = 4096 // of addresses and TLVs; the spec allows 65535, senders use less than 536
)

// Read reads a header and nothing behind it. v1 and v2 say which versions are
// accepted.
func Read(r *bufio.Reader, v1, v2 bool) (Header, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Header{}, err
	}
	switch {
	case first[0] == 'P' && v1:
		return readV1(r)
	case first[0] == '\r' && v2:
		return readV2(r)
	}
	return Header{}, ErrMissing
}

func readV1(r *bufio.Reader) (Header, error) {
	var line []byte
	for len(line) < v1Max {
		b, err := r.ReadByte()
		if err != nil {
			return Header{}, err
		}
		line = append(line, b)
		if b == '\n' {
			break
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return Header{}, ErrMissing
	}
	f := strings.Split(text, " ")
	if f[0] != "PROXY" || len(f) < 2 {
		return Header{}, ErrMissing
	}
	if f[1] == "UNKNOWN" {
		return Header{Local: true}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return Header{}, fmt.Errorf("proxyproto: bad version 1 header %.60q", text)
	}
	source, err1 := addrPort(f[2], f[4], f[1] == "TCP4")
	destination, err2 := addrPort(f[3], f[5], f[1] == "TCP4")
	if err := errors.Join(err1, err2); err != nil {
		return Header{}, fmt.Errorf("proxyproto: bad version 1 header %.60q: %w", text, err)
	}
	return Header{Source: source, Destination: destination}, nil
}

func addrPort(addr, port string, four bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if a.Is4() != four || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%s is of the other family", a)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("bad port %q", port)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func readV2(r *bufio.Reader) (Header, error) {
	var fixed [16]byte
	for i := range fixed {
		b, err := r.ReadByte()
		if err != nil {
			return Header{}, err
		}
		if fixed[i] = b; i < len(signature) && b != signature[i] {
			return Header{}, ErrMissing
		}
	}
	n := int(binary.BigEndian.Uint16(fixed[14:]))
	if fixed[12]>>4 != 2 || n > v2Max {
		return Header{}, fmt.Errorf("proxyproto: bad version 2 header: version %d, %d bytes", fixed[12]>>4, n)
	}
	body := make([]byte, n)
	for i := range body {
		b, err := r.ReadByte()
		if err != nil {
			return Header{}, err
		}
		body[i] = b
	}
	switch fixed[12] & 0xf {
	case 0: // LOCAL
		return Header{Local: true}, nil
	case 1: // PROXY
	default:
		return Header{}, fmt.Errorf("proxyproto: unknown command %d", fixed[12]&0xf)
	}
	size := 0
	switch fixed[13] >> 4 {
	case 1:
		size = 4
	case 2:
		size = 16
	default: // UNSPEC, UNIX: nothing that could be used
		return Header{Local: true}, nil
	}
	if len(body) < 2*size+4 {
		return Header{}, fmt.Errorf("proxyproto: a version 2 header of %d bytes is too short for its addresses", len(body))
	}
	source, _ := netip.AddrFromSlice(body[:size])
	destination, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	return Header{
		Source:      netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports)),
		Destination: netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:])),
	}, nil
}

// AppendV1 appends a version 1 header.
func AppendV1(b []byte, h Header) []byte {
	s, d := unmap(h.Source), unmap(h.Destination)
	if h.Local || !s.IsValid() || !d.IsValid() || s.Addr().Is4() != d.Addr().Is4() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP6"
	if s.Addr().Is4() {
		family = "TCP4"
	}
	return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", family, s.Addr(), d.Addr(), s.Port(), d.Port())
}

// AppendV2 appends a version 2 header for a stream.
func AppendV2(b []byte, h Header) []byte {
	s, d := unmap(h.Source), unmap(h.Destination)
	b = append(b, signature...)
	if h.Local || !s.IsValid() || !d.IsValid() || s.Addr().Is4() != d.Addr().Is4() {
		return append(b, 0x20, 0, 0, 0)
	}
	family, size := byte(0x21), 36
	if s.Addr().Is4() {
		family, size = 0x11, 12
	}
	b = append(b, 0x21, family)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, s.Addr().AsSlice()...)
	b = append(b, d.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, s.Port())
	return binary.BigEndian.AppendUint16(b, d.Port())
}

func unmap(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
