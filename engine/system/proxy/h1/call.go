package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// interimMax bounds the answers before the answer (status 1xx): a few hints
	// come, nobody needs more.
	interimMax = 16
	// continueWait is how long a body is held back for a backend's 100 (RFC 9110
	// section 10.1.1 asks for an end of it).
	continueWait = time.Second
)

// Call is one request to one backend and its answer. Do comes first, then Read,
// then Close, by one goroutine; Abort may come from any.
type Call struct {
	Pool    *Pool
	Address string
	First   []byte // said ahead of the request on a connection that serves it alone
	Head    []byte // the request's, up to its empty line; with a Body that is short, with it
	IsHead  bool   // its method is HEAD
	Upgrade bool   // it asks for another protocol
	Again   bool   // it may be sent twice
	Wait    time.Duration
	Interim func(*Head) // hears of 1xx but 100 and 101; may be nil

	// Body is sent by a goroutine of its own; nil for none.
	Body      io.Reader
	Length    int64       // of Body; -1: chunked
	Trailer   http.Header // what comes behind a chunked Body; read at its end
	Announced []string    // the names in Trailer that the head announced
	Expect    bool        // Body waits until the backend wants it

	Answer Head

	mu       sync.Mutex
	conn     *conn // nil before and behind
	cancel   context.CancelFunc
	cause    error // of Abort
	answered bool  // the head of the answer is here

	wanted  chan struct{} // the backend asked for the body, or answered without
	want    sync.Once
	sending chan struct{} // closed when the body is; nil without
	sent    bool          // all of it; set before sending is closed

	frame   frame
	left    int64 // of the body or the chunk
	over    bool  // the answer's body was read to its end
	trailer []Field
}

// ErrBody means that the request's body could not be read.
type ErrBody struct{ error }

// Unwrap gives what the reading ended with.
func (e ErrBody) Unwrap() error { return e.error }

// Abort ends the call, at once and whatever it is doing.
func (c *Call) Abort(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = cause
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.conn != nil {
		c.conn.end()
	}
}

// Cause is what Abort was told; nil if it was not called.
func (c *Call) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Do sends the request and reads the head of its answer. Close must follow in
// any case.
func (c *Call) Do() error {
	err := c.do()
	if err != nil {
		if cause := c.Cause(); cause != nil {
			return cause
		}
	}
	return err
}

func (c *Call) do() error {
	idle := len(c.First) == 0
	for {
		var n *conn
		if idle {
			n = c.Pool.take(c.Address)
		}
		fresh := n == nil
		if fresh {
			var err error
			if n, err = c.dial(); err != nil {
				return err
			}
		}
		if err := c.hold(n); err != nil {
			return err
		}
		n.open()
		err := c.speak(n)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errStale): // the next one; each of them is taken once
		case !fresh && c.Again && !n.heard && Closed(err) && c.Body == nil:
			// It died in the moment in which we used it. The backend may be well.
			idle = false
		default:
			return err
		}
		c.drop()
	}
}

// dial makes a new connection, unless the call is aborted first.
func (c *Call) dial() (*conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mu.Lock()
	c.cancel = cancel
	err := c.cause
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return c.Pool.dial(ctx, c.Address, c.First)
}

// hold makes a connection the call's, so that Abort finds it.
func (c *Call) hold(n *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = nil
	if c.cause != nil {
		n.end()
		return c.cause
	}
	c.conn = n
	return nil
}

// drop closes the call's connection.
func (c *Call) drop() {
	c.mu.Lock()
	n := c.conn
	c.conn = nil
	c.mu.Unlock()
	if n != nil {
		n.end()
		n.shut()
	}
}

// speak sends the request and reads the answer's head.
func (c *Call) speak(n *conn) error {
	if c.Body == nil {
		if err := n.ask(c.Head, time.Now().Add(c.Wait)); err != nil {
			return err
		}
		return c.listen(n)
	}
	if n.used && n.stale() {
		return errStale
	}
	// How long the answer may take counts from the end of the body.
	_ = n.SetReadDeadline(time.Time{})
	_ = n.SetWriteDeadline(time.Now().Add(c.Wait))
	if w, err := n.Write(c.Head); err != nil {
		return n.unsent(w, err)
	}
	c.wanted, c.sending = make(chan struct{}), make(chan struct{})
	go c.send(n)
	return c.listen(n)
}

// listen reads heads up to the one that is the answer.
func (c *Call) listen(n *conn) error {
	for interim := 0; ; interim++ {
		s, err := n.block(false)
		if err != nil {
			if n.heard && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := c.Answer.parse(s); err != nil {
			return err
		}
		switch status := c.Answer.Status; {
		case status == http.StatusSwitchingProtocols:
			if !c.Upgrade {
				return Malformed("it changes the protocol, which nobody asked for")
			}
		case interim == interimMax && status < 200:
			return Malformed("it does not come to its end")
		case status == http.StatusContinue:
			c.proceed()
			continue
		case status < 200:
			if c.Interim != nil {
				c.Interim(&c.Answer)
			}
			continue
		}
		break
	}
	c.begin(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	if c.cause != nil {
		return c.cause
	}
	if !c.atHand(n) {
		_ = n.SetReadDeadline(time.Time{}) // an answer may take its time
	}
	return nil
}

// proceed lets the body go.
func (c *Call) proceed() {
	if c.wanted != nil {
		c.want.Do(func() { close(c.wanted) })
	}
}

// Close ends the call. The connection is kept if everything on it is over. What
// Body reads from must let go of its reader before.
func (c *Call) Close() {
	c.mu.Lock()
	n := c.conn
	well := c.cause == nil
	c.conn = nil
	c.mu.Unlock()
	if n == nil {
		c.join()
		return
	}
	well = well && c.over && !c.Answer.ends && n.r == n.w && len(c.First) == 0
	if well && c.sending != nil {
		select {
		case <-c.sending:
			well = c.sent
		default:
			well = false // it answered before it had heard all
		}
	}
	n.shut()
	if !well {
		n.end()
		c.join()
		return
	}
	c.Pool.put(n)
}

// join waits until nobody reads the body any more.
func (c *Call) join() {
	if c.sending != nil {
		c.proceed()
		<-c.sending
	}
}

// Tunnel gives the connection away, behind an answer that changed its protocol:
// what was read of it too far, and the connection itself.
func (c *Call) Tunnel() (early []byte, n net.Conn) {
	_ = c.conn.SetDeadline(time.Time{})
	return append([]byte(nil), c.conn.buf[c.conn.r:c.conn.w]...), c.conn.Conn
}
