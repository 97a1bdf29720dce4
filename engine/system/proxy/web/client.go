package web

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errGone means that nobody waits for the answer any more.
var errGone = errors.New("web: the client is gone")

// presence is whether somebody still waits for the answer.
//
// The server stops reading when it can read no more. Over HTTP/1 that may be a
// client that has said all it had to say and still wants to hear the answer: it
// gets it, but holds a backend for the request time at most, for one that has
// left altogether looks the same until something is sent to it.
//
// It is the context of what waits for a place: a context of the library would
// cost each request what only those need that wait.
type presence struct {
	conn *clientConn

	mu    sync.Mutex
	gone  bool
	over  bool          // the exchange is
	now   *try          // the attempt under way
	done  chan struct{} // made when it is asked for
	timer *time.Timer
	stop  func() bool // of the context that tells; nil if the connection does
}

// watch begins to watch the client. Over HTTP/2 a stream that ends says how, and
// its context tells all; over TLS what the connection says is not all.
func (x *exchange) watch() {
	p := &x.client
	switch base := x.r.Context(); {
	case x.r.ProtoMajor > 1:
		p.stop = context.AfterFunc(base, x.leave)
	case x.r.TLS != nil:
		p.stop = context.AfterFunc(base, x.unread)
	default:
		x.heard.Store(x.r.Body == nil || x.r.ContentLength == 0)
		p.conn.watch(x)
	}
}

// unread is called when the server can read no more of the client.
func (x *exchange) unread() {
	if !halfClosed(x.client.conn) {
		x.leave()
		return
	}
	p := &x.client
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && p.timer == nil {
		p.timer = time.AfterFunc(x.set.Spec.Request.D(), x.leave)
	}
}

func (x *exchange) leave() {
	p := &x.client
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return
	}
	p.gone = true
	if p.done != nil {
		close(p.done)
	}
	now := p.now
	p.mu.Unlock()
	if now != nil {
		now.abort(errGone)
	}
}

// left reports whether nobody waits any more.
func (x *exchange) left() bool {
	if x.r.ProtoMajor > 1 {
		return x.r.Context().Err() != nil
	}
	return x.client.Err() != nil
}

// hold makes an attempt the one that ends when the client leaves.
func (x *exchange) hold(t *try) {
	p := &x.client
	p.mu.Lock()
	p.now = t
	gone := p.gone
	p.mu.Unlock()
	if gone {
		t.abort(errGone)
	}
}

// unwatch ends the watching.
func (x *exchange) unwatch() {
	p := &x.client
	if p.stop != nil {
		p.stop()
	} else {
		p.conn.watch(nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over, p.now = true, nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

// Done implements context.Context.
func (p *presence) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
		if p.gone {
			close(p.done)
		}
	}
	return p.done
}

// Err implements context.Context.
func (p *presence) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return errGone
	}
	return nil
}

// Deadline implements context.Context.
func (p *presence) Deadline() (t time.Time, ok bool) { return t, false }

// Value implements context.Context.
func (p *presence) Value(any) any { return nil }
