package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkAsked: a host has the weights and drains that it was told.
type checkAsked struct{ world *World }

func (c *checkAsked) report(h *simHost, s *host.Status) {
	for _, x := range sights(h, s) {
		b := &x.status.Balance
		if b.Weight != x.weight {
			c.world.fail("asked", "%s gives %s the weight %d, asked is %d", h.name, b.Backend, b.Weight, x.weight)
		}
		if drains := b.DrainTo != instant.Never; drains != x.drains {
			c.world.fail("asked", "%s drains %s: %t, asked: %t", h.name, b.Backend, drains, x.drains)
		}
		if b.Phase == api.PhaseIdle && x.weight != 0 {
			c.world.fail("asked", "%s has %s idle at weight %d", h.name, b.Backend, x.weight)
		}
	}
}
