package web

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The server reads a byte of the client while a request is served, by a
// goroutine of its own, to learn of the client's leave. Nearly every request is
// over before anything could come of it, and ending that read again costs each
// of them two hand-offs between goroutines and two system calls. So the read is
// answered at once with nothing, and the few clients that wait for longer than
// lookFirst are looked at here, ever more seldom.
const (
	lookFirst = 50 * time.Millisecond
	// lookShare is the part of its age after which a request's client is looked at
	// again, lookMost the longest pause: of ten thousand that wait for an event,
	// ten thousand looks a second are one hundredth of a core.
	lookShare = 4
	lookMost  = time.Second
)

// lookout finds out which clients have left.
type lookout struct {
	armed atomic.Bool // a look is to come

	mu    sync.Mutex
	conns map[*clientConn]struct{}
}

// add and drop follow the server's connections.
func (l *lookout) add(c net.Conn) {
	if c, ok := c.(*clientConn); ok {
		l.mu.Lock()
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		c.lookout = l
	}
}

func (l *lookout) drop(c net.Conn) {
	if c, ok := c.(*clientConn); ok {
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	}
}

// arm sees to it that there will be a look. It comes behind what is to be seen.
func (l *lookout) arm() {
	if !l.armed.Load() && l.armed.CompareAndSwap(false, true) {
		time.AfterFunc(lookFirst, l.look)
	}
}

// look looks at every client that is due, and goes on while any waits.
func (l *lookout) look() {
	l.armed.Store(false) // first: who comes during the look arms the next one
	now, busy := time.Now(), false
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		x := c.now.Load()
		if x == nil {
			continue
		}
		busy = true
		age := now.Sub(x.began)
		if age < lookFirst || now.Sub(x.looked) < min(age/lookShare, lookMost) {
			continue
		}
		x.looked = now
		switch c.state() {
		case stateClosed:
			x.leave()
		case closeWait:
			x.unread()
		}
	}
	if busy {
		l.arm()
	}
}
