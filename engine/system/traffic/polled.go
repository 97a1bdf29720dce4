package traffic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/plain"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

// quickRateMax bounds the rate of clients on a Poll, which has one goroutine for
// a whole fleet's deadlines and probes; more than that is a load, and has
// goroutines of its own.
const quickRateMax = 500

// burstMax bounds how many requests are sent at a time to make up for lost time:
// answers want to be read in between.
const burstMax = 8

// lookMax bounds an answer on a Poll, head and body.
const lookMax = 4096

// polled plays users on a Poll: plain requests for small plain answers. Each is
// one write, one wait and one read. The first answer that is anything else ends
// it, and the clients go on with goroutines.
type polled struct {
	c    *clients
	poll *poll.Poll
	to   []netip.AddrPort // of Use.Addresses
	beat *poll.Alarm
	zero time.Time // when request 0 is due
	odd  chan struct{}

	mu    sync.Mutex
	sent  uint64
	idle  map[netip.AddrPort][]*line // the last one was used last
	calls map[*line]struct{}         // lines with a request under way
	ended bool
}

// line is one connection to a listener.
type line struct {
	p      *polled
	socket int // -1: none
	to     netip.AddrPort
	uses   int
	since  time.Time // it is idle
	late   *poll.Alarm

	// The request under way.
	at           int // of the address
	began        time.Time
	alone, stale bool
	send         string
	got          []byte
	tally        tally
}

// quick returns clients on the options' Poll; nil when they are none for that.
func (c *clients) quick() *polled {
	u := &c.o.Use
	if c.o.Poll == nil || !u.web() || u.TLS || c.o.Rate > quickRateMax || u.Proxy != "" && u.Proxy != spec.ProxyOff {
		return nil
	}
	p := &polled{c: c, poll: c.o.Poll, odd: make(chan struct{}), idle: map[netip.AddrPort][]*line{}, calls: map[*line]struct{}{}}
	for _, a := range u.Addresses {
		to, err := netip.ParseAddrPort(a)
		if err != nil || to.Addr().Zone() != "" {
			return nil
		}
		p.to = append(p.to, to)
	}
	// Clients of one rate keep one beat, so that one waking serves them all.
	now := time.Now()
	p.zero = now.Add(c.every - time.Duration(now.UnixNano()%int64(c.every)))
	p.beat = p.poll.NewAlarm(p.due)
	return p
}

// run plays users until ctx ends or an answer is odd, and reports the latter.
// What is under way by then is not counted in the first case, and comes to its
// end in the second.
func (p *polled) run(ctx context.Context) (odd bool) {
	p.beat.Set(p.zero)
	select {
	case <-ctx.Done():
	case <-p.odd:
		odd = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.beat.Stop()
	for l := range p.calls {
		if odd {
			continue
		}
		delete(p.calls, l)
		l.hang()
	}
	for _, all := range p.idle {
		for _, l := range all {
			l.hang()
		}
	}
	clear(p.idle)
	return odd
}

// due sends what is due by now.
func (p *polled) due() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for sent := 0; !p.ended; {
		at := p.zero.Add(time.Duration(p.sent) * p.c.every)
		behind := time.Since(at)
		switch {
		case behind > behindMax:
			p.sent += uint64(behind / p.c.every)
		case behind < 0, sent == burstMax:
			p.beat.Set(at)
			return
		default:
			p.ask(p.sent)
			p.sent++
			sent++
		}
	}
}

// ask sends one request of one user. The caller holds the lock.
func (p *polled) ask(seq uint64) {
	if len(p.calls) >= slotsFor(p.c.every, p.c.o.Use.Timeout) {
		p.c.shed(job{})
		return
	}
	n := uint64(len(p.to))
	at := int(seq % n)
	alone := (seq/n)%newEvery == newEvery-1
	began := time.Now()
	l := p.take(p.to[at], began, alone)
	l.at, l.began, l.alone, l.stale, l.tally = at, began, alone, l.socket >= 0, tally{}
	l.begin()
}

// take returns the idle connection that was used last, or one that is not open
// yet. The caller holds the lock.
func (p *polled) take(to netip.AddrPort, now time.Time, alone bool) *line {
	if all := p.idle[to]; len(all) > 0 && !alone {
		l := all[len(all)-1]
		p.idle[to] = all[:len(all)-1]
		if now.Sub(l.since) <= idleMax {
			return l
		}
		l.hang()
	}
	l := &line{p: p, socket: -1, to: to, got: make([]byte, 0, lookMax)}
	l.late = p.poll.NewAlarm(l.expired)
	return l
}

