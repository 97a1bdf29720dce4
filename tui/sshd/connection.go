package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// connection is one client's connection, from the first byte to the last.
type connection struct {
	net.Conn
	s      *Server
	ctx    ssh.Context // of the library
	number uint64
	addr   netip.Addr
	from   string // address:port, for people
	began  time.Time
	ending context.Context // its cause is what people are told
	stop   context.CancelCauseFunc

	mu       sync.Mutex
	first    []byte // of what the client sent
	offers   int
	lastNo   string // why its last key was refused
	lastKey  string // whose that was
	key      gossh.PublicKey
	may      grant
	passed   bool
	closed   bool
	channels int
	empty    *time.Timer // ends a connection without sessions
}

type connectionKey struct{}

// connOf is the connection of a context.
func connOf(ctx ssh.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

func newConnection(s *Server, ctx ssh.Context, n net.Conn, a netip.Addr, number uint64) *connection {
	ending, stop := context.WithCancelCause(context.Background())
	return &connection{Conn: n, s: s, ctx: ctx, number: number, addr: a, from: n.RemoteAddr().String(), began: s.o.Now(), ending: ending, stop: stop}
}

// hello is how much of a client's first words is kept, to say what it was.
const hello = 4

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.mu.Lock()
		if room := hello - len(c.first); room > 0 {
			c.first = append(c.first, p[:min(n, room)]...)
		}
		c.mu.Unlock()
	}
	return n, err
}

// Close implements net.Conn. The first time, it also counts the connection out
// and records how it ended.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return err
	}
	c.closed = true
	passed, e := c.passed, c.farewell()
	if c.empty != nil {
		c.empty.Stop()
	}
	c.mu.Unlock()
	c.stop(errStopping)
	c.s.gate.leave(c.addr, passed, c.s.o.Now())
	c.s.mu.Lock()
	delete(c.s.open, c)
	c.s.mu.Unlock()
	if passed {
		c.s.records.put(e)
	} else {
		c.s.records.refuse(e)
	}
	return err
}

// farewell is the record of the connection's end. c.mu is held.
func (c *connection) farewell() audit.Entry {
	e := audit.Entry{From: c.from, Session: fmt.Sprint(c.number)}
	switch {
	case c.passed:
		e.Kind, e.Who, e.Name, e.Role = audit.KindLogout, c.may.fingerprint, c.may.name, string(c.may.role)
		e.Detail = "after " + c.s.o.Now().Sub(c.began).Round(time.Second).String()
		if why := context.Cause(c.ending); why != nil {
			e.Detail += ": " + why.Error()
		}
	case c.offers > 0:
		e.Who, e.Detail = c.lastKey, fmt.Sprintf("%d keys were offered; of the last one: %s", c.offers, c.lastNo)
	case len(c.first) == 0:
		e.Detail = "it said nothing"
	case !bytes.HasPrefix([]byte("SSH-"), c.first):
		e.Detail = "what it sent is not SSH"
	default:
		e.Detail = "it offered no key"
	}
	return e
}

// entry is a record about this connection.
func (c *connection) entry(detail string) audit.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return audit.Entry{Who: c.may.fingerprint, Name: c.may.name, Role: string(c.may.role), From: c.from, Session: fmt.Sprint(c.number), Detail: detail}
}

// judge says what a key may that the client offers.
func (c *connection) judge(key gossh.PublicKey) (grant, error) {
	k, err := c.s.keys.current()
	if err != nil {
		err = errors.New("who may come in cannot be read")
	}
	var may grant
	if err == nil {
		may, err = k.admit(key, c.addr, c.s.o.Now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offers++
	c.lastKey, c.lastNo = fingerprint(key), "it was not proved"
	if err != nil {
		c.lastNo = err.Error()
	}
	return may, err
}

// login lets a client in that has proved a key. What it may is asked again: what
// was said of another key, or a moment ago, does not count.
func (c *connection) login(key gossh.PublicKey) error {
	may, err := c.judge(key)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.passed || c.closed {
		c.mu.Unlock()
		return errors.New("sshd: a second login on one connection")
	}
	c.key, c.may, c.passed = key, may, true
	c.rest()
	c.mu.Unlock()
	c.s.gate.pass(c.addr, c.s.o.Now())
	e := c.entry(may.about)
	e.Kind = audit.KindLogin
	c.s.records.put(e)
	go c.keepAlive()
	return nil
}

// in reports whether the client has logged in.
func (c *connection) in() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.passed
}

func (c *connection) granted() grant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.may
}

// judgeAgain ends a connection whose key may less, or other things, than when it
// came in.
func (c *connection) judgeAgain() {
	c.mu.Lock()
	key, was := c.key, c.may
	c.mu.Unlock()
	k, err := c.s.keys.current()
	if key == nil || err != nil || c.ending.Err() != nil {
		return // who is in stays in while the file cannot be read
	}
	is, err := k.admit(key, c.addr, c.s.o.Now())
	switch {
	case err != nil:
		c.end(fmt.Errorf("you are not let in any more: %w", err))
	case is.role != was.role || is.wallboard != was.wallboard:
		c.end(fmt.Errorf("your role has changed to %s; log in again", is.role))
	}
}

// end ends the connection: its sessions get a word and a moment.
func (c *connection) end(why error) {
	c.stop(why)
	time.AfterFunc(leaveWithin+flushWithin, func() { _ = c.Close() })
}

// addChannel counts a session of the connection in.
func (c *connection) addChannel() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.passed || c.channels >= channelsMax {
		return false
	}
	c.channels++
	if c.empty != nil {
		c.empty.Stop()
	}
	return true
}

func (c *connection) removeChannel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels--
	if c.channels == 0 && c.ending.Err() != nil {
		go func() { _ = c.Close() }() // nothing is left to be said
		return
	}
	c.rest()
}

// rest ends a connection that has no session for as long as a console may be left
// alone. c.mu is held.
func (c *connection) rest() {
	if c.channels == 0 && !c.closed {
		c.empty = time.AfterFunc(c.s.o.Idle, func() { c.end(errors.New("it had no session")) })
	}
}

// keepAlive asks the client again and again whether it is there. A laptop that
// was closed answers nothing, and its connection ends.
func (c *connection) keepAlive() {
	t := time.NewTicker(c.s.o.Alive)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-c.ending.Done():
			return
		}
		sc, ok := c.ctx.Value(ssh.ContextKeyConn).(*gossh.ServerConn)
		if !ok {
			continue // the login is not through yet
		}
		late := time.AfterFunc(silentFor*c.s.o.Alive, func() {
			c.stop(errors.New("the client did not answer"))
			_ = c.Close()
		})
		_, _, err := sc.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			return
		}
	}
}
