package traffic

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/cause"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

// ClientsOptions of RunClients.
type ClientsOptions struct {
	Name string
	Use  Use
	Rate float64 // requests a second, all together
	// Read takes what was seen, once a second. It is called by one goroutine at
	// a time.
	Read func(fleet.ClientsRead)
	Poll *poll.Poll // for small plain exchanges; nil: each has a goroutine
}

// How users are played.
const (
	// newEvery is how many requests of an address there are to each that comes
	// from a new user, on a connection of its own.
	newEvery = 10
	// usesMax is how many requests one connection carries: users come and go, and
	// flows that never end would stay where they are when backends come back.
	usesMax = 100
	// idleMax is how long a connection is kept unused, less than servers keep it.
	idleMax = 10 * time.Second
)

// RunClients uses a listener as its users would until ctx ends. Requests that
// are under way at the end are not counted.
func RunClients(ctx context.Context, o ClientsOptions) error {
	if err := o.Use.check(); err != nil {
		return err
	}
	if !(o.Rate > 0 && o.Rate <= 1e6) {
		return fmt.Errorf("traffic: clients %s have a rate of %v requests a second; expected 0.1 to 10000", o.Name, o.Rate)
	}
	every := time.Duration(float64(time.Second) / o.Rate)
	c := &clients{o: o, every: every, user: newUser(o.Use), idle: map[string][]*session{}}
	c.polled = c.quick()
	l := &load{every: every, slots: slotsFor(every, o.Use.Timeout), do: c.one, shed: c.shed}
	reading, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reading)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				c.read(time.Now())
			case <-ended:
				return
			}
		}
	}()
	var err error
	if c.polled == nil || c.polled.run(ctx) {
		err = l.run(ctx)
	}
	close(ended)
	<-reading
	c.closeIdle(time.Time{})
	return err
}

type clients struct {
	o     ClientsOptions
	every time.Duration
	user  *user
	// polled plays the users as long as all is plain; nil: goroutines do.
	polled *polled
	busy   atomic.Int64 // requests under way on goroutines

	mu        sync.Mutex
	idle      map[string][]*session // by address; the last one was used last
	second    host.Reading
	lastError string
}

// one is one request of one user.
func (c *clients) one(ctx context.Context, j job) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	n := uint64(len(c.o.Use.Addresses))
	address := c.o.Use.Addresses[j.seq%n]
	began := time.Now()
	deadline := began.Add(c.o.Use.Timeout)
	alone := (j.seq/n)%newEvery == newEvery-1
	var t tally
	s := c.take(address, began, alone)
	stale := s.conn != nil
	keep, err := c.try(ctx, s, address, j.seq, deadline, !alone, &t)
	if stale && err != nil && s.out == 0 && c.o.Use.web() && ctx.Err() == nil && time.Now().Before(deadline) {
		// The server closed a kept connection just as it was used again. Clients
		// ask again on another one (RFC 9112 section 9.3.1), and users see nothing.
		s = &session{user: c.user}
		t.retries++
		keep, err = c.try(ctx, s, address, j.seq, deadline, !alone, &t)
	}
	if err != nil && ctx.Err() != nil {
		return
	}
	t.took, t.err = time.Since(began), err
	c.count(address, &t)
	if keep {
		c.put(s)
	}
}

// tally is what one request did.
type tally struct {
	took           time.Duration
	in, out        int64
	flows, retries uint64
	err            error
}

// try sends the request over s, which it opens when it is not.
func (c *clients) try(ctx context.Context, s *session, address string, token uint64, deadline time.Time, more bool, t *tally) (keep bool, err error) {
	if s.conn == nil {
		t.flows++
		if err := s.open(ctx, address, deadline); err != nil {
			s.close()
			return false, err
		}
	}
	keep, err = s.exchange(token, deadline, more)
	t.in, t.out = t.in+s.in, t.out+s.out
	if !keep || s.uses >= usesMax {
		s.close()
		keep = false
	}
	return keep, err
}

// take returns the connection to an address that was used last, or one that is
// not open yet.
func (c *clients) take(address string, now time.Time, alone bool) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.idle[address]
	if n := len(all); n > 0 && !alone {
		s := all[n-1]
		all[n-1], c.idle[address] = nil, all[:n-1]
		if now.Sub(s.idle) <= idleMax {
			return s
		}
		s.close()
	}
	return &session{user: c.user}
}

func (c *clients) put(s *session) {
	s.idle = time.Now()
	c.mu.Lock()
	c.idle[s.address] = append(c.idle[s.address], s)
	c.mu.Unlock()
}

// closeIdle closes the connections that are idle since before a time; the zero
// time closes all.
func (c *clients) closeIdle(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, all := range c.idle {
		kept := all[:0]
		for _, s := range all {
			if before.IsZero() || s.idle.Before(before) {
				s.close()
			} else {
				kept = append(kept, s)
			}
		}
		clear(all[len(kept):])
		c.idle[address] = kept
	}
}

// count adds one request to the second. One that this host could not send is
// none: it says nothing of the listener.
func (c *clients) count(address string, t *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.err != nil && cause.Ours(t.err) {
		c.lastError = "not sent, this host cannot: " + cause.Of(t.err, c.o.Use.Timeout)
		return
	}
	r := &c.second
	r.Totals.Requests++
	r.Totals.Flows += t.flows
	r.Totals.Retries += t.retries
	r.Totals.InBytes += uint64(t.in)
	r.Totals.OutBytes += uint64(t.out)
	if t.err != nil {
		r.Totals.Errors++
		c.lastError = address + ": " + cause.Of(t.err, c.o.Use.Timeout)
		return
	}
	r.Latency.Add(t.took)
}

// shed notes a request that found no place: this host could not keep up, which
// says nothing of the listener.
func (c *clients) shed(job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastError = fmt.Sprintf("not sent, this host cannot keep up: %d requests are under way", slotsFor(c.every, c.o.Use.Timeout))
}

// read hands over the second.
func (c *clients) read(now time.Time) {
	c.closeIdle(now.Add(-idleMax))
	open := int(c.busy.Load())
	if c.polled != nil {
		open += c.polled.closeIdle(now.Add(-idleMax))
	}
	c.mu.Lock()
	out := fleet.ClientsRead{Name: c.o.Name, Reading: c.second, LastError: c.lastError}
	out.Reading.Name, out.Reading.Active = c.o.Name, int64(open)
	for _, all := range c.idle {
		out.Reading.Active += int64(len(all))
	}
	c.second.Latency, c.lastError = host.Histogram{}, ""
	c.mu.Unlock()
	c.o.Read(out)
}

// Clients returns the options of a spec's clients.
func Clients(f *spec.Fleet, c spec.Clients) (ClientsOptions, error) {
	u, err := Of(f, c)
	return ClientsOptions{Name: c.Name, Use: u, Rate: c.Rate}, err
}
