package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// checkTable: the table that the data path reads says what the host believes.
type checkTable struct{ world *World }

func (c *checkTable) changed(h *simHost) { c.report(h, &h.status) }

func (c *checkTable) report(h *simHost, s *host.Status) {
	for _, x := range sights(h, s) {
		b, t := x.status, x.table
		if up := b.Probe.Health.Effective == api.Up; t.Up != up {
			c.world.fail("table", "the table of %s has %s up: %t, its health is %s", h.name, b.Name, t.Up, b.Probe.Health.Effective)
		}
		if t.Weight != b.Balance.Now {
			c.world.fail("table", "the table of %s gives %s %d, the host means %d", h.name, b.Name, t.Weight, b.Balance.Now)
		}
		if takes(b.Balance.Phase) && !t.Usable {
			c.world.fail("table", "%s has %s %s, its table does not use it", h.name, b.Name, b.Balance.Phase)
		}
		if t.Address != x.spec.AddrPort() || t.Backup != x.spec.Backup {
			c.world.fail("table", "the table of %s has %s at %s, backup %t; the spec says %s, %t", h.name, b.Name, t.Address, t.Backup, x.spec.AddrPort(), x.spec.Backup)
		}
	}
}
