package stream

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/carry"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// carried is one flow on a loop. What is not said to be for others belongs to
// the loop's goroutine.
type carried struct {
	server *Server
	loop   *carry.Loop
	pair   *carry.Pair
	origin origin
	quest  quest
	first  []byte // of the client, read before the loop had it
	most   time.Duration

	place    *flow.Place
	began    time.Time // of the attempt to connect
	unowned  int       // bytes of the PROXY header that are not sent yet: they are not the client's
	answered bool

	sweeps int          // seen; the sweeper's
	last   atomic.Int64 // for all: when bytes were seen last, on the loop's clock
}

// carry gives a connection to a loop. first was read of it already.
func (s *Server) carry(ctx context.Context, l *carry.Loop, fd int, o origin, pool string, set *front.Settings, first []byte) {
	c := &carried{server: s, loop: l, origin: o, quest: s.newQuest(pool, o.from.Addr()), first: first, most: set.Spec.Established.D()}
	c.last.Store(int64(carry.Since(time.Now())))
	c.pair = l.New(fd, c)
	added := s.add(c)
	l.Do(func() {
		if !added {
			c.over()
			return
		}
		c.try(ctx)
	})
}

// over ends a flow that has no place.
func (c *carried) over() {
	// A plain close would look like an empty answer.
	if c.pair.End(true) {
		c.server.remove(c)
		c.server.front.Meter.FlowClose()
	}
}

// fail ends a flow that nobody takes.
func (c *carried) fail() {
	c.server.front.Meter.Error()
	c.over()
}

// try looks for a backend that begins to connect.
func (c *carried) try(ctx context.Context) {
	for {
		place, err := c.quest.place(ctx, true)
		if errors.Is(err, flow.ErrFull) {
			go c.queue(ctx)
			return
		}
		if err != nil {
			c.fail()
			return
		}
		if c.connect(ctx, place) {
			return
		}
	}
}

// queue waits for a place, which a loop must not.
func (c *carried) queue(ctx context.Context) {
	place, err := c.quest.place(ctx, false)
	c.loop.Do(func() {
		_, open := c.pair.Client()
		switch {
		case err != nil && open:
			c.fail()
		case err != nil:
		case !open:
			place.Done(flow.Outcome{Client: true})
		case !c.connect(ctx, place):
			c.try(ctx)
		}
	})
}

// connect begins to connect to a place's backend. It returns false when another
// one is to be tried.
func (c *carried) connect(ctx context.Context, place *flow.Place) (settled bool) {
	c.place, c.began = place, time.Now()
	to, err := netip.ParseAddrPort(place.Address)
	if err == nil {
		err = c.pair.Connect(to, place.Pool.Upstream.Connect.D(), func(err error) { c.connected(ctx, err) })
	}
	if err == nil {
		return true
	}
	return c.missed(err)
}

// connected takes what became of the connecting.
func (c *carried) connected(ctx context.Context, err error) {
	if err != nil {
		if !c.missed(err) {
			c.try(ctx)
		}
		return
	}
	c.quest.reached(c.place, time.Since(c.began))
	if v := c.place.Pool.Upstream.Proxy; v != spec.ProxyOff {
		if !c.origin.to.IsValid() {
			fd, _ := c.pair.Client()
			c.origin.to = carry.Local(fd)
		}
		p := preamble(v, c.origin)
		c.unowned = len(p)
		c.first = append(p, c.first...)
	}
	if err := c.pair.Begin(c.first); err != nil {
		c.server.front.Meter.Error()
		c.end(true) // this host is out of something
		return
	}
	c.first = nil
	c.place.OnCut(c.abort)
}

// missed gives up a place whose backend was not reached. It returns true when
// the flow is over with that.
func (c *carried) missed(err error) (over bool) {
	place := c.place
	c.place = nil
	if c.quest.missed(place, err) {
		return false
	}
	c.fail()
	return true
}

// Moved implements carry.Flow. The backend's first bytes are its success.
func (c *carried) Moved(up bool, n int) {
	c.last.Store(int64(c.loop.Now()))
	m := c.server.front.Meter
	if up {
		header := min(n, c.unowned)
		c.unowned -= header
		if n -= header; n > 0 {
			m.In(int64(n))
			c.place.Meter.In(int64(n))
		}
		return
	}
	m.Out(int64(n))
	c.place.Meter.Out(int64(n))
	if !c.answered {
		c.answered = true
		c.place.Good()
	}
}

// Ended implements carry.Flow.
func (c *carried) Ended(down, up *carry.Failure) {
	c.done(outcome(c.server.front.Meter, carry.Judge(down, up, c.answered), c.answered))
}

// end ends the flow from here.
func (c *carried) end(broken bool) {
	if !c.pair.End(broken) {
		return
	}
	if c.place == nil { // it waits in a queue, and finds out when its turn comes
		c.server.front.Meter.Error()
		c.server.remove(c)
		c.server.front.Meter.FlowClose()
		return
	}
	c.done(flow.Outcome{Client: !c.answered})
}

func (c *carried) done(o flow.Outcome) {
	c.place.Done(o)
	c.server.remove(c)
	c.server.front.Meter.FlowClose()
}

// abort implements member.
func (c *carried) abort() { c.loop.Do(func() { c.end(true) }) }

// quietFor implements member.
func (c *carried) quietFor(now time.Time) time.Duration {
	return carry.Since(now) - time.Duration(c.last.Load())
}

// lasting is how many sweeps a flow has seen that is to last.
const lasting = 2

// swept implements member: one that lasts has the kernel ask after its backend.
func (c *carried) swept() {
	if c.sweeps < lasting {
		if c.sweeps++; c.sweeps == lasting {
			c.loop.Do(c.pair.KeepAlive)
		}
	}
}

// idle implements member.
func (c *carried) idle() time.Duration { return c.most }

// expire implements member.
func (c *carried) expire() {
	c.loop.Do(func() {
		if _, open := c.pair.Client(); open && c.pair.Quiet() > c.most {
			c.end(false)
		}
	})
}
