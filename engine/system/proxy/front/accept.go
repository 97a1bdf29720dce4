package front

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
	"golang.org/x/sys/unix"
)

// headerWait is how long a PROXY header may take: the sender writes it at once.
const headerWait = 3 * time.Second

// Accept calls serve, each time on a goroutine of its own, for the connections
// of a listener until it is closed. What it returns waits for the calls under way.
func (f *Front) Accept(ctx context.Context, l net.Listener, serve func(net.Conn)) (wait func()) {
	var calls sync.WaitGroup
	f.accept(ctx, func() error {
		c, err := l.Accept()
		switch {
		case err != nil:
			return err
		case f.Full():
			f.Meter.Error()
			_ = c.Close()
		default:
			calls.Go(func() { serve(c) })
		}
		return nil
	})
	return calls.Wait
}

// AcceptRaw is Accept without the net package: serve gets a descriptor, and the
// peer's address, and must not wait.
func (f *Front) AcceptRaw(ctx context.Context, l *Raw, serve func(fd int, peer netip.AddrPort)) {
	f.accept(ctx, func() error {
		fd, peer, err := l.Accept()
		switch {
		case err != nil:
			return err
		case f.Full():
			f.Meter.Error()
			_ = unix.Close(fd)
		default:
			serve(fd, peer)
		}
		return nil
	})
}

// accept calls next until the listener is closed. Running out of descriptors or
// memory is waited out: the flows that are open will end.
func (f *Front) accept(ctx context.Context, next func() error) {
	pause := time.Millisecond
	for {
		err := next()
		if err == nil {
			pause = time.Millisecond
			continue
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
			return
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			f.Log.Warn("no descriptors are left for new connections", "listener", f.Name)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-ctx.Done():
			return
		}
	}
}

// Conn is a connection behind its PROXY header: its addresses are those that
// the header says.
type Conn struct {
	net.Conn
	r      *bufio.Reader // what was read too far; nil once it is empty
	remote netip.AddrPort
	local  netip.AddrPort
}

// ErrNotTrusted means that a peer may not speak for others.
var ErrNotTrusted = errors.New("front: the peer's PROXY header is not trusted")

// Unwrap reads the PROXY header if the listener expects one. Without one the
// connection is returned as it is.
func (s *Settings) Unwrap(c net.Conn) (net.Conn, error) {
	if s.Spec.Proxy == spec.ProxyOff {
		return c, nil
	}
	if !s.TrustsProxy(AddrOf(c.RemoteAddr()).Addr()) {
		return nil, ErrNotTrusted
	}
	if err := c.SetReadDeadline(time.Now().Add(headerWait)); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(c, 512)
	h, err := proxyproto.Read(r, s.Spec.Proxy != spec.ProxyV2, s.Spec.Proxy != spec.ProxyV1)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	w := &Conn{Conn: c, r: r, remote: AddrOf(c.RemoteAddr()), local: AddrOf(c.LocalAddr())}
	if !h.Local {
		w.remote, w.local = h.Source, h.Destination
	}
	return w, nil
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if c.r != nil {
		if c.r.Buffered() > 0 {
			return c.r.Read(b[:min(len(b), c.r.Buffered())])
		}
		c.r = nil
	}
	return c.Conn.Read(b)
}

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// CloseWrite closes the writing half.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// Rest returns what was read behind the header and not taken yet, and the
// connection below: bytes can be moved by the kernel once the rest is sent.
func (c *Conn) Rest() ([]byte, net.Conn) {
	if c.r == nil || c.r.Buffered() == 0 {
		return nil, c.Conn
	}
	b, _ := c.r.Peek(c.r.Buffered())
	return b, c.Conn
}
