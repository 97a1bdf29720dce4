package balance

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/maglev"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// build makes a table. What did not change in a pool is taken from the one
// before, so that a change of one backend costs one pool.
func (b *Balancer) build() *Table {
	t := &Table{Generation: b.table.Generation + 1, Listeners: b.listeners}
	for i, p := range b.pools {
		first := len(t.Backends)
		for _, x := range p.backends {
			t.Backends = append(t.Backends, Backend{
				Spec: x.spec, Address: x.spec.AddrPort(), Pool: i, Up: x.health.Effective == api.Up,
				Usable: p.usable(x), Stays: x.health.Effective == api.Up && x.ejectedTo == 0,
				Weight: x.scaled(), Backup: x.spec.Backup,
			})
		}
		t.Pools = append(t.Pools, b.buildPool(t, p, first))
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
func (x *backend) scaled() int {
	w := x.weightNow() * WeightScale
	if x.riseFrom != instant.Never && w > 0 {
		w = max(1, w*max(x.step, 1)/riseSteps)
	}
	return w
}

func (b *Balancer) buildPool(t *Table, p *pool, first int) Pool {
	n := Pool{Spec: p.spec, First: first, Count: len(p.backends), Panic: p.panics}
	for _, backup := range []bool{false, true} {
		for i := first; i < first+n.Count; i++ {
			if x := &t.Backends[i]; x.Usable && x.Backup == backup {
				n.Members = append(n.Members, i)
			}
		}
		if len(n.Members) > 0 {
			break
		}
	}
	if len(n.Members) == 0 {
		return n
	}
	if old := b.unchanged(t, &n); old != nil {
		n.order, n.hashed = old.order, old.hashed
		return n
	}
	weights := make([]int, len(n.Members))
	for i, m := range n.Members {
		weights[i] = t.Backends[m].Weight
	}
	switch p.spec.Scheduler {
	case spec.WRR, spec.P2C:
		n.order = interleave(weights)
	case spec.SCH, spec.QCH, spec.IQCH:
		entries := make([]maglev.Entry, len(n.Members))
		for i, m := range n.Members {
			entries[i] = maglev.Entry{Name: t.Backends[m].Spec.Name, Weight: weights[i]}
		}
		n.hashed = maglev.New(entries)
	case spec.RR, spec.WLC:
	}
	return n
}

// unchanged returns the pool of the newest table whose members and weights are
// the same as n's, nil without one.
func (b *Balancer) unchanged(t *Table, n *Pool) *Pool {
	i := slices.IndexFunc(b.table.Pools, func(p Pool) bool { return p.Spec.Name == n.Spec.Name })
	if i < 0 {
		return nil
	}
	old := &b.table.Pools[i]
	if old.Spec.Scheduler != n.Spec.Scheduler || len(old.Members) != len(n.Members) {
		return nil
	}
	for k := range n.Members {
		x, y := &b.table.Backends[old.Members[k]], &t.Backends[n.Members[k]]
		if x.Spec.Name != y.Spec.Name || x.Weight != y.Weight {
			return nil
		}
	}
	return old
}
