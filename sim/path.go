package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// path is one host's data path: flows are picked from the very table that the
// host made, and what became of them is told to it.
type path struct {
	host      *simHost
	table     *balance.Table
	backends  map[string]*meter
	listeners map[string]*meter
	pools     map[string]*poolState
	bound     map[string]string // listener to address
	sick      map[string]bool
	flows     []*flow // that can be cut or lost, oldest first
}

// meter counts for one backend or listener.
type meter struct {
	active, limit int64
	totals        api.Totals
	latency       host.Histogram // of this second
	speed         balance.Latency
	trouble       balance.Trouble
	lost          bool // it is down and others of its pool are not
}

// poolState is what outlives a table of one pool.
type poolState struct {
	turn     uint64
	budget   balance.Budget
	affinity *balance.Affinity
	keep     time.Duration
}

// flow is an open one.
type flow struct {
	backend, address string
	life             int // of the process it is connected to
	process          *process
	end              func(reason string)
	lost             func() // nil: it stays whatever its probes say
}

func newPath(h *simHost) *path {
	return &path{
		host: h, table: &balance.Table{}, backends: map[string]*meter{}, listeners: map[string]*meter{},
		pools: map[string]*poolState{}, bound: map[string]string{}, sick: map[string]bool{},
	}
}

// Active implements balance.Loads.
func (p *path) Active(i int) int64 { return p.backends[p.table.Backends[i].Spec.Name].active }

// Latency implements balance.Loads.
func (p *path) Latency(i int) time.Duration {
	return p.backends[p.table.Backends[i].Spec.Name].speed.Now(p.host.world.now)
}

// apply puts a table into force and answers for each listener whose binding
// changed.
func (p *path) apply(t *balance.Table) []host.Bound {
	p.table = t
	for i := range t.Backends {
		s := t.Backends[i].Spec
		m, ok := p.backends[s.Name]
		if !ok {
			m = &meter{}
			p.backends[s.Name] = m
		}
		m.limit = int64(s.FlowsMax)
	}
	for i := range t.Pools {
		s := t.Pools[i].Spec
		st, ok := p.pools[s.Name]
		if !ok {
			st = &poolState{}
			p.pools[s.Name] = st
		}
		st.budget.Share = s.Retry.Budget.Share()
		if keep := s.Persistence.For.D(); s.Persistence.Kind != spec.PersistSource {
			st.affinity = nil
		} else if st.affinity == nil || st.keep != keep {
			st.affinity, st.keep = balance.NewAffinity(keep), keep
		}
	}
	for i := range t.Backends {
		b, pool := &t.Backends[i], &t.Pools[t.Backends[i].Pool]
		m := p.backends[b.Spec.Name]
		lost := !b.Up && !pool.Panic && len(pool.Members) > 0
		if m.lost && !lost {
			m.trouble.Reached()
		}
		if m.lost = lost; lost {
			p.lose(b.Spec.Name)
		}
	}
	return p.bind()
}

// bind brings the listeners to what the table says. A sick one is tried again
// each second.
func (p *path) bind() []host.Bound {
	var news []host.Bound
	wanted := map[string]bool{}
	for i := range p.table.Listeners {
		l := &p.table.Listeners[i]
		name := l.Spec.Name
		wanted[name] = true
		if p.bound[name] == l.Bind {
			continue
		}
		if p.host.cannotBind() {
			delete(p.bound, name)
			if !p.sick[name] {
				p.sick[name] = true
				news = append(news, host.Bound{Listener: name, Address: l.Bind, Reason: "the address is in use by another program"})
			}
			continue
		}
		p.bound[name] = l.Bind
		delete(p.sick, name)
		if p.listeners[name] == nil {
			p.listeners[name] = &meter{}
		}
		news = append(news, host.Bound{Listener: name, Address: l.Bind, OK: true})
	}
	for name := range p.bound {
		if !wanted[name] {
			delete(p.bound, name)
		}
	}
	for name := range p.sick {
		if !wanted[name] {
			delete(p.sick, name)
		}
	}
	return news
}

// lose tells those who wait for a backend that others could serve them.
func (p *path) lose(backend string) {
	for _, f := range slices.Clone(p.flows) {
		if f.backend == backend && f.lost != nil {
			f.lost()
		}
	}
}

// cut closes flows.
func (p *path) cut(c balance.Cut) {
	for _, f := range slices.Clone(p.flows) {
		if f.backend == c.Backend && (c.Address == "" || c.Address == f.address) {
			f.end("cut")
		}
	}
}

