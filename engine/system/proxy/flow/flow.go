package flow

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

// Why a flow gets no place.
var (
	ErrNobody       = errors.New("flow: no backend can take it")
	ErrFull         = errors.New("flow: every backend and its queue are full")
	ErrQueueTimeout = errors.New("flow: it waited in vain for a free place")
)

// Options of New.
type Options struct {
	Now    func() instant.Instant
	Report func(balance.Outcomes) // must not block
}

// Flows is the data path's view of the balancer.
type Flows struct {
	options Options
	now     atomic.Pointer[Snapshot]

	mu        sync.Mutex // serialises Swap, and the maps below
	backends  map[string]*Backend
	pools     map[string]*pool
	listeners map[string]*meter.Meter
}

// Snapshot is one table with the counters that outlive it.
type Snapshot struct {
	Table    *balance.Table
	flows    *Flows
	backends []*Backend // by index into Table.Backends
	pools    []*pool    // by index into Table.Pools
}

// pool is what outlives a table of one pool.
type pool struct {
	turn atomic.Uint64

	mu       sync.Mutex
	budget   balance.Budget
	affinity *balance.Affinity
	keep     time.Duration
}

// New returns Flows without a table.
func New(o Options) *Flows {
	f := &Flows{options: o, backends: map[string]*Backend{}, pools: map[string]*pool{}, listeners: map[string]*meter.Meter{}}
	f.now.Store(&Snapshot{Table: &balance.Table{}, flows: f})
	return f
}

// Swap puts a table into force. Flows that have their place keep it.
func (f *Flows) Swap(t *balance.Table) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &Snapshot{Table: t, flows: f, backends: make([]*Backend, len(t.Backends)), pools: make([]*pool, len(t.Pools))}
	keep := make(map[string]*Backend, len(t.Backends))
	for i := range t.Backends {
		spec := t.Backends[i].Spec
		b, ok := f.backends[spec.Name]
		if !ok {
			b = &Backend{flows: f, name: spec.Name, open: map[*Place]struct{}{}}
		}
		b.left = false
		b.limit.Store(int64(spec.FlowsMax))
		s.backends[i], keep[spec.Name] = b, b
	}
	for name, b := range f.backends {
		if _, ok := keep[name]; !ok && (b.Meter.Active() > 0 || !b.left) {
			// Until its last flow is gone, and past the flows that are getting their
			// place by the table before.
			keep[name], b.left = b, true
		}
	}
	f.backends = keep
	pools := make(map[string]*pool, len(t.Pools))
	for i := range t.Pools {
		ps := t.Pools[i].Spec
		p, ok := f.pools[ps.Name]
		if !ok {
			p = &pool{}
		}
		p.mu.Lock()
		p.budget.Share = ps.Retry.Budget.Share()
		if ps.Persistence.Kind != spec.PersistSource {
			p.affinity = nil
		} else if k := ps.Persistence.For.D(); p.affinity == nil || p.keep != k {
			p.affinity, p.keep = balance.NewAffinity(k), k
		}
		p.mu.Unlock()
		s.pools[i], pools[ps.Name] = p, p
	}
	f.pools = pools
	f.now.Store(s)
	for _, b := range s.backends {
		b.admit() // a limit may have been raised
	}
	for i, b := range s.backends {
		p := &t.Pools[t.Backends[i].Pool]
		b.setLost(!t.Backends[i].Up && !p.Panic && len(p.Members) > 0)
	}
}

// Now returns the snapshot in force.
func (f *Flows) Now() *Snapshot { return f.now.Load() }

// Active implements balance.Loads.
func (s *Snapshot) Active(i int) int64 { return s.backends[i].Meter.Active() }

// Latency implements balance.Loads.
func (s *Snapshot) Latency(i int) time.Duration {
	return s.backends[i].speed.load().Now(s.flows.options.Now())
}

// Listener returns a listener's meter.
func (f *Flows) Listener(name string) *meter.Meter {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.listeners[name]
	if !ok {
		m = &meter.Meter{}
		f.listeners[name] = m
	}
	return m
}

// Backends returns the backends in force and those that still have flows.
func (f *Flows) Backends() []*Backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Backend, 0, len(f.backends))
	for _, b := range f.backends {
		all = append(all, b)
	}
	return all
}

// Cut closes open flows.
func (f *Flows) Cut(all []balance.Cut) {
	for _, c := range all {
		f.mu.Lock()
		b := f.backends[c.Backend]
		f.mu.Unlock()
		if b != nil {
			b.cut(c.Address)
		}
	}
}

