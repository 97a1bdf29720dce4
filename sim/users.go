package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// users are the built-in clients and a drill's probes: open loops, as those of
// system/traffic are.
type users struct {
	world  *World
	groups map[string]*group
	probes *witness // of the drill under way
	long   uint64   // long flows begun

	requests, failed uint64 // of the built-in clients
	newestFailure    instant.Instant
}

// group is one group of clients.
type group struct {
	name      string
	seq       uint64
	totals    api.Totals
	latency   host.Histogram
	lastError string
	ended     bool
}

// apply ends clients that left the spec.
func (u *users) apply(s *spec.Fleet) {
	for name, g := range u.groups {
		if s.ClientsOf(name) == nil {
			g.ended = true
			delete(u.groups, name)
		}
	}
}

// begin starts clients.
func (u *users) begin(names []string) {
	for _, name := range names {
		if u.groups[name] != nil && u.world.epoch > 1 {
			continue // they go on over coordinators here
		}
		if u.groups[name] != nil {
			u.world.fail("begin", "clients %s begin twice", name)
			return
		}
		g := &group{name: name}
		u.groups[name] = g
		u.next(g)
		u.read(g)
	}
}

func (u *users) next(g *group) {
	w := u.world
	c := w.spec.ClientsOf(g.name)
	if g.ended || c == nil {
		return
	}
	every := time.Duration(float64(time.Second) / c.Rate)
	w.queue.Add(w.now.Add(every), func() {
		u.one(g)
		u.next(g)
	})
}

// one is one request of one user.
func (u *users) one(g *group) {
	w := u.world
	c := w.spec.ClientsOf(g.name)
	if g.ended || c == nil {
		return
	}
	l := w.spec.Listener(c.Listener)
	h := w.host(l.Hosts[g.seq%uint64(len(l.Hosts))])
	began := w.now
	g.seq++
	w.serve(h, l, client(g.seq*7), c.Timeout.D(), func(a answer) {
		g.totals.Requests++
		u.requests++
		if a.ok {
			g.latency.Add(w.now.Sub(began))
			return
		}
		u.failed++
		u.newestFailure = w.now
		g.totals.Errors++
		g.lastError = h.name + ": " + a.reason
	})
}

// read hands over what a group saw, once a second.
func (u *users) read(g *group) {
	w := u.world
	w.queue.Add(w.now.Add(time.Second), func() {
		if g.ended {
			return
		}
		w.tellFleet(fleet.ClientsRead{Name: g.name, Reading: host.Reading{Name: g.name, Totals: g.totals, Latency: g.latency}, LastError: g.lastError})
		g.latency, g.lastError = host.Histogram{}, ""
		u.read(g)
	})
}

// flows opens long flows for ever.
func (u *users) flows() {
	w := u.world
	if w.knobs.FlowEvery <= 0 {
		return
	}
	w.queue.Add(w.now.Add(between(w.rand, 0, 2*w.knobs.FlowEvery)), func() {
		if len(w.spec.Listeners) > 0 {
			l := &w.spec.Listeners[w.rand.IntN(len(w.spec.Listeners))]
			h := w.host(l.Hosts[w.rand.IntN(len(l.Hosts))])
			u.long++
			w.connect(h, l, client(u.long%97), between(w.rand, 0, w.knobs.FlowMax))
		}
		u.flows()
	})
}

// witness is the probes of one drill.
type witness struct {
	order   fleet.ProbesOrder
	seq     uint64
	samples []drill.Sample
	ended   bool
}

// deliverEvery is how often samples are handed over.
const deliverEvery = 50 * time.Millisecond

// startProbes begins to measure for a drill, and ends what measured before.
func (u *users) startProbes(o fleet.ProbesOrder) {
	u.stopProbes()
	p := &witness{order: o}
	u.probes = p
	u.sample(p)
	u.deliver(p)
}

func (u *users) stopProbes() {
	if u.probes != nil {
		u.probes.ended = true
		u.probes = nil
	}
}

func (u *users) sample(p *witness) {
	w := u.world
	w.queue.Add(w.now.Add(p.order.Every), func() {
		l := w.spec.Listener(p.order.Clients.Listener)
		if p.ended || l == nil {
			return
		}
		h := w.host(l.Hosts[p.seq%uint64(len(l.Hosts))])
		p.seq++
		began := w.now
		w.serve(h, l, client(p.seq), p.order.Clients.Timeout.D(), func(a answer) {
			if p.ended {
				return
			}
			s := drill.Sample{At: began, Took: w.now.Sub(began), OK: a.ok, Reason: a.reason}
			p.samples = append(p.samples, s)
			w.checks.sample(p, s)
		})
		u.sample(p)
	})
}

func (u *users) deliver(p *witness) {
	w := u.world
	w.queue.Add(w.now.Add(deliverEvery), func() {
		if p.ended {
			return
		}
		if len(p.samples) > 0 {
			w.tellFleet(fleet.Sampled{Drill: p.order.Drill, Run: p.order.Run, Samples: p.samples})
			p.samples = nil
		}
		u.deliver(p)
	})
}
