package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/probe"
)

// checkDetection: a backend that does not answer is out on every host within
// the time that its pool states.
type checkDetection struct{ world *World }

func (c *checkDetection) tick() {
	w := c.world
	for _, h := range w.hosts {
		if h.down || h.asked.spec == nil || w.now < h.loop.stalled || w.now < h.blind {
			continue
		}
		for i := range h.path.table.Backends {
			b := &h.path.table.Backends[i]
			x := h.asked.served[b.Spec.Name]
			if !b.Up || x == nil || x.forced == api.Up {
				continue
			}
			bad := w.truth.badFor(h, b.Spec.Name)
			if bad == 0 {
				continue
			}
			check := h.asked.spec.Probe(x.pool.Probe)
			// Each probe begins a little late, and its result takes its way, too.
			late := 5*time.Millisecond + w.knobs.LateMax + w.knobs.LoopMax
			limit := probe.Detection(*check) + time.Duration(check.Fall+1)*late
			if w.knobs.ProbeLost > 0 {
				limit += time.Duration(check.Fall+1) * (check.Timeout.D() + answerGrace)
			}
			if bad > limit {
				w.fail("detection", "%s still has %s up, %s after it answered last; %s are promised", h.name, b.Spec.Name, bad, probe.Detection(*check))
			}
		}
	}
}
