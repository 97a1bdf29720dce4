package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkFault: a fault ends, by its time even when the fleet's loop is gone, and
// soon after it was cleared.
type checkFault struct {
	world   *World
	cleared map[string]instant.Instant // by fault, since when it was to be reverted
}

func newCheckFault(w *World) *checkFault {
	return &checkFault{world: w, cleared: map[string]instant.Instant{}}
}

// revertWithin is how long a revert may take: asked for twice, and carried out.
const revertWithin = 7 * time.Second

// fleet notes what an accepted command clears.
func (c *checkFault) fleet(ev fleet.Event, out *fleet.Effects) {
	ask, ok := ev.(fleet.Ask)
	if !ok || ask.Request.DryRun || len(out.Answers) == 0 || !out.Answers[0].Receipt.OK {
		return
	}
	clear, ok := ask.Request.Command.(api.ClearFault)
	if !ok {
		return
	}
	for _, p := range c.world.keeper.children {
		if p.fault != nil && (clear.ID == "" || clear.ID == p.fault.ID) {
			c.cleared[p.fault.ID] = c.world.now
		}
	}
}

func (c *checkFault) tick() {
	w := c.world
	for _, p := range w.keeper.children {
		if p.fault == nil {
			continue
		}
		age := w.now.Sub(p.since)
		if d := p.fault.DeadMan; d > 0 && age > d+deadManGrace+50*time.Millisecond {
			w.fail("fault", "fault %s on %s is %s old; its dead-man time is %s", p.fault.ID, p.name, age, d)
		}
		since, ok := c.cleared[p.fault.ID]
		if !ok || w.fleet.dead {
			continue
		}
		if since = max(since, w.fleet.stalled); w.now.Sub(since) > revertWithin {
			w.fail("fault", "fault %s on %s was to be reverted %s ago", p.fault.ID, p.name, w.now.Sub(since))
		}
	}
}