// begin sends the request, over a connection that it opens where there is none.
// The caller holds the lock.
func (l *line) begin() {
	p, use := l.p, &l.p.c.o.Use
	p.calls[l] = struct{}{}
	l.uses++
	l.got = l.got[:0]
	heads := p.c.user.heads[use.Addresses[l.at]]
	if l.send = heads[1]; l.alone {
		l.send = heads[0]
	}
	l.late.Set(l.began.Add(use.Timeout))
	fresh := l.socket < 0
	if fresh {
		l.tally.flows++
		socket, err := poll.Dial(l.to)
		if err != nil {
			l.end(err, false)
			return
		}
		l.socket = socket
		poll.Reset(socket)
	}
	if err := l.write(); err != nil {
		l.end(err, false)
		return
	}
	if fresh {
		if err := p.poll.Watch(l.socket, len(l.send) > 0, l.ready); err != nil {
			l.end(err, false)
		}
	}
}

// write sends what is left of the request and there is room for.
func (l *line) write() error {
	for len(l.send) > 0 {
		n, err := poll.Send(l.socket, []byte(l.send))
		if errors.Is(err, syscall.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		l.tally.in += int64(n)
		l.send = l.send[n:]
	}
	return nil
}

// ready is called when the socket is.
func (l *line) ready() {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.socket < 0 {
		return
	}
	if _, busy := p.calls[l]; !busy {
		// Nobody asked: the server closed it, or says what nobody wants to hear.
		if _, err := poll.Receive(l.socket, l.got[:1]); !errors.Is(err, syscall.EAGAIN) {
			p.idle[l.to] = slices.DeleteFunc(p.idle[l.to], func(o *line) bool { return o == l })
			l.hang()
		}
		return
	}
	if err := l.write(); err != nil {
		l.end(err, false)
		return
	}
	for {
		n, err := poll.Receive(l.socket, l.got[len(l.got):cap(l.got)])
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			l.end(err, false)
			return
		}
		l.tally.out += int64(n)
		l.got = l.got[:len(l.got)+n]
		if l.judge() {
			return
		}
	}
}

// judge reports whether the request is over, by what has come so far. The caller
// holds the lock.
func (l *line) judge() (over bool) {
	head, ok := plain.Read(l.got)
	switch {
	case !ok && len(l.got) < cap(l.got) && begins(l.got) && !whole(l.got):
		return false
	case !ok, head.Length < 0, int64(head.Size)+head.Length > int64(cap(l.got)), head.Status == http.StatusNoContent, head.Status == http.StatusNotModified:
		l.strange()
		return true
	case int64(len(l.got)) < int64(head.Size)+head.Length:
		return false
	}
	keep := head.Keep && !l.alone && int64(len(l.got)) == int64(head.Size)+head.Length
	if head.Status >= 500 {
		l.end(errRefused{head.Status}, keep)
	} else {
		l.end(nil, keep)
	}
	return true
}

// end ends the request; keep says that the connection can carry another. The
// caller holds the lock.
func (l *line) end(err error, keep bool) {
	p := l.p
	delete(p.calls, l)
	if !keep || l.uses >= usesMax || p.ended {
		l.hang()
	}
	now := time.Now()
	if l.stale && err != nil && l.tally.out == 0 && !errors.Is(err, context.DeadlineExceeded) && !p.ended {
		// The server closed a kept connection just as it was used again; see one.
		again := p.take(l.to, now, true)
		again.at, again.began, again.alone, again.tally = l.at, l.began, l.alone, l.tally
		again.tally.retries++
		again.begin()
		return
	}
	l.tally.took, l.tally.err = now.Sub(l.began), err
	p.c.count(p.c.o.Use.Addresses[l.at], &l.tally)
	if l.socket >= 0 {
		l.late.Stop()
		l.since = now
		p.idle[l.to] = append(p.idle[l.to], l)
	}
}

// strange gives up on an answer that is none for a glance, and on a glance for
// these clients: its request is not counted. The caller holds the lock.
func (l *line) strange() {
	delete(l.p.calls, l)
	l.hang()
	select {
	case <-l.p.odd:
	default:
		close(l.p.odd)
	}
}

// expired ends a request that took too long. It is called at the end of the Poll
// too, when nothing is counted any more.
func (l *line) expired() {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if _, busy := l.p.calls[l]; busy && time.Since(l.began) >= l.p.c.o.Use.Timeout {
		l.end(context.DeadlineExceeded, false)
	}
}

// hang ends the connection, with a reset as close does. The caller holds the
// lock.
func (l *line) hang() {
	l.late.Stop()
	if l.socket >= 0 {
		l.p.poll.Forget(l.socket)
		poll.Close(l.socket)
		l.socket = -1
	}
}

// closeIdle closes the connections that are idle since before a time, and
// returns how many are open, those in use among them.
func (p *polled) closeIdle(before time.Time) (open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, all := range p.idle {
		p.idle[to] = slices.DeleteFunc(all, func(l *line) bool {
			if l.since.Before(before) {
				l.hang()
				return true
			}
			return false
		})
		open += len(p.idle[to])
	}
	return open + len(p.calls)
}

// begins reports whether b may be the beginning of an answer.
func begins(b []byte) bool {
	const version = "HTTP/1."
	n := min(len(b), len(version))
	return string(b[:n]) == version[:n]
}

// whole reports whether b holds the end of a head.
func whole(b []byte) bool {
	return bytes.Contains(b, []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\n\n"))
}
