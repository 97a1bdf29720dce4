package traffic

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
	"github.com/holdfast-edge/holdfast/engine/system/service"
)

// Bounds on an answer: a broken server must not fill this process.
const (
	headMax = 64 << 10
	bodyMax = 64 << 20
)

// settleFor is how long a connection to somebody else's TCP service must stay
// open to count as accepted: a balancer accepts first and finds out afterwards
// that it has no backend.
const settleFor = 20 * time.Millisecond

// user is what all requests of one Use share.
type user struct {
	use    Use
	dialer net.Dialer
	tls    *tls.Config
	heads  map[string][2]string // by address: the request that closes, the request that keeps
}

func newUser(u Use) *user {
	w := &user{use: u, dialer: net.Dialer{KeepAlive: -1}, heads: map[string][2]string{}}
	if u.TLS {
		w.tls = &tls.Config{
			// Whose certificate a listener shows is for probes to judge; what is
			// measured here is whether it serves.
			InsecureSkipVerify: true,
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"},
			// A handshake with a certificate each millisecond would cost more than a
			// core. Resumed ones still are a connection and a key exchange each.
			ClientSessionCache: tls.NewLRUClientSessionCache(len(u.Addresses)),
		}
	}
	for _, a := range u.Addresses {
		head := "GET " + u.Path + " HTTP/1.1\r\nHost: " + a + "\r\nUser-Agent: holdfast-clients\r\nAccept: */*\r\n"
		w.heads[a] = [2]string{head + "Connection: close\r\n\r\n", head + "\r\n"}
	}
	return w
}

// session is one connection to a listener.
type session struct {
	user    *user
	address string
	conn    net.Conn // nil: none
	raw     net.Conn // conn without TLS
	stop    func() bool
	bounded io.LimitedReader
	reader  *bufio.Reader
	in, out int64  // bytes of the newest exchange, towards the fleet and back
	server  string // that answered last
	buf     []byte
	uses    int       // requests carried
	idle    time.Time // since when it is not used
}

// Read counts what comes from the fleet.
func (s *session) Read(b []byte) (int, error) {
	n, err := s.conn.Read(b)
	s.out += int64(n)
	return n, err
}

func (s *session) write(b string) error {
	n, err := io.WriteString(s.conn, b)
	s.in += int64(n)
	return err
}

// open connects. Every wait of the session ends at deadline.
func (s *session) open(ctx context.Context, address string, deadline time.Time) error {
	s.address, s.server, s.uses = address, "", 0
	network := "tcp"
	if s.user.use.Protocol == spec.UDP {
		network = "udp"
	}
	dialer := s.user.dialer
	dialer.Deadline = deadline
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	s.conn, s.raw = c, c
	s.stop = context.AfterFunc(ctx, func() { _ = c.Close() })
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if network == "tcp" {
		if err := s.present(c); err != nil {
			return err
		}
		if s.user.tls != nil {
			t := tls.Client(c, s.user.tls)
			if err := t.HandshakeContext(ctx); err != nil {
				return err
			}
			s.conn = t
		}
	}
	s.bounded.R = s
	if s.reader == nil {
		s.reader = bufio.NewReaderSize(&s.bounded, 4096)
	} else {
		s.reader.Reset(&s.bounded)
	}
	return nil
}

// present sends the PROXY header that the listener wants.
func (s *session) present(c net.Conn) error {
	h := proxyproto.Header{}
	h.Source, _ = netip.ParseAddrPort(c.LocalAddr().String())
	h.Destination, _ = netip.ParseAddrPort(c.RemoteAddr().String())
	var b []byte
	switch s.user.use.Proxy {
	case spec.ProxyV1:
		b = proxyproto.AppendV1(nil, h)
	case spec.ProxyV2, spec.ProxyAny:
		b = proxyproto.AppendV2(nil, h)
	case spec.ProxyOff, "":
		return nil
	}
	_, err := c.Write(b)
	return err
}

