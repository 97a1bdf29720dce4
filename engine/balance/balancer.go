package balance

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Balancer decides for the pools that one host serves.
type Balancer struct {
	listeners []Listener
	pools     []*pool // sorted by name
	byName    map[string]*backend
	leaving   []leaving // the soonest deadline first
	table     *Table    // the newest one
	dirty     bool      // it needs a new one
	next      instant.Instant
}

type pool struct {
	spec     *spec.Pool
	backends []*backend // sorted by name
	panics   bool
	said     bool            // of its panic, to people
	next     instant.Instant // when one of its backends wants something
	hashedAt instant.Instant // the newest hash table was built
	hashDue  instant.Instant // the next one is to be; Never: the newest is right
}

// backend is what is known of one backend. Its phase follows from the rest.
type backend struct {
	spec *spec.Backend
	pool *pool

	health api.Health
	why    string // of the health
	weight *int   // an operator's; nil: the spec's

	drains     bool
	drainTo    instant.Instant
	drained    bool
	ejectedTo  instant.Instant // 0: not ejected
	ejections  int
	ejectedAt  instant.Instant // the newest time
	ejectedWhy string
	riseFrom   instant.Instant // slow start began; Never: none
	step       int             // of the slow start that the table has

	phase  api.Phase
	since  instant.Instant
	reason string
}

// Slow start goes in steps: each is a new table.
const riseSteps = 10

// ejectionMemory is how long ejections add up.
const ejectionMemory = time.Hour

// ejectionFactorMax bounds how much longer a repeated ejection gets.
const ejectionFactorMax = 10

// New returns a Balancer that serves nothing yet.
func New() *Balancer {
	return &Balancer{byName: map[string]*backend{}, table: &Table{}, next: instant.Never}
}

// Step tells the Balancer one event and adds what must be done to out.
func (b *Balancer) Step(now instant.Instant, ev Event, out *Effects) {
	if set, ok := ev.(SetSpec); ok {
		b.setSpec(now, set)
		for _, p := range b.pools {
			b.settle(now, p, out)
		}
	} else if x := b.byName[about(ev)]; x != nil {
		b.tell(now, x, ev)
		b.settle(now, x.pool, out)
	}
	if b.next.Reached(now) {
		for _, p := range b.pools {
			if p.next.Reached(now) {
				b.settle(now, p, out)
			}
			b.dirty = b.dirty || p.hashDue.Reached(now)
		}
	}
	for len(b.leaving) > 0 && b.leaving[0].to.Reached(now) {
		out.Cut = append(out.Cut, b.leaving[0].cut)
		b.leaving = b.leaving[1:]
	}
	if b.dirty {
		b.dirty = false
		b.table = b.build(now)
		out.Table = b.table
	}
	b.next = instant.Never
	if len(b.leaving) > 0 {
		b.next = b.leaving[0].to
	}
	for _, p := range b.pools {
		b.next = min(b.next, p.next, p.hashDue)
	}
}

// about is the backend that an event concerns; empty without one.
func about(ev Event) string {
	switch ev := ev.(type) {
	case SetHealth:
		return ev.Backend
	case SetWeight:
		return ev.Backend
	case Drain:
		return ev.Backend
	case Undrain:
		return ev.Backend
	case Outcomes:
		return ev.Backend
	case Active:
		return ev.Backend
	case SetSpec, Wake:
	}
	return ""
}

// tell tells one backend what concerns it.
func (b *Balancer) tell(now instant.Instant, x *backend, ev Event) {
	switch ev := ev.(type) {
	case SetHealth:
		// It counts in a panic whether it is forced.
		b.dirty = b.dirty || x.health.Forced != ev.Health.Forced || (x.health.Effective == api.Up) != (ev.Health.Effective == api.Up)
		x.setHealth(now, ev)
	case SetWeight:
		w := min(max(ev.Weight, 0), WeightMax)
		b.dirty = b.dirty || x.weightNow() != w
		x.weight = &w
	case Drain:
		if !x.drains {
			d := ev.For
			if d <= 0 {
				d = x.pool.spec.DrainFor.D()
			}
			x.drains, x.drained, x.drainTo = true, false, now.Add(d)
			b.dirty = b.dirty || x.pool.panics // which uses also those that are out
		}
	case Undrain:
		if x.drains {
			x.drains, x.drained, x.drainTo = false, false, instant.Never
			x.rise(now)
			b.dirty = b.dirty || x.pool.panics || x.riseFrom == now
		}
	case Outcomes:
		x.eject(now, ev)
	case Active:
		// Clients that persistence ties to it come back between two flows, so it
		// has no last flow before its deadline.
		if x.drains && ev.Flows == 0 && !x.pool.persists() {
			x.drained = true
		}
	case SetSpec, Wake:
	}
}