// died ends the long flows to a process that is gone.
func (p *path) died(x *process) {
	if !p.host.world.net.open(x.name, p.host.name) {
		return // nobody hears of it; the flows end in their own time
	}
	for _, f := range slices.Clone(p.flows) {
		if f.process == x && f.life == x.life {
			f.end("connection reset")
		}
	}
}

func (p *path) forget(f *flow) {
	if i := slices.Index(p.flows, f); i >= 0 {
		p.flows = slices.Delete(p.flows, i, i+1)
	}
}

// place is one flow's place on a backend.
type place struct {
	index            int
	backend, address string
	pool             *spec.Pool
	meter            *meter
}

// acquire picks a backend as system/proxy/flow does: a full one is passed over.
func (p *path) acquire(pool int, source netip.Addr, tried []string) (place, bool) {
	t, w := p.table, p.host.world
	ps := &t.Pools[pool]
	st := p.pools[ps.Spec.Name]
	q := balance.Query{Turn: st.turn, Stick: balance.None, Key: balance.HashSource(source), Random: w.rand.Uint64()}
	st.turn++
	index := func(name string) int {
		for i := ps.First; i < ps.First+ps.Count; i++ {
			if t.Backends[i].Spec.Name == name {
				return i
			}
		}
		return balance.None
	}
	for _, name := range tried {
		q.Tried = append(q.Tried, index(name))
	}
	if st.affinity != nil {
		q.Stick = index(st.affinity.Get(w.now, source))
	}
	stuck := q.Stick
	give := func(i int) place {
		b := &t.Backends[i]
		m := p.backends[b.Spec.Name]
		w.checks.pick(p.host, pool, i, i == stuck)
		w.trace.mark(w.now, b.Spec.Name, uint64(m.active))
		m.active++
		m.totals.Flows++
		if st.affinity != nil {
			st.affinity.Set(w.now, source, b.Spec.Name)
		}
		return place{i, b.Spec.Name, b.Address, ps.Spec, m}
	}
	full := func(i int) bool {
		m := p.backends[t.Backends[i].Spec.Name]
		return m.limit > 0 && m.active >= m.limit
	}
	var passed []int // because they refuse connections
	anyFull := false
	for {
		i := t.Pick(pool, q, p)
		switch {
		case i == balance.None && !anyFull && len(passed) > 0 && !full(passed[0]):
			return give(passed[0]), true // it may be back
		case i == balance.None:
			return place{}, false
		case p.backends[t.Backends[i].Spec.Name].trouble.Shuns(w.now):
			passed = append(passed, i)
		case full(i):
			anyFull = true
		default:
			for _, o := range passed {
				p.hurt(t.Backends[o].Spec.Name, ps.Spec, (*balance.Trouble).Spared)
			}
			return give(i), true
		}
		q.Tried, q.Stick = append(q.Tried, i), balance.None
	}
}

// hurt counts what speaks against a backend, and tells the host when it is
// enough.
func (p *path) hurt(backend string, pool *spec.Pool, count func(*balance.Trouble)) {
	t := &p.backends[backend].trouble
	count(t)
	if o, ok := t.Report(p.host.world.now, backend, pool.Ejection.Failures); ok {
		p.host.later(host.Saw{Outcomes: o})
	}
}

// done gives a place back and says how it went.
func (p *path) done(at place, failed bool, reason string) {
	at.meter.active--
	if !failed {
		at.meter.trouble.Succeeded()
		return
	}
	at.meter.totals.Errors++
	p.hurt(at.backend, at.pool, func(t *balance.Trouble) { t.Failed(p.host.world.now, reason, reason == reasonRefused) })
}

// answered counts the time to the first byte.
func (m *meter) answered(now instant.Instant, d time.Duration) {
	m.latency.Add(d)
	m.speed = m.speed.Add(now, d)
}

// readings are what was counted, and the latencies since the last time.
func (p *path) readings() host.Readings {
	read := func(all map[string]*meter) []host.Reading {
		out := make([]host.Reading, 0, len(all))
		for name, m := range all {
			out = append(out, host.Reading{Name: name, Active: m.active, Totals: m.totals, Latency: m.latency})
			m.latency = host.Histogram{}
		}
		slices.SortFunc(out, func(a, b host.Reading) int { return compare(a.Name, b.Name) })
		return out
	}
	return host.Readings{Listeners: read(p.listeners), Backends: read(p.backends)}
}

// client is where a request comes from.
func client(n uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
}

const errNobody = "no backend can take it"
