package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// errGone means that nobody waits for the answer any more.
var errGone = errors.New("web: the client is gone")

// connKey is the context's key for the client's connection.
type connKey struct{}

// presence is whether somebody still waits for the answer.
//
// The server ends its own context as soon as it can read no more. Over HTTP/1
// that may be a client that has said all it had to say and still wants to hear
// the answer: it gets it, but holds a backend for the request time at most, for
// one that has left altogether looks the same until something is sent to it.
type presence struct {
	mu    sync.Mutex
	gone  bool
	over  bool                    // the exchange is
	end   context.CancelCauseFunc // of the attempt under way
	timer *time.Timer
	stop  func() bool
}

// watch begins to watch the client. Over HTTP/2 a stream that ends says how, and
// its context tells all.
func (x *exchange) watch() {
	if base := x.r.Context(); x.r.ProtoMajor == 1 {
		x.client.stop = context.AfterFunc(base, x.unread)
	}
}

// unread is called when the server can read no more of the client.
func (x *exchange) unread() {
	c, _ := x.r.Context().Value(connKey{}).(net.Conn)
	if !halfClosed(c) {
		x.leave()
		return
	}
	p := &x.client
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.timer = time.AfterFunc(x.set.Spec.Request.D(), x.leave)
	}
}

func (x *exchange) leave() {
	p := &x.client
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	if p.end != nil {
		p.end(errGone)
	}
}

// left reports whether nobody waits any more.
func (x *exchange) left() bool {
	if x.client.stop == nil {
		return x.r.Context().Err() != nil
	}
	x.client.mu.Lock()
	defer x.client.mu.Unlock()
	return x.client.gone
}

// next returns the context of one more attempt.
func (x *exchange) next() (context.Context, context.CancelCauseFunc) {
	base, p := x.r.Context(), &x.client
	if p.stop == nil {
		return context.WithCancelCause(base)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(base))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = cancel
	if p.gone {
		cancel(errGone)
	}
	return ctx, cancel
}

// unwatch ends the watching.
func (x *exchange) unwatch() {
	p := &x.client
	if p.stop == nil {
		return
	}
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over = true; p.timer != nil {
		p.timer.Stop()
	}
}

// closeWait is TCP's state of a connection whose peer has closed its half and
// was not reset since (RFC 9293 section 3.3.2), as tcp_info numbers it.
const closeWait = 8

// halfClosed reports whether a connection's peer sends no more but may receive.
func halfClosed(c net.Conn) bool {
	for {
		switch inner := c.(type) {
		case *tls.Conn:
			c = inner.NetConn()
		case *front.Conn:
			c = inner.Conn
		case *net.TCPConn:
			raw, err := inner.SyscallConn()
			if err != nil {
				return false
			}
			half := false
			_ = raw.Control(func(fd uintptr) {
				info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
				half = err == nil && info.State == closeWait
			})
			return half
		default:
			return false
		}
	}
}
