package stream

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
	"golang.org/x/sys/unix"
)

// relay is one flow between its client and its backend.
type relay struct {
	raw     net.Conn // the client's connection as it was accepted
	client  net.Conn // the same behind its PROXY header, or its TLS
	backend net.Conn
	meter   *meter.Meter // the listener's
	place   *flow.Place
	idle    time.Duration // after so much silence the flow is closed

	last     atomic.Int64 // when bytes were seen last, since began
	answered atomic.Bool  // the backend has sent something

	mu    sync.Mutex // for backend while it is being connected
	ended atomic.Bool
}

// failure is why one direction ended before its time.
type failure struct {
	err error
	// backend says that it is the backend's end that failed.
	backend bool
}

func (f *failure) Error() string { return f.err.Error() }

// began is a point in monotonic time: the wall clock may be set while flows are
// open.
var began = time.Now()

func (r *relay) touch() { r.last.Store(int64(time.Since(began))) }

// attach gives the relay its backend; false when the flow was ended meanwhile.
func (r *relay) attach(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Load() {
		_ = c.Close()
		return false
	}
	r.backend = c
	return true
}

// close ends the flow in good order.
func (r *relay) close() { r.end(false) }

// abort ends the flow by resets: an end that got half of something must not
// take it for the whole.
func (r *relay) abort() { r.end(true) }

func (r *relay) end(broken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Swap(true) {
		return
	}
	if r.backend != nil {
		if broken {
			reset(r.backend)
		}
		_ = r.backend.Close()
	}
	if broken {
		// Below TLS: its close_notify would say that all is well.
		reset(r.raw)
		_ = r.raw.Close()
		return
	}
	_ = r.client.Close()
}

// reset makes the closing of a connection a reset, unless bytes are still on
// their way to its peer: a reset would take those with it.
func reset(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	unsent := 0
	_ = raw.Control(func(fd uintptr) { unsent, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if unsent == 0 {
		_ = t.SetLinger(0)
	}
}

// quietFor is how long the relay itself saw no byte, in either direction.
func (r *relay) quietFor(now time.Time) time.Duration {
	return now.Sub(began) - time.Duration(r.last.Load())
}

// kernelQuietFor is how long the kernel saw no data, in either direction and at
// either end.
func (r *relay) kernelQuietFor() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	quiet := time.Duration(1 << 62)
	for _, c := range []net.Conn{r.raw, r.backend} {
		t, ok := c.(*net.TCPConn)
		if !ok {
			continue
		}
		raw, err := t.SyscallConn()
		if err != nil {
			continue
		}
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				quiet = min(quiet, time.Duration(min(info.Last_data_recv, info.Last_data_sent))*time.Millisecond)
			}
		})
	}
	return quiet
}

// run moves bytes both ways until both have ended, or one has failed, and says
// what that tells of the backend. first and second go to the backend before
// anything else.
func (r *relay) run(first, second []byte) flow.Outcome {
	// What the flow still owes its backend is sent before the kernel may move
	// bytes by itself; the PROXY header's connection is left behind then.
	client := r.client
	var rest []byte
	if w, ok := client.(*front.Conn); ok {
		rest, client = w.Rest()
	}
	for _, b := range [][]byte{first, second, rest} {
		if len(b) == 0 {
			continue
		}
		if _, err := r.backend.Write(b); err != nil {
			return r.finish(nil, &failure{err: err, backend: true})
		}
	}
	if n := len(second) + len(rest); n > 0 {
		r.sent(n)
	}
	up := make(chan *failure, 1)
	go func() { up <- r.carry(r.backend, client, r.sent) }()
	down := r.carry(client, r.backend, r.got)
	return r.finish(down, <-up)
}

// finish closes both ends when both directions are over.
func (r *relay) finish(down, up *failure) flow.Outcome {
	var blamed error
	switch {
	case down != nil && down.backend && !errors.Is(down.err, net.ErrClosed):
		blamed = down.err // it broke while it should have answered
	case up != nil && up.backend && !r.answered.Load() && !errors.Is(up.err, net.ErrClosed):
		blamed = up.err // it took no more, and had not said a word
	}
	if blamed == nil {
		r.close()
		return flow.Outcome{Client: !r.answered.Load()}
	}
	r.abort()
	r.meter.Error()
	return flow.Blame(blamed)
}

// carry moves one direction to its end and closes that half; when it fails, the
// flow is over.
func (r *relay) carry(dst, src net.Conn, count func(int)) *failure {
	read, write := move(dst, src, count)
	switch {
	case read != nil:
		r.abort()
		return &failure{err: read, backend: src == r.backend}
	case write != nil && dst == r.backend:
		// A backend that takes no more may have answered for good, as a web server
		// does that refuses a long upload: what it said must reach the client.
		return &failure{err: write, backend: true}
	case write != nil:
		r.abort()
		return &failure{err: write}
	}
	if h, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
	return nil
}

// sent counts bytes of the client.
func (r *relay) sent(n int) {
	r.meter.In(int64(n))
	r.place.Meter.In(int64(n))
	r.touch()
}

// got counts bytes of the backend. The first of them is its success.
func (r *relay) got(n int) {
	r.meter.Out(int64(n))
	r.place.Meter.Out(int64(n))
	r.touch()
	if !r.answered.Load() {
		r.answered.Store(true)
		r.place.Good()
	}
}
