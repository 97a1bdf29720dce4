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
	dirty     bool
}

type pool struct {
	spec     *spec.Pool
	backends []*backend // sorted by name
	panics   bool
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
func New() *Balancer { return &Balancer{byName: map[string]*backend{}, table: &Table{}} }

// Step tells the Balancer one event and adds what must be done to out.
func (b *Balancer) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case SetSpec:
		b.setSpec(now, ev)
	case SetHealth:
		if x, ok := b.byName[ev.Backend]; ok {
			b.dirty = b.dirty || x.health.Forced != ev.Health.Forced // it counts in a panic
			x.setHealth(now, ev)
		}
	case SetWeight:
		if x, ok := b.byName[ev.Backend]; ok {
			w := ev.Weight
			x.weight = &w
			b.dirty = true
		}
	case Drain:
		if x, ok := b.byName[ev.Backend]; ok && !x.drains {
			d := ev.For
			if d <= 0 {
				d = x.pool.spec.DrainFor.D()
			}
			x.drains, x.drained, x.drainTo = true, false, now.Add(d)
		}
	case Undrain:
		if x, ok := b.byName[ev.Backend]; ok && x.drains {
			x.drains, x.drained, x.drainTo = false, false, instant.Never
			x.rise(now)
		}
	case Outcomes:
		if x, ok := b.byName[ev.Backend]; ok {
			x.eject(now, ev)
		}
	case Active:
		if x, ok := b.byName[ev.Backend]; ok && x.drains && ev.Flows == 0 {
			x.drained = true
		}
	case Wake:
	}
	b.expire(now, out)
	b.settle(now, out)
}

// Deadline is when the Balancer next wants Wake.
func (b *Balancer) Deadline() instant.Instant {
	next := instant.Never
	if len(b.leaving) > 0 {
		next = b.leaving[0].to
	}
	for _, p := range b.pools {
		for _, x := range p.backends {
			if x.drains && !x.drained {
				next = min(next, x.drainTo)
			}
			if x.ejectedTo > 0 {
				next = min(next, x.ejectedTo)
			}
			if x.riseFrom != instant.Never {
				next = min(next, x.riseFrom.Add(p.spec.SlowStart.D()*time.Duration(x.step+1)/riseSteps))
			}
		}
	}
	return next
}

func (b *Balancer) setSpec(now instant.Instant, ev SetSpec) {
	old := b.byName
	b.byName = map[string]*backend{}
	b.pools = b.pools[:0]
	for i := range ev.Pools {
		p := &pool{spec: &ev.Pools[i]}
		for j := range p.spec.Backends {
			s := &p.spec.Backends[j]
			x, ok := old[s.Name]
			if ok && (x.pool.spec.Name != p.spec.Name || x.spec.Address != s.Address || x.spec.Port != s.Port) {
				b.leave(now, x) // the same name, another service
				ok = false
			}
			if !ok {
				x = &backend{since: now, health: api.Combine(api.Unknown, ""), why: "not measured yet", drainTo: instant.Never, riseFrom: instant.Never}
			} else if x.spec.WeightNow() != s.WeightNow() {
				x.weight = nil
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
		return cmp.Or(cmp.Compare(p.to, q.to), cmp.Compare(p.cut.Backend, q.cut.Backend))
	})
	b.setListeners(ev)
	b.dirty = true
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
	b.leaving = append(b.leaving, leaving{Cut{x.spec.Name, x.spec.AddrPort()}, to})
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
	if e.Off || o.InARow < e.Failures || x.ejectedTo > 0 || !x.takesFlows() {
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

// expire carries out the deadlines that have come.
func (b *Balancer) expire(now instant.Instant, out *Effects) {
	for len(b.leaving) > 0 && b.leaving[0].to.Reached(now) {
		out.Cut = append(out.Cut, b.leaving[0].cut)
		b.leaving = b.leaving[1:]
	}
	for _, p := range b.pools {
		for _, x := range p.backends {
			if x.drains && !x.drained && x.drainTo.Reached(now) {
				x.drained = true
				out.Cut = append(out.Cut, Cut{Backend: x.spec.Name})
			}
			if x.ejectedTo > 0 && x.ejectedTo.Reached(now) {
				x.ejectedTo = 0
				x.rise(now)
			}
			if x.riseFrom == instant.Never {
				continue
			}
			step := riseSteps
			if s := p.spec.SlowStart.D(); s > 0 {
				step = int(now.Sub(x.riseFrom) * riseSteps / s)
			}
			if step >= riseSteps {
				x.riseFrom = instant.Never
				b.dirty = true
			} else if step != x.step {
				x.step = step
				b.dirty = true
			}
		}
	}
}

// settle works out every phase and, when anything changed, a new table.
func (b *Balancer) settle(now instant.Instant, out *Effects) {
	for _, p := range b.pools {
		primary := false
		for _, x := range p.backends {
			primary = primary || !x.spec.Backup && x.takesFlows() && x.ejectedTo == 0
		}
		for _, x := range p.backends {
			phase, reason := x.judge(now, primary)
			if phase != x.phase {
				out.Changes = append(out.Changes, Change{Backend: x.spec.Name, Pool: p.spec.Name, Phase: phase, Before: x.phase, Reason: reason})
				x.phase, x.since = phase, now
				b.dirty = true
			}
			x.reason = reason
		}
		if panics, reason := p.tooFew(); panics != p.panics {
			p.panics, b.dirty = panics, true
			out.Panics = append(out.Panics, PanicChange{Pool: p.spec.Name, Panic: panics, Reason: reason})
		}
	}
	if b.dirty {
		b.dirty = false
		b.table = b.build()
		out.Table = b.table
	}
}

// judge returns a backend's phase and why. primary says that a backend of the
// pool that is no backup takes flows.
func (x *backend) judge(now instant.Instant, primary bool) (api.Phase, string) {
	switch {
	case x.health.Effective != api.Up:
		return api.PhaseOut, x.why
	case x.drains && x.drained:
		return api.PhaseDrained, "drained, no flow is left"
	case x.drains:
		return api.PhaseDraining, "drained by an operator"
	case x.weightNow() == 0:
		return api.PhaseIdle, "its weight is 0"
	case x.ejectedTo > 0:
		return api.PhaseEjected, x.ejectedWhy
	case x.spec.Backup && primary:
		return api.PhaseStandby, "a backup that is not needed"
	case x.riseFrom != instant.Never:
		return api.PhaseRising, "slow start after it came back"
	}
	return api.PhaseServing, x.why
}

// tooFew reports whether so little weight is usable that all is used.
func (p *pool) tooFew() (bool, string) {
	if p.spec.Panic <= 0 {
		return false, ""
	}
	usable, all := 0, 0
	for _, x := range p.backends {
		if x.spec.Backup || x.drains || x.health.Forced == api.Down {
			continue
		}
		all += x.weightNow()
		if x.takesFlows() && x.ejectedTo == 0 {
			usable += x.weightNow()
		}
	}
	if all == 0 || float64(usable) >= p.spec.Panic.Share()*float64(all) {
		return false, fmt.Sprintf("%d of %d of its weight is usable again", usable, all)
	}
	return true, fmt.Sprintf("only %d of %d of its weight is usable, less than %s: all its backends are used", usable, all, p.spec.Panic)
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
		if p.panics {
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