func (p *pool) persists() bool {
	k := p.spec.Persistence.Kind
	return k != "" && k != spec.PersistOff
}

// Deadline is when the Balancer next wants Wake.
func (b *Balancer) Deadline() instant.Instant { return b.next }

func (b *Balancer) setSpec(now instant.Instant, ev SetSpec) {
	old, before := b.byName, b.pools
	b.byName, b.pools = map[string]*backend{}, nil
	for i := range ev.Pools {
		p := &pool{spec: &ev.Pools[i], next: instant.Never, hashDue: instant.Never}
		if j := slices.IndexFunc(before, func(o *pool) bool { return o.spec.Name == p.spec.Name }); j >= 0 {
			p.panics, p.said = before[j].panics, before[j].said
		}
		for j := range p.spec.Backends {
			s := &p.spec.Backends[j]
			x, ok := old[s.Name]
			if ok && x.spec.WeightNow() != s.WeightNow() {
				x.weight = nil
			}
			if !ok {
				x = fresh(now)
			} else if x.pool.spec.Name != p.spec.Name || x.spec.Address != s.Address || x.spec.Port != s.Port {
				// The same name, another service: what is known of the old one is void, what
				// operators said is about the name.
				b.leave(now, x)
				said := x
				x = fresh(now)
				x.weight, x.drains, x.drainTo = said.weight, said.drains, said.drainTo
			}
			x.spec, x.pool = s, p
			delete(old, s.Name)
			b.byName[s.Name] = x
			p.backends = append(p.backends, x)
		}
		slices.SortFunc(p.backends, func(a, c *backend) int { return cmp.Compare(a.spec.Name, c.spec.Name) })
		b.pools = append(b.pools, p)
	}
	slices.SortFunc(b.pools, func(a, c *pool) int { return cmp.Compare(a.spec.Name, c.spec.Name) })
	for _, x := range old {
		b.leave(now, x)
	}
	// Who is back at its old address keeps its flows.
	b.leaving = slices.DeleteFunc(b.leaving, func(l leaving) bool {
		x, ok := b.byName[l.cut.Backend]
		return ok && x.spec.AddrPort() == l.cut.Address
	})
	slices.SortFunc(b.leaving, func(p, q leaving) int {
		return cmp.Or(cmp.Compare(p.to, q.to), cmp.Compare(p.cut.Backend, q.cut.Backend), cmp.Compare(p.cut.Address, q.cut.Address))
	})
	b.setListeners(ev)
	b.dirty = true
}

// fresh is a backend of which nothing is known.
func fresh(now instant.Instant) *backend {
	return &backend{since: now, health: api.Combine(api.Unknown, ""), why: "not measured yet", drainTo: instant.Never, riseFrom: instant.Never}
}

// leaving is a backend that left the spec with flows that may go on for a
// while, as if it drained: a change of the spec breaks nobody's connection.
type leaving struct {
	cut Cut
	to  instant.Instant
}

func (b *Balancer) leave(now instant.Instant, x *backend) {
	to := now.Add(x.pool.spec.DrainFor.D())
	if x.drains {
		to = min(to, x.drainTo)
	}
	one := leaving{Cut{x.spec.Name, x.spec.AddrPort()}, to}
	// It may be leaving already, from an earlier time: then its newest flows
	// decide, and the list is no longer than there are addresses.
	if i := slices.IndexFunc(b.leaving, func(l leaving) bool { return l.cut == one.cut }); i >= 0 {
		b.leaving[i].to = max(b.leaving[i].to, to)
		return
	}
	b.leaving = append(b.leaving, one)
}

