package quorum

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// callerIdle is how long a connection without requests is kept.
const callerIdle = 30 * time.Second

// callers are the connections on which this host asks others.
type callers struct {
	q      *Quorum
	mu     sync.Mutex
	all    map[string]*caller
	served map[replica.GroupID]string // the host that answered last
	failed map[string]instant.Instant // hosts that did not answer, and when
	closed bool
}

// failedFor is how long a host that did not answer is asked after all others. One
// that hangs keeps its connections, for its kernel does that.
const failedFor = 5 * time.Second

// best is the host that answered for a group last.
func (c *callers) best(group replica.GroupID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served[group]
}

// bad notes a host that did not answer.
func (c *callers) bad(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) >= failedMax {
		clear(c.failed)
	}
	c.failed[host] = c.q.o.Clock.Now()
	for group, served := range c.served {
		if served == host {
			delete(c.served, group)
		}
	}
}

// failedMax bounds the table: a fleet has fewer hosts that fail at once, or none that
// answers.
const failedMax = 64

// last moves the hosts that did not answer a moment ago behind the others.
func (c *callers) last(hosts []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.q.o.Clock.Now()
	slices.SortStableFunc(hosts, func(a, b string) int { return c.rank(now, a) - c.rank(now, b) })
	return hosts
}

func (c *callers) rank(now instant.Instant, host string) int {
	if at, ok := c.failed[host]; ok && now.Sub(at) < failedFor {
		return 1
	}
	return 0
}

// good notes a host that answered for a group; the empty string: none does.
func (c *callers) good(group replica.GroupID, host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, host)
	if host == "" {
		delete(c.served, group)
		return
	}
	if len(c.served) < replica.GroupsMax {
		c.served[group] = host
	}
}

// caller is one of them. It is made anew when it broke.
type caller struct {
	q     *Quorum
	ready chan struct{} // closed when conn or err is there
	conn  *tls.Conn
	err   error

	writing sync.Mutex
	mu      sync.Mutex
	last    uint64
	waits   map[uint64]chan<- response
	broken  bool
	idle    *time.Timer
}

// to returns the connection to a host, which may still be made.
func (c *callers) to(host string) *caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.all[host]
	if x != nil || c.closed {
		return x
	}
	x = &caller{q: c.q, ready: make(chan struct{}), waits: map[uint64]chan<- response{}}
	if !c.q.start(func() {
		x.run(host)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.all[host] == x {
			delete(c.all, host)
		}
	}) {
		return nil
	}
	c.all[host] = x
	return x
}

func (c *callers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true // the connections end with the quorum's context
}

// run makes the connection and reads answers until it breaks.
func (x *caller) run(host string) {
	x.conn, _, _, x.err = x.q.dialTLS(x.q.ctx, host, laneAsk)
	if x.err != nil {
		close(x.ready)
		return
	}
	defer context.AfterFunc(x.q.ctx, x.cut)()
	x.idle = time.AfterFunc(callerIdle, x.rest)
	close(x.ready)
	r := bufio.NewReaderSize(x.conn, 4<<10)
	for {
		b, err := readFrame(r, responseMax)
		if err != nil {
			break
		}
		a, err := parseResponse(b)
		if err != nil {
			break
		}
		x.mu.Lock()
		wait := x.waits[a.number]
		delete(x.waits, a.number)
		x.mu.Unlock()
		if wait != nil {
			wait <- a
		}
	}
	x.cut()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.broken = true
	x.idle.Stop()
	for n, wait := range x.waits {
		close(wait)
		delete(x.waits, n)
	}
}

func (x *caller) cut() { _ = x.conn.NetConn().Close() }

// rest ends a connection that nobody needs.
func (x *caller) rest() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.waits) == 0 {
		x.broken = true
		x.cut()
		return
	}
	x.idle.Reset(callerIdle)
}

// ask sends a request and waits for its answer. sent says that it may have been
// carried out although there is an error.
func (x *caller) ask(ctx context.Context, r request) (a replica.Answer, sent bool, err error) {
	select {
	case <-x.ready:
	case <-ctx.Done():
		return a, false, ctx.Err()
	}
	if x.err != nil {
		return a, false, x.err
	}
	answers := make(chan response, 1)
	x.mu.Lock()
	if x.broken {
		x.mu.Unlock()
		return a, false, errBroken
	}
	x.last++
	r.number = x.last
	x.waits[r.number] = answers
	x.idle.Reset(callerIdle)
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		delete(x.waits, r.number)
		x.mu.Unlock()
	}()
	b := r.bytes()
	x.writing.Lock()
	_ = x.conn.SetWriteDeadline(time.Now().Add(writeWait))
	_, err = x.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	x.writing.Unlock()
	if err != nil {
		x.cut()
		return a, true, err
	}
	select {
	case got, ok := <-answers:
		if !ok {
			return a, true, errBroken
		}
		return got.answer, true, nil
	case <-ctx.Done():
		return a, true, ctx.Err()
	}
}
