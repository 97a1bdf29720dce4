package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkSlowStart: a backend that comes back has no more than a tenth of its
// weight, or its part of the slow start.
type checkSlowStart struct {
	world *World
	was   map[key]back
}

// back is how a backend was, and since when it is back.
type back struct {
	health  api.Measure
	ejected bool
	drained bool
	since   instant.Instant // never: it was there from the start
}

func newCheckSlowStart(w *World) *checkSlowStart {
	return &checkSlowStart{world: w, was: map[key]back{}}
}

func (c *checkSlowStart) changed(h *simHost) {
	now := c.world.now
	for _, x := range sights(h, &h.status) {
		k := keyOf(h, x.status.Name)
		before, known := c.was[k]
		after := back{health: x.status.Probe.Health.Effective, ejected: x.status.Balance.Phase == api.PhaseEjected, drained: x.drains, since: before.since}
		switch {
		case !known || x.since == now:
			after.since = never
		case before.health == api.Down && after.health == api.Up, before.drained && !after.drained,
			before.ejected && takes(x.status.Balance.Phase):
			after.since = now
		}
		c.was[k] = after
		slow := x.pool.SlowStart.D()
		if after.since == never || slow == 0 || after.health != api.Up || h.asked.at >= after.since {
			continue // or the spec changed meanwhile, and its curve with it
		}
		full := x.weight * balance.WeightScale
		part := max(0.1, float64(now.Sub(after.since)+time.Millisecond)/float64(slow))
		if limit := max(1, int(part*float64(full))); part < 1 && x.table.Weight > limit {
			c.world.fail("slow-start", "%s gives %s %d of %d, %s after it came back; its slow start is %s", h.name, x.status.Name, x.table.Weight, full, now.Sub(after.since), slow)
		}
	}
}