func (b *Balancer) setListeners(ev SetSpec) {
	index := func(name string) int {
		i, ok := slices.BinarySearchFunc(b.pools, name, func(p *pool, n string) int { return cmp.Compare(p.spec.Name, n) })
		if !ok {
			return None
		}
		return i
	}
	b.listeners = nil // the old slice belongs to tables that are still in use
	for i := range ev.Listeners {
		l := Listener{Spec: &ev.Listeners[i], Bind: ev.Bind[ev.Listeners[i].Name], Pool: index(ev.Listeners[i].Pool)}
		for _, r := range l.Spec.SNI {
			l.SNI = append(l.SNI, index(r.Pool))
		}
		b.listeners = append(b.listeners, l)
	}
	slices.SortFunc(b.listeners, func(a, c Listener) int { return cmp.Compare(a.Spec.Name, c.Spec.Name) })
}

func (x *backend) setHealth(now instant.Instant, ev SetHealth) {
	was := x.health.Effective
	x.health, x.why = ev.Health, ev.Reason
	if was == api.Down && ev.Health.Effective == api.Up {
		x.ejectedTo = 0
		x.rise(now)
	}
}

// rise begins a slow start.
func (x *backend) rise(now instant.Instant) {
	if x.pool.spec.SlowStart > 0 {
		x.riseFrom, x.step = now, 0
	}
}

// eject takes a backend out for a while when traffic fails on it.
func (x *backend) eject(now instant.Instant, o Outcomes) {
	e := x.pool.spec.Ejection
	if e.Off || o.InARow+o.Spared < e.Failures || x.ejectedTo > 0 || !x.takesFlows() {
		return
	}
	ejected, others := 0, 0
	for _, y := range x.pool.backends {
		switch {
		case y.ejectedTo > 0:
			ejected++
		case y != x && y.takesFlows():
			others++
		}
	}
	allowed := max(1, int(e.ShareMax.Share()*float64(len(x.pool.backends))))
	if others == 0 || ejected+1 > allowed || e.ShareMax == 0 {
		return
	}
	if now.Sub(x.ejectedAt) > ejectionMemory {
		x.ejections = 0
	}
	x.ejections++
	x.ejectedAt = now
	x.ejectedTo = now.Add(e.For.D() * time.Duration(min(x.ejections, ejectionFactorMax)))
	x.ejectedWhy = fmt.Sprintf("%s, %d in a row", o.Reason, o.InARow)
	if o.Spared > 0 {
		x.ejectedWhy += fmt.Sprintf(" and %d more kept away", o.Spared)
	}
}

// takesFlows reports whether a backend may get new flows, its pool's panic
// aside.
func (x *backend) takesFlows() bool {
	return x.health.Effective == api.Up && !x.drains && x.weightNow() > 0
}

func (x *backend) weightNow() int {
	if x.weight != nil {
		return *x.weight
	}
	return x.spec.WeightNow()
}

// Status returns a copy of every backend's state, sorted by name.
func (b *Balancer) Status() []BackendStatus {
	all := make([]BackendStatus, 0, len(b.byName))
	for i, p := range b.pools {
		shares := b.table.Shares(i)
		for j, x := range p.backends {
			s := BackendStatus{
				Backend: x.spec.Name, Pool: p.spec.Name, Phase: x.phase, Since: x.since, Reason: x.reason,
				Weight: x.weightNow(), Now: x.scaled(), Share: shares[j], DrainTo: instant.Never, Ejected: x.ejections,
			}
			if x.drains {
				s.DrainTo = x.drainTo
			}
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, c BackendStatus) int { return cmp.Compare(a.Backend, c.Backend) })
	return all
}

// Panics returns the names of the pools that use all their backends.
func (b *Balancer) Panics() []string {
	var all []string
	for _, p := range b.pools {
		if p.said {
			all = append(all, p.spec.Name)
		}
	}
	return all
}

// Health returns what the Balancer was last told of a backend's health.
func (b *Balancer) Health(backend string) api.Health {
	if x, ok := b.byName[backend]; ok {
		return x.health
	}
	return api.Combine(api.Unknown, "")
}