// Ask is one new flow.
type Ask struct {
	Pool    int // index into the table's pools
	Source  netip.Addr
	Key     uint64 // for qch and iqch; sch uses Source
	StickTo string // backend that a cookie names; empty none
	Tried   []string
	AtOnce  bool // do not wait in a queue: ErrFull instead
}

// Acquire picks a backend for a flow and counts the flow as open on it. It may
// wait in the queue of a backend that is full. The pool's index is of the
// snapshot that the caller looked it up in.
func (f *Flows) Acquire(ctx context.Context, s *Snapshot, ask Ask) (*Place, error) {
	if ask.Pool < 0 || ask.Pool >= len(s.pools) {
		return nil, ErrNobody
	}
	p, state := &s.Table.Pools[ask.Pool], s.pools[ask.Pool]
	q := balance.Query{Key: ask.Key, Turn: state.turn.Add(1) - 1, Stick: balance.None}
	switch p.Spec.Scheduler {
	case spec.SCH:
		q.Key = balance.HashSource(ask.Source)
	case spec.P2C:
		q.Random = rand.Uint64()
	case spec.RR, spec.WRR, spec.WLC, spec.QCH, spec.IQCH:
	}
	var tried [8]int
	q.Tried = tried[:0]
	for _, name := range ask.Tried {
		q.Tried = append(q.Tried, s.index(p, name))
	}
	stick := ask.StickTo
	if stick == "" && p.Spec.Persistence.Kind == spec.PersistSource {
		stick = state.stuck(f.options.Now(), ask.Source)
	}
	if stick != "" {
		q.Stick = s.index(p, stick)
	}
	// A backend that is full, or refuses connections, is passed over for another
	// one; its queue is the last resort.
	var full *Backend
	var fullAt int
	refusing := balance.None
	var passed []*Backend
	for {
		i := s.Table.Pick(ask.Pool, q, s)
		if i == balance.None {
			break
		}
		b := s.backends[i]
		switch {
		case b.shuns():
			passed = append(passed, b)
			if refusing == balance.None {
				refusing = i
			}
		default:
			if place := b.take(s, i, p); place != nil {
				for _, o := range passed {
					o.hurt(p.Spec.Ejection.Failures, (*balance.Trouble).Spared)
				}
				f.remember(p, state, ask.Source, b.name)
				return place, nil
			}
			if full == nil {
				full, fullAt = b, i
			}
		}
		q.Tried = append(q.Tried, i)
		q.Stick = balance.None
	}
	if full == nil && refusing != balance.None {
		// All that could take it refused a moment ago: one of them may be back.
		full, fullAt = s.backends[refusing], refusing
		if place := full.take(s, refusing, p); place != nil {
			return place, nil
		}
	}
	if full == nil {
		return nil, ErrNobody
	}
	if ask.AtOnce {
		return nil, ErrFull
	}
	place, err := full.queue(ctx, s, fullAt, p)
	if err == nil {
		f.remember(p, state, ask.Source, full.name)
	}
	return place, err
}

// index of a backend of a pool; balance.None when it has none of that name.
func (s *Snapshot) index(p *balance.Pool, name string) int {
	for i := p.First; i < p.First+p.Count; i++ {
		if s.Table.Backends[i].Spec.Name == name {
			return i
		}
	}
	return balance.None
}

func (p *pool) stuck(now instant.Instant, source netip.Addr) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.affinity == nil {
		return ""
	}
	return p.affinity.Get(now, source)
}

func (f *Flows) remember(p *balance.Pool, state *pool, source netip.Addr, backend string) {
	if p.Spec.Persistence.Kind != spec.PersistSource {
		return
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.affinity != nil {
		state.affinity.Set(f.options.Now(), source, backend)
	}
}

// First counts a first attempt for the pool's retry budget.
func (s *Snapshot) First(pool int) {
	p := s.pools[pool]
	p.mu.Lock()
	p.budget.Request()
	p.mu.Unlock()
}

// Retry takes one retry from the pool's budget.
func (f *Flows) Retry(s *Snapshot, pool int) bool {
	p := s.pools[pool]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.budget.Take(f.options.Now())
}

// Pool returns the index of a pool of that name; -1 without one.
func (s *Snapshot) Pool(name string) int {
	for i := range s.Table.Pools {
		if s.Table.Pools[i].Spec.Name == name {
			return i
		}
	}
	return -1
}
