package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// checkPanic: a pool uses all its backends when, and only when, less than its
// panic share of the weight that could be used is usable, or nothing of it was
// measured yet.
type checkPanic struct{ world *World }

func (c *checkPanic) report(h *simHost, s *host.Status) {
	if h.asked.spec == nil {
		return
	}
	for _, p := range served(h.asked.spec, h.name) {
		usable, all, known := 0, 0, false
		for _, x := range sights(h, s) {
			if x.pool.Name != p.Name {
				continue
			}
			measured := x.status.Probe.Health.Effective != api.Unknown
			known = known || measured
			if x.spec.Backup || x.drains || x.forced == api.Down || !measured {
				continue
			}
			all += x.weight
			if takes(x.status.Balance.Phase) {
				usable += x.weight
			}
		}
		want := p.Panic > 0 && (!known || all > 0 && float64(usable) < p.Panic.Share()*float64(all))
		i := h.path.pool(p.Name)
		if i < 0 {
			continue // checkApply will say so
		}
		if got := h.path.table.Pools[i].Panic; got != want {
			c.world.fail("panic", "%s: pool %s panics: %t, with %d of %d of its weight usable and a limit of %s", h.name, p.Name, got, usable, all, p.Panic)
		}
	}
}
