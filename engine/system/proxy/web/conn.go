package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// clientConn is a client's connection, below the server and below TLS. It tells
// the exchange under way that the client can be read no more, and a client that
// is too slow with a head that this was it; the server says neither.
type clientConn struct {
	net.Conn
	tcp    *net.TCPConn
	raw    syscall.RawConn // of tcp
	plain  bool            // no TLS above
	source netip.Addr
	client string // the source, in words
	port   string // that the client came to, in words

	lookout *lookout // of the server; nil above TLS

	now    atomic.Pointer[exchange] // told when nothing more can be read
	broken atomic.Bool              // nothing can
	head   atomic.Bool              // a part of a request's head may have come
	mute   atomic.Bool              // a 408 is not to be said: it could be taken for something else

	ancient ancient // of the bytes that came; below TLS it cannot look
}

func newClientConn(c net.Conn, plain bool) *clientConn {
	source := front.AddrOf(c.RemoteAddr()).Addr()
	w := &clientConn{
		Conn: c, plain: plain, source: source, client: source.String(),
		port: strconv.Itoa(int(front.AddrOf(c.LocalAddr()).Port())),
	}
	if f, ok := c.(*front.Conn); ok {
		c = f.Conn
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			w.tcp, w.raw = tcp, raw
		}
	}
	return w
}

// connKey is the context's key for the client's connection.
type connKey struct{}

// withConn puts a connection that the server has accepted into its context.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// watch makes x the one that is told; nil: nobody is.
func (c *clientConn) watch(x *exchange) {
	c.now.Store(x)
	if x == nil {
		return
	}
	if c.broken.Load() {
		x.unread() // it was before
	}
	c.lookout.arm()
}

// begin and end stand around what a request gets from us. Behind a body that was
// left to the server, where the next head begins is not known here.
func (c *clientConn) begin() { c.head.Store(false) }

func (c *clientConn) end(body bool) {
	if body {
		c.mute.Store(true)
	}
}

// backgroundRead is how much the server reads at once while a request is served
// that it has read whole: it only wants to know whether the client is still
// there. Should it ever do so in another way, it will just read.
const backgroundRead = 1

// Read implements net.Conn.
func (c *clientConn) Read(p []byte) (int, error) {
	x := c.now.Load()
	if x != nil && len(p) == backgroundRead && x.heard.Load() {
		return 0, nil // the lookout does that
	}
	n, err := c.Conn.Read(p)
	if c.plain && n > 0 {
		c.ancient.feed(p[:n])
	}
	if n > 0 && (x == nil || len(p) == backgroundRead) && !c.head.Load() {
		c.head.Store(true)
		if p[0] == http2Preface[0] && n > 1 && string(p[:min(n, len(http2Preface))]) == http2Preface[:min(n, len(http2Preface))] {
			c.mute.Store(true) // it speaks HTTP/2
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.plain && c.now.Load() == nil && c.head.Swap(false) && !c.mute.Swap(true) {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c.Conn, tooSlow)
		}
	default:
		c.broken.Store(true)
		if x := c.now.Load(); x != nil {
			x.unread()
		}
	}
	return n, err
}

const (
	http2Preface = "PRI * HTTP/2.0\r\n"
	// tooSlow is what a client hears whose request's head does not come to its end.
	tooSlow = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 35\r\nConnection: close\r\n\r\nthe request's head came too slowly\n"
)

// ReadFrom implements io.ReaderFrom: the kernel may move the bytes.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) {
	if c.tcp == nil {
		return io.Copy(struct{ io.Writer }{c.Conn}, r)
	}
	return c.tcp.ReadFrom(r)
}

// CloseWrite closes the writing half.
func (c *clientConn) CloseWrite() error {
	if c.tcp == nil {
		return nil
	}
	return c.tcp.CloseWrite()
}

// TCP's states, as tcp_info numbers them: closed altogether, and closed by the
// peer for its half and not reset since (RFC 9293 section 3.3.2).
const (
	stateClosed = 7
	closeWait   = 8
)

func (c *clientConn) state() uint8 {
	if c.tcp == nil {
		return 0
	}
	state := uint8(0)
	_ = c.raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			state = info.State
		}
	})
	return state
}

// halfClosed reports whether a connection's peer sends no more but may receive.
func halfClosed(c *clientConn) bool { return c.state() == closeWait }

// dead reports whether an error of moving bytes to the client was the client's:
// the kernel does not say which end it was.
func (c *clientConn) dead(err error) bool {
	return errors.Is(err, syscall.EPIPE) || c.state() == stateClosed
}
