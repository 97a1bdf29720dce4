package h1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is of the buffer that a connection has while it is in use. Most
	// heads and short answers come in one piece.
	bufferSize = 8 << 10
	// headMax bounds an answer's head, and its trailer. Other balancers stop at
	// 16 KiB; cookies and policies of large applications come near that.
	headMax = 64 << 10
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// errStale means that an idle connection was found dead, or not silent, before
// anything was sent over it.
var errStale = errors.New("h1: the idle connection is not to be used")

// conn is one connection to a backend.
type conn struct {
	net.Conn // the TCP connection, or TLS over it
	tcp      *net.TCPConn
	raw      syscall.RawConn // of tcp
	address  string
	born     time.Time
	since    time.Time // it lies idle
	used     bool      // it has carried a request
	heard    bool      // something came since open

	pooled *[bufferSize]byte
	buf    []byte // what was read and not taken is buf[r:w]
	r, w   int

	// Of ask, which must not allocate: what is being sent, and what came back.
	out  []byte
	sent int
	wait bool // all is sent
	err  error
	talk func(fd uintptr) bool
}

func newConn(c net.Conn, tcp *net.TCPConn, address string) (*conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	n := &conn{Conn: c, tcp: tcp, raw: raw, address: address, born: time.Now()}
	n.talk = n.turn
	return n, nil
}

// open gives the connection its buffer, shut takes it back.
func (c *conn) open() {
	c.pooled = buffers.Get().(*[bufferSize]byte)
	c.buf, c.r, c.w, c.heard = c.pooled[:], 0, 0, false
}

func (c *conn) shut() {
	if c.pooled != nil {
		buffers.Put(c.pooled)
		c.pooled, c.buf, c.r, c.w = nil, nil, 0, 0
	}
}

// end closes the connection without a goodbye, which over TLS could block.
func (c *conn) end() { _ = c.tcp.Close() }

func (c *conn) plain() bool { return c.Conn == net.Conn(c.tcp) }

// ask sends a whole request and reads the first bytes of what comes back.
//
// All of it happens under one wait of the poller: whatever comes from here on
// wakes us. So the look whether the connection is still well stands in the place
// of the read that would nearly always find nothing yet, and costs no system
// call more than a plain write and read.
func (c *conn) ask(head []byte, until time.Time) error {
	if !c.plain() {
		if c.used && c.stale() {
			return errStale
		}
		_ = c.SetDeadline(until)
		if n, err := c.Write(head); err != nil {
			return c.unsent(n, err)
		}
		return c.fill()
	}
	_ = c.tcp.SetReadDeadline(until)
	c.out, c.sent, c.wait, c.err = head, 0, false, nil
	err := c.raw.Read(c.talk)
	c.out = nil
	if err == nil {
		err = c.err
	}
	if err != nil {
		return c.unsent(c.sent, err)
	}
	if c.wait {
		return nil
	}
	// The socket did not take all of it at once.
	_ = c.tcp.SetWriteDeadline(until)
	if _, err := c.tcp.Write(head[c.sent:]); err != nil {
		return err
	}
	return c.fill()
}

// unsent says that nothing was sent of a request, if so.
func (c *conn) unsent(n int, err error) error {
	if n == 0 && c.used && Closed(err) {
		return errStale
	}
	return err
}

// turn is called as soon as ask begins, and each time the socket may have
// something to read. It reports whether that is all.
func (c *conn) turn(fd uintptr) bool {
	if !c.wait {
		if c.used && !silent(int(fd)) {
			c.err = errStale
			return true
		}
		n, err := again(func() (int, error) { return unix.Write(int(fd), c.out) })
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			c.err = err
			return true
		}
		c.sent = max(n, 0)
		if c.wait = c.sent == len(c.out); !c.wait {
			return true
		}
		return false
	}
	n, err := again(func() (int, error) { return unix.Read(int(fd), c.buf[c.w:]) })
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		c.err = err
	case n == 0:
		c.err = io.EOF
	default:
		c.w, c.heard = c.w+n, true
	}
	return true
}

// again repeats a system call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// silent reports whether a socket is open and has nothing to read.
func silent(fd int) bool {
	var one [1]byte
	_, err := again(func() (int, error) {
		n, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return n, err
	})
	return errors.Is(err, unix.EAGAIN)
}

// stale reports whether an idle connection is closed, or has something to read
// that nobody asked for.
func (c *conn) stale() bool {
	well := false
	if err := c.raw.Control(func(fd uintptr) { well = silent(int(fd)) }); err != nil || !well {
		return true
	}
	if c.plain() {
		return false
	}
	// TLS may have taken more off the socket than it gave us. With a time that is
	// over it gives what it has, and nothing else.
	var one [1]byte
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return true
	}
	n, err := c.Read(one[:])
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}

// fill reads once, behind what is there.
func (c *conn) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		if len(c.buf) >= headMax {
			return Malformed("its head is too long")
		}
		c.buf = append(make([]byte, 0, headMax), c.buf...)[:headMax]
	}
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		c.heard = true
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// block takes lines up to an empty one, the first of which must be there or to
// come. An empty first line is the end if it may be.
func (c *conn) block(mayBeEmpty bool) (string, error) {
	for seen := 0; ; {
		at := c.buf[c.r:c.w]
		if end := blockEnd(at, seen, mayBeEmpty); end > 0 {
			c.r += end
			return string(at[:end]), nil
		}
		seen = len(at)
		if seen > headMax-bufferSize {
			return "", Malformed("its head is too long")
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// blockEnd is where a block of lines ends; 0: not yet. Its first seen bytes were
// looked at before.
func blockEnd(b []byte, seen int, mayBeEmpty bool) int {
	if mayBeEmpty && len(b) > 0 && b[0] == '\n' {
		return 1
	}
	if mayBeEmpty && len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
		return 2
	}
	for i := max(0, seen-2); ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		// A line of LF alone ends it too: who reads on refuses it then.
		if i < len(b) && b[i] == '\n' {
			return i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
}

// Closed reports whether an error means that the other end closed.
func Closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// dialTLS makes TLS of a connection.
func dialTLS(tcp *net.TCPConn, config *tls.Config, limit time.Duration) (net.Conn, error) {
	c := tls.Client(tcp, config)
	_ = c.SetDeadline(time.Now().Add(limit))
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return c, nil
}
