package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// helloMax bounds a ClientHello; browsers send less than 2 KiB, post-quantum
// keys included.
const helloMax = 16 << 10

// errNotTLS means that a connection does not begin with a ClientHello.
var errNotTLS = errors.New("stream: the connection does not begin with a TLS ClientHello")

// route reads the ClientHello and returns it, with the pool for its name.
func (s *Server) route(c net.Conn, set *front.Settings) (hello []byte, pool string, err error) {
	if err := c.SetReadDeadline(time.Now().Add(helloWait)); err != nil {
		return nil, "", err
	}
	hello, name, err := readHello(c)
	if err != nil {
		return nil, "", err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, "", err
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, r := range set.Spec.SNI {
		want := strings.ToLower(r.Name)
		if name == want {
			return hello, r.Pool, nil
		}
		if suffix, ok := strings.CutPrefix(want, "*."); ok {
			if _, rest, ok := strings.Cut(name, "."); ok && rest == suffix {
				return hello, r.Pool, nil
			}
		}
	}
	return hello, set.Spec.Pool, nil
}

// readHello reads TLS records until they hold a whole ClientHello (RFC 8446
// sections 4.1.2 and 5.1), and returns them with the name it asks for.
func readHello(r io.Reader) (records []byte, name string, err error) {
	var message []byte
	for {
		at := len(records)
		records = append(records, make([]byte, 5)...)
		if _, err := io.ReadFull(r, records[at:]); err != nil {
			return nil, "", err
		}
		head := records[at:]
		n := int(binary.BigEndian.Uint16(head[3:]))
		if head[0] != 22 || head[1] != 3 || n == 0 || len(message)+n > helloMax {
			return nil, "", errNotTLS
		}
		at = len(records)
		records = append(records, make([]byte, n)...)
		if _, err := io.ReadFull(r, records[at:]); err != nil {
			return nil, "", err
		}
		message = append(message, records[at:]...)
		if message[0] != 1 {
			return nil, "", errNotTLS
		}
		if len(message) < 4 {
			continue
		}
		size := int(message[1])<<16 | int(message[2])<<8 | int(message[3])
		if size > helloMax {
			return nil, "", errNotTLS
		}
		if len(message) >= 4+size {
			name, err := serverName(message[4 : 4+size])
			return records, name, err
		}
	}
}

// serverName finds the name in a ClientHello's body (RFC 6066 section 3); empty
// without one.
func serverName(b []byte) (string, error) {
	p := parser{b: b}
	p.skip(2 + 32)     // version, random
	p.skip(p.uint8())  // session
	p.skip(p.uint16()) // cipher suites
	p.skip(p.uint8())  // compression
	if p.bad || len(p.b) == 0 {
		if p.bad {
			return "", errNotTLS
		}
		return "", nil
	}
	extensions := parser{b: p.take(p.uint16())}
	if p.bad {
		return "", errNotTLS
	}
	for len(extensions.b) > 0 && !extensions.bad {
		kind := extensions.uint16()
		body := extensions.take(extensions.uint16())
		if kind != 0 {
			continue
		}
		list := parser{b: body}
		names := parser{b: list.take(list.uint16())}
		for len(names.b) > 0 && !names.bad && !list.bad {
			kind := names.uint8()
			name := names.take(names.uint16())
			if kind == 0 && !names.bad {
				return string(name), nil
			}
		}
	}
	if extensions.bad {
		return "", errNotTLS
	}
	return "", nil
}

// parser takes pieces off a message and remembers when it ran short.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) take(n int) []byte {
	if p.bad || n > len(p.b) {
		p.bad = true
		return nil
	}
	out := p.b[:n]
	p.b = p.b[n:]
	return out
}

func (p *parser) skip(n int) { p.take(n) }

func (p *parser) uint8() int {
	if b := p.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (p *parser) uint16() int {
	if b := p.take(2); b != nil {
		return int(b[0])<<8 | int(b[1])
	}
	return 0
}
