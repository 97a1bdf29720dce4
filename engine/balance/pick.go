package balance

import (
	"math/bits"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Pick returns the index, in Table.Backends, of the backend for a new flow of a
// pool; None when nobody can take it. It changes nothing and allocates nothing.
func (t *Table) Pick(pool int, q Query, loads Loads) int {
	if pool < 0 || pool >= len(t.Pools) {
		return None
	}
	p := &t.Pools[pool]
	if q.Stick >= p.First && q.Stick < p.First+p.Count && t.Backends[q.Stick].Stays && !slices.Contains(q.Tried, q.Stick) {
		return q.Stick
	}
	n := len(p.Members)
	if n == 0 {
		return None
	}
	chosen := None
	switch p.Spec.Scheduler {
	case spec.RR, spec.WRR:
		chosen = p.Members[p.order[int(q.Turn%uint64(len(p.order)))]]
	case spec.WLC:
		return t.least(p, q, loads)
	case spec.SCH, spec.QCH, spec.IQCH:
		if i := p.hashed.Lookup(q.Key); i >= 0 && t.Backends[p.First+i].member {
			chosen = p.First + i
		}
	case spec.P2C:
		chosen = t.better(p, q, loads)
	}
	if chosen != None && !slices.Contains(q.Tried, chosen) {
		return chosen
	}
	return t.other(p, q)
}

// other walks the members from where the turn points, past those tried.
func (t *Table) other(p *Pool, q Query) int {
	n := len(p.Members)
	start := int((q.Turn + q.Key) % uint64(n))
	for i := range n {
		if m := p.Members[(start+i)%n]; !slices.Contains(q.Tried, m) {
			return m
		}
	}
	return None
}

// least is wlc: the fewest flows by weight, counting the new one. Ties go to
// the turn, so that an idle pool is used evenly.
func (t *Table) least(p *Pool, q Query, loads Loads) int {
	n := len(p.Members)
	start := int(q.Turn % uint64(n))
	best, bestFlows, bestWeight := None, int64(0), int64(1)
	for i := range n {
		m := p.Members[(start+i)%n]
		if len(q.Tried) > 0 && slices.Contains(q.Tried, m) {
			continue
		}
		flows, weight := loads.Active(m)+1, int64(max(t.Backends[m].Weight, 1))
		// flows/weight < bestFlows/bestWeight, without a division
		if best == None || flows*bestWeight < bestFlows*weight {
			best, bestFlows, bestWeight = m, flows, weight
		}
	}
	return best
}

// better is p2c (Mitzenmacher, The Power of Two Choices, IEEE TPDS 2001): of
// two drawn by weight, the one whose flows are likely to end sooner.
func (t *Table) better(p *Pool, q Query, loads Loads) int {
	n := uint64(len(p.order))
	hi, lo := bits.Mul64(q.Random, n)
	a := p.Members[p.order[hi]]
	second, _ := bits.Mul64(lo, n)
	b := p.Members[p.order[second]]
	if a == b { // by weight the same one twice: its neighbour in the order
		b = p.Members[p.order[(second+1)%n]]
	}
	if t.slower(a, b, loads) {
		return b
	}
	return a
}

// slower reports whether one more flow costs more on a than on b: latency times
// flows. Where one of them was never measured the flows alone decide, so that it
// is tried, and not with everything there is.
func (t *Table) slower(a, b int, loads Loads) bool {
	x, y := float64(loads.Active(a)+1), float64(loads.Active(b)+1)
	if s, f := loads.Latency(a), loads.Latency(b); s > 0 && f > 0 {
		x, y = x*float64(s), y*float64(f)
	}
	return y < x
}

// Shares returns the part of a pool's new flows, 0 to 1, that each of its
// backends should get, in the order of Table.Backends from Pool.First.
func (t *Table) Shares(pool int) []float64 {
	p := &t.Pools[pool]
	shares := make([]float64, p.Count)
	total := 0
	for _, m := range p.Members {
		total += t.Backends[m].turns
	}
	for _, m := range p.Members {
		shares[m-p.First] = float64(t.Backends[m].turns) / float64(total)
	}
	return shares
}
