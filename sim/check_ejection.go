package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
)

// checkEjection: traffic takes out no more of a pool than it may, and never the
// last backend that serves.
type checkEjection struct {
	world   *World
	ejected map[key]int // how often, as the host counts it
	size    map[key]int // the most backends that a pool had, by the pool's name
}

func newCheckEjection(w *World) *checkEjection {
	return &checkEjection{world: w, ejected: map[key]int{}, size: map[key]int{}}
}

func (c *checkEjection) changed(h *simHost) {
	if h.asked.spec == nil {
		return
	}
	all := sights(h, &h.status)
	for _, p := range served(h.asked.spec, h.name) {
		out, serve, fresh := 0, 0, ""
		for _, x := range all {
			if x.pool.Name != p.Name {
				continue
			}
			k, b := keyOf(h, x.status.Name), &x.status.Balance
			switch {
			case b.Phase == api.PhaseEjected:
				out++
				// One that was ejected before and comes to light, because a drain has ended
				// or its health is known again, is not ejected now.
				if b.Ejected != c.ejected[k] {
					fresh = x.status.Name
				}
			case x.status.Probe.Health.Effective == api.Up && !x.drains && x.weight > 0:
				serve++
			}
			c.ejected[k] = b.Ejected
		}
		// A pool that shrank may have more ejected than it could eject now.
		k := keyOf(h, p.Name)
		c.size[k] = max(c.size[k], len(p.Backends))
		if fresh == "" {
			continue
		}
		if p.Ejection.Off || p.Ejection.ShareMax == 0 {
			c.world.fail("ejection", "%s ejects %s, whose pool ejects nobody", h.name, fresh)
			continue
		}
		if allowed := max(1, int(p.Ejection.ShareMax.Share()*float64(c.size[k]))); out > allowed && c.world.now.Sub(h.asked.at) > ejectionMost {
			c.world.fail("ejection", "%s ejects %s: %d of %d are out, %d may be", h.name, fresh, out, len(p.Backends), allowed)
		}
		if serve == 0 {
			c.world.fail("ejection", "%s ejects %s, the last one of pool %s that served", h.name, fresh, p.Name)
		}
	}
}

// ejectionMost is the longest ejection that sites are drawn with: until then an
// earlier spec's share may still show.
const ejectionMost = 20e9
