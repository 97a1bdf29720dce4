package sim

import "github.com/holdfast-edge/holdfast/engine/host"

// checkForce: what an operator forced is in force on every host that was told,
// whatever its probes say.
type checkForce struct{ world *World }

func (c *checkForce) changed(h *simHost) { c.report(h, &h.status) }

func (c *checkForce) report(h *simHost, s *host.Status) {
	for _, x := range sights(h, s) {
		health := x.status.Probe.Health
		if health.Forced != x.forced {
			c.world.fail("force", "%s has backend %s forced %q, the operator's word is %q", h.name, x.status.Name, health.Forced, x.forced)
		}
		if x.forced != "" && health.Effective != x.forced {
			c.world.fail("force", "%s uses backend %s as %s, though it is forced %s", h.name, x.status.Name, health.Effective, x.forced)
		}
	}
}
