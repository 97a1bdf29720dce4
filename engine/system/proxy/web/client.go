package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// errGone means that nobody waits for the answer any more.
var errGone = errors.New("web: the client is gone")

// connKey is the context's key for the client's connection.
type connKey struct{}

// stay returns a context that ends when nobody waits for the answer any more,
// and what releases it.
//
// The server ends its own context as soon as it can read no more. Over HTTP/1
// that may be a client that has said all it had to say and still wants to hear
// the answer: it gets it, but holds a backend for the request time at most, for
// one that has left altogether looks the same until something is sent to it.
func (x *exchange) stay() (ctx context.Context, release func()) {
	base := x.r.Context()
	if x.r.ProtoMajor != 1 {
		return base, func() {} // a stream that ends says how
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(base))
	stop := context.AfterFunc(base, func() {
		if c, _ := base.Value(connKey{}).(net.Conn); !halfClosed(c) {
			cancel(errGone)
			return
		}
		t := time.AfterFunc(x.set.Spec.Request.D(), func() { cancel(errGone) })
		context.AfterFunc(ctx, func() { t.Stop() })
	})
	return ctx, func() { stop(); cancel(nil) }
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
