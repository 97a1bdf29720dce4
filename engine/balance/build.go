package balance

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/maglev"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// build makes a table. What did not change in a pool is taken from the one
// before, so that a change of one backend costs one pool.
func (b *Balancer) build(now instant.Instant) *Table {
	t := &Table{Generation: b.table.Generation + 1, Listeners: b.listeners}
	for i, p := range b.pools {
		first := len(t.Backends)
		for _, x := range p.backends {
			t.Backends = append(t.Backends, Backend{
				Spec: x.spec, Address: x.spec.AddrPort(), Pool: i, Up: x.health.Effective == api.Up,
				Usable: p.usable(x), Stays: x.health.Effective == api.Up && x.ejectedTo == 0 && !(x.drains && x.drained),
				Weight: x.scaled(), Backup: x.spec.Backup, turns: x.turns(),
			})
		}
		t.Pools = append(t.Pools, b.buildPool(now, t, p, first))
	}
	return t
}

func (p *pool) usable(x *backend) bool {
	if p.panics && !x.drains && x.weightNow() > 0 && x.health.Forced != api.Down {
		return true
	}
	return x.takesFlows() && x.ejectedTo == 0
}

// scaled is the weight in force, in WeightScale-ths.
func (x *backend) scaled() int { return x.risen(x.weightNow() * WeightScale) }

// turns is the weight as the pool's scheduler sees it: for rr all are alike but
// for their slow start.
func (x *backend) turns() int {
	if x.pool.spec.Scheduler == spec.RR {
		return x.risen(riseSteps)
	}
	return max(x.scaled(), 1)
}

// risen is how much of a weight slow start allows: a tenth at first.
func (x *backend) risen(w int) int {
	if x.riseFrom != instant.Never && w > 0 {
		w = max(1, w*max(x.step, 1)/riseSteps)
	}
	return w
}

// hashEvery is the least time between two hash tables of a pool. At a thousand
// backends a table takes 13 ms, and when a site comes back each of them changes
// health once and rises in ten steps, each at its own moment: this bounds the cost
// to a tenth of a core. In between, flows of those that are out go to others, and
// who is new waits. Small pools wait for nothing.
func hashEvery(backends int) time.Duration {
	if backends <= 100 {
		return 0
	}
	return time.Duration(backends) * 200 * time.Microsecond
}

func (b *Balancer) buildPool(now instant.Instant, t *Table, p *pool, first int) Pool {
	p.hashDue = instant.Never
	n := Pool{Spec: p.spec, First: first, Count: len(p.backends), Panic: p.panics}
	for _, backup := range []bool{false, true} {
		for i := first; i < first+n.Count; i++ {
			if x := &t.Backends[i]; x.Usable && x.Backup == backup {
				n.Members = append(n.Members, i)
				x.member = true
			}
		}
		if len(n.Members) > 0 {
			break
		}
	}
	if len(n.Members) == 0 {
		return n
	}
	old := b.before(t, &n)
	if old != nil && !old.late && b.unchanged(t, &n, old) {
		n.order, n.hashed = old.order, old.hashed
		return n
	}
	weights := make([]int, len(n.Members))
	for i, m := range n.Members {
		weights[i] = t.Backends[m].turns
	}
	switch p.spec.Scheduler {
	case spec.RR, spec.WRR, spec.P2C:
		n.order = interleave(weights)
	case spec.SCH, spec.QCH, spec.IQCH:
		if due := p.hashedAt.Add(hashEvery(n.Count)); old != nil && old.hashed != nil && !due.Reached(now) {
			n.hashed, n.late, p.hashDue = old.hashed, true, due
			return n
		}
		p.hashedAt = now
		// All of the pool's backends, so that the table keeps its size when some of
		// them are out: otherwise the flows of all would move.
		entries := make([]maglev.Entry, n.Count)
		for i := range entries {
			entries[i].Name = t.Backends[first+i].Spec.Name
		}
		for i, m := range n.Members {
			entries[m-first].Weight = weights[i]
		}
		n.hashed = maglev.New(entries)
	case spec.WLC:
	}
	return n
}

// before returns the pool of the newest table that has the same backends as n and
// the same scheduler, nil without one.
func (b *Balancer) before(t *Table, n *Pool) *Pool {
	i := slices.IndexFunc(b.table.Pools, func(p Pool) bool { return p.Spec.Name == n.Spec.Name })
	if i < 0 {
		return nil
	}
	old := &b.table.Pools[i]
	if old.Spec.Scheduler != n.Spec.Scheduler || old.Count != n.Count {
		return nil
	}
	for k := range n.Count { // hashes lead to places in the whole pool
		if b.table.Backends[old.First+k].Spec.Name != t.Backends[n.First+k].Spec.Name {
			return nil
		}
	}
	return old
}

// unchanged reports whether the members of two tables and their weights are the
// same.
func (b *Balancer) unchanged(t *Table, n, old *Pool) bool {
	if len(old.Members) != len(n.Members) {
		return false
	}
	for k := range n.Members {
		x, y := &b.table.Backends[old.Members[k]], &t.Backends[n.Members[k]]
		if x.Spec.Name != y.Spec.Name || x.turns != y.turns {
			return false
		}
	}
	return true
}
