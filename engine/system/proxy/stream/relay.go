package stream

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/carry"
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
	idleFor time.Duration // after so much silence the flow is closed

	last     atomic.Int64 // when bytes were seen last, since began
	answered atomic.Bool  // the backend has sent something
	cut      atomic.Bool  // the backend broke, which a write to it was told: no end of it counts

	mu    sync.Mutex // for backend while it is being connected
	ended atomic.Bool
}

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

// reset makes the closing of a connection a reset.
func reset(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { carry.Reset(int(fd)) })
	}
}

// leave ends the flow here because somebody else has the connection now; false
// when it was ended meanwhile.
func (r *relay) leave() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Swap(true) {
		return false
	}
	_ = r.raw.Close()
	return true
}

// swept implements member.
func (r *relay) swept() {}

// idle implements member.
func (r *relay) idle() time.Duration { return r.idleFor }

// expire implements member. Only now is the kernel asked: while it moves the
// bytes the relay does not see them.
func (r *relay) expire() {
	if r.kernelQuietFor() > r.idleFor {
		r.close()
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
			return r.finish(nil, &carry.Failure{Err: err, Backend: true})
		}
	}
	if n := len(second) + len(rest); n > 0 {
		r.sent(n)
	}
	up := make(chan *carry.Failure, 1)
	go func() { up <- r.carry(r.backend, client, r.sent) }()
	down := r.carry(client, r.backend, r.got)
	return r.finish(down, <-up)
}

// finish closes both ends when both directions are over.
func (r *relay) finish(down, up *carry.Failure) flow.Outcome {
	blamed := carry.Judge(down, up, r.answered.Load())
	if blamed == nil {
		r.close()
	} else {
		r.abort()
	}
	return outcome(r.meter, blamed, r.answered.Load())
}

// outcome is what a flow that is over tells of its backend.
func outcome(m *meter.Meter, blamed error, answered bool) flow.Outcome {
	if blamed == nil {
		return flow.Outcome{Client: !answered}
	}
	m.Error()
	return flow.Blame(blamed)
}

// carry moves one direction to its end and closes that half; when it fails, the
// flow may be over.
func (r *relay) carry(dst, src net.Conn, count func(int)) *carry.Failure {
	up := dst == r.backend
	read, write := move(dst, src, count)
	if read == nil && write == nil && !up && r.cut.Load() {
		read = syscall.ECONNRESET
	}
	var f *carry.Failure
	switch {
	case read != nil:
		f = &carry.Failure{Err: read, Backend: !up}
	case write != nil:
		f = &carry.Failure{Err: write, Backend: up}
		r.cut.Store(r.cut.Load() || up && carry.Cut(write))
	}
	switch h, ok := dst.(interface{ CloseWrite() error }); {
	case f.Broken(up):
		r.abort()
	case f == nil && ok:
		_ = h.CloseWrite()
	}
	return f
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
