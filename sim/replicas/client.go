package replicas

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// client uses the facts through whatever host it likes, one operation after
// another, and writes down what it asked and what it heard.
type client struct {
	w     *World
	name  int
	stop  bool
	known map[string]known // by group and key
	count int
}

// known is what the client read of a key last.
type known struct {
	value    string
	revision uint64
}

func newClient(w *World, name int) *client {
	c := &client{w: w, name: name, known: map[string]known{}}
	w.after(w.upTo(500*time.Millisecond), c.next)
	return c
}

// next does one operation.
func (c *client) next() {
	w := c.w
	if c.stop {
		return
	}
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	g := oneOf(w.rand, groupFleet, groupSite)
	// Keys are left behind after a while, so that their histories stay short enough
	// to be checked.
	key := fmt.Sprintf("k%d-%d", w.rand.IntN(w.knobs.Keys), w.used/(60*w.knobs.Keys))
	w.used++
	o := &operation{group: g, key: key, called: w.now}
	patience := oneOf(w.rand, 300*time.Millisecond, time.Second, 3*time.Second)
	was, read := c.known[o.where()]
	if kind := w.rand.IntN(5); kind < 2 || kind == 2 && !read {
		o.kind = opRead
		c.read(h, o, patience)
		return
	}
	c.count++
	o.value = fmt.Sprintf("c%d-%d", c.name, c.count)
	t := facts.Txn{Ops: []facts.Op{{Key: key, Value: []byte(o.value)}}}
	o.kind = opWrite
	if read && w.rand.IntN(3) > 0 {
		o.kind, o.expect = opSwap, was.value
		t.If = []facts.Cond{{Key: key, Revision: was.revision}}
		if w.rand.IntN(8) == 0 {
			o.value = ""
			t.Ops[0] = facts.Op{Key: key, Delete: true}
		}
	}
	c.write(h, o, t, patience)
}

func (c *client) again() { c.w.after(c.w.upTo(2*c.w.knobs.Think), c.next) }

func (c *client) read(h *host, o *operation, patience time.Duration) {
	w := c.w
	query := facts.EncodeQuery(facts.Get{Key: o.key})
	done := func(a replica.Answer) {
		if a.Reason == "" {
			answer, err := facts.DecodeAnswer(a.Result)
			if err != nil {
				w.fail("answers", "%v", err)
			}
			if len(answer.Facts) > 0 {
				o.value = string(answer.Facts[0].Value)
				c.known[o.where()] = known{o.value, answer.Facts[0].Revision}
			} else {
				c.known[o.where()] = known{}
			}
			o.returned = w.now
			w.check.record(o)
		}
		c.again()
	}
	if w.plant.stale && h.up && w.now >= h.paused {
		if m := h.groups.Machine(o.group); m != nil {
			done(replica.Answer{Result: m.Query(query)})
			return
		}
	}
	h.ask(func(request uint64) replica.Event {
		return replica.Read{Request: request, Group: o.group, Query: query, For: patience}
	}, done)
}

func (c *client) write(h *host, o *operation, t facts.Txn, patience time.Duration) {
	w := c.w
	h.ask(func(request uint64) replica.Event {
		return replica.Propose{Request: request, Group: o.group, Command: facts.Encode(t), For: patience}
	}, func(a replica.Answer) {
		o.returned = w.now
		delete(c.known, o.where())
		// For all other reasons nothing was done.
		//exhaustive:ignore
		switch a.Reason {
		case "":
			r, err := facts.DecodeResult(a.Result)
			if err != nil {
				w.fail("answers", "%v", err)
			}
			o.refused = r.Reason == facts.ReasonChanged
			if r.Reason == facts.ReasonNone {
				c.known[o.where()] = known{o.value, r.Revision}
				if o.value == "" {
					c.known[o.where()] = known{}
				}
			}
			w.check.record(o)
		case replica.ReasonUnknown, replica.ReasonHalted:
			o.returned = instant.Never
			w.check.record(o)
		}
		c.again()
	})
}
