package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
)

// checkFlow: a new flow goes only where one may go.
type checkFlow struct{ world *World }

func (c *checkFlow) pick(h *simHost, p picked) {
	name := p.backend.Spec.Name
	x := h.asked.served[name]
	bad := func(why string) {
		c.world.fail("flow", "%s sends a new flow to %s, which %s", h.name, name, why)
	}
	if x == nil {
		bad("it does not serve")
		return
	}
	phase, health := api.PhaseOut, api.Unknown
	primary := false
	for i := range h.status.Backends {
		b := &h.status.Backends[i]
		y := h.asked.served[b.Name]
		switch {
		case b.Name == name:
			phase, health = b.Balance.Phase, b.Probe.Health.Effective
		case y != nil && y.pool.Name == x.pool.Name && !y.spec.Backup && takes(b.Balance.Phase):
			primary = true
		}
	}
	switch {
	case x.forced == api.Down:
		bad("is forced down")
	case p.sticky && health == api.Up && phase != api.PhaseEjected: // persistence outlives a drain and a weight of 0
	case x.drains:
		bad("drains")
	case x.weight == 0:
		bad("has weight 0")
	case p.pool.Panic:
	case health != api.Up:
		bad("is " + string(health) + " by its health")
	case phase == api.PhaseEjected:
		bad("is ejected")
	case x.spec.Backup && primary:
		bad("is a backup, while others serve")
	}
}