// close ends the connection with a reset. The answer was read whole, so nothing
// is lost, and this end keeps no TIME_WAIT: a drill's thousand connections a
// second would use up the ports of an address within half a minute.
func (s *session) close() {
	if s.conn == nil {
		return
	}
	if t, ok := s.raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	s.stop()
	_ = s.raw.Close()
	s.conn, s.raw = nil, nil
}

// errRefused is an answer that means no.
type errRefused struct{ status int }

func (e errRefused) Error() string { return fmt.Sprintf("status %d", e.status) }

// exchange sends one request over an open session and reads its whole answer.
// keep reports whether the connection can carry another one. token makes the
// payload of this request unlike any other's.
func (s *session) exchange(token uint64, deadline time.Time, more bool) (keep bool, err error) {
	s.in, s.out = 0, 0
	s.uses++
	s.bounded.N = headMax
	if err := s.conn.SetDeadline(deadline); err != nil {
		return false, err
	}
	switch {
	case s.user.use.web():
		return s.get(more)
	case s.user.use.Protocol == spec.UDP:
		return s.datagram(token)
	case s.user.use.Protocol == spec.TLSPassthrough:
		return false, nil // the handshake has reached the backend, and that is all that is known of it
	case s.user.use.Service == spec.ServiceTCP:
		return s.echo(token)
	}
	return s.stays(deadline)
}

// get is one HTTP/1.1 request.
func (s *session) get(more bool) (keep bool, err error) {
	head := s.user.heads[s.address][0]
	if more {
		head = s.user.heads[s.address][1]
	}
	if err := s.write(head); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(s.reader, nil)
	if err != nil && s.bounded.N <= 0 {
		return false, fmt.Errorf("the head of the answer is longer than %d KiB", headMax>>10)
	}
	if err != nil {
		return false, err
	}
	s.bounded.N += bodyMax
	s.server = resp.Header.Get(service.Header)
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	switch {
	case s.bounded.N <= 0:
		return false, fmt.Errorf("the answer is longer than %d MiB", bodyMax>>20)
	case err != nil:
		return false, err
	case resp.StatusCode >= 500:
		return more && !resp.Close, errRefused{resp.StatusCode}
	}
	return more && !resp.Close, nil
}

// echo is one line over the fleet's own TCP service, which says its name first.
func (s *session) echo(token uint64) (keep bool, err error) {
	line := strconv.FormatUint(token, 16) + "\n"
	if err := s.write(line); err != nil {
		return false, err
	}
	if s.server == "" {
		name, err := s.reader.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		s.server = strings.TrimSpace(string(name))
	}
	got, err := s.reader.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if string(got) != line {
		return false, fmt.Errorf("the echo is %.20q, sent was %.20q", got, line)
	}
	return true, nil
}

// datagram is one request and its answer over UDP.
func (s *session) datagram(token uint64) (keep bool, err error) {
	payload := strconv.FormatUint(token, 16)
	if err := s.write(payload); err != nil {
		return false, err
	}
	if s.buf == nil {
		s.buf = make([]byte, 2048)
	}
	for {
		n, err := s.Read(s.buf)
		if err != nil {
			return false, err
		}
		if s.user.use.Service != spec.ServiceUDP {
			return true, nil
		}
		// NAME PAYLOAD. Another payload is the late answer of a request that was
		// given up; ours may still come.
		if name, echoed, ok := strings.Cut(string(s.buf[:n]), " "); ok && echoed == payload {
			s.server = name
			return true, nil
		}
	}
}

// stays sees that a connection to somebody else's service is not closed again
// at once. No more can be asked of a service whose language is not known.
func (s *session) stays(deadline time.Time) (keep bool, err error) {
	soon := time.Now().Add(settleFor)
	if soon.Before(deadline) {
		if err := s.conn.SetReadDeadline(soon); err != nil {
			return false, err
		}
	}
	_, err = s.reader.ReadByte()
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false, nil
	}
	return false, err
}
