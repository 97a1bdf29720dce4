package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// checkDrain: no flow is cut before the deadline of its backend's drain, and
// none is left to drain past it.
type checkDrain struct{ world *World }

// drainSlack is how much later than its deadline a drain may end.
func (c *checkDrain) slack() time.Duration { return 50*time.Millisecond + 2*c.world.knobs.LateMax }

func (c *checkDrain) cut(h *simHost, cut balance.Cut) {
	now := c.world.now
	for _, l := range h.asked.leaving {
		if l.backend == cut.Backend && l.address == cut.Address && l.to <= now {
			return
		}
	}
	x := h.asked.served[cut.Backend]
	switch {
	case cut.Address != "":
		c.world.fail("drain", "%s cuts the flows to %s at %s, which did not leave the spec long enough ago", h.name, cut.Backend, cut.Address)
	case x == nil || !x.drains:
		c.world.fail("drain", "%s cuts the flows of %s, which does not drain", h.name, cut.Backend)
	case now < x.drainTo:
		c.world.fail("drain", "%s cuts the flows of %s %s into a drain of %s", h.name, cut.Backend, now.Sub(x.drainFrom), x.drainLength())
	}
}

func (c *checkDrain) report(h *simHost, s *host.Status) {
	now := c.world.now
	if now.Sub(h.loop.stalled) < c.slack() {
		return
	}
	for _, x := range sights(h, s) {
		if x.status.Balance.Phase == api.PhaseDraining && now > x.drainTo.Add(c.slack()) {
			c.world.fail("drain", "%s still drains %s, %s after the deadline", h.name, x.status.Name, now.Sub(x.drainTo))
		}
	}
}
