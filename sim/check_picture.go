package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkPicture: what people see is what the hosts reported last, and silence is
// shown as not knowing.
type checkPicture struct {
	world     *World
	heardFrom map[string]*heardFrom
	at        instant.Instant
}

// heardFrom is the newest that a host said.
type heardFrom struct {
	status host.Status
	came   instant.Instant
}

func newCheckPicture(w *World) *checkPicture {
	return &checkPicture{world: w, heardFrom: map[string]*heardFrom{}}
}

// The fleet's own bounds: how old a report may be, and how long until that shows.
const (
	reportOld  = 3 * time.Second
	reportSeen = time.Second + 100*time.Millisecond
)

func (c *checkPicture) heard(ev fleet.Event) {
	if next, ok := ev.(fleet.SetSpec); ok && next.Rev > 0 {
		clear(c.heardFrom) // the next coordinator has heard nothing yet
	}
	r, ok := ev.(fleet.Report)
	if !ok || c.world.host(r.Status.Host) == nil {
		return
	}
	if x := c.heardFrom[r.Status.Host]; x != nil && x.status.At > r.Status.At {
		return // overtaken by a newer one, of this life or of the next
	}
	c.heardFrom[r.Status.Host] = &heardFrom{status: r.Status, came: c.world.now}
}

func (c *checkPicture) picture(s *api.Status) {
	w := c.world
	c.at = w.now
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if x := c.heardFrom[h.Name]; (x == nil || w.now.Sub(x.came) > reportOld) && h.State != api.StateUnknown {
			w.fail("picture", "host %s is shown as %s, its last report is too old", h.Name, h.State)
		}
	}
	for i := range s.Backends {
		c.backend(&s.Backends[i])
	}
}

func (c *checkPicture) backend(b *api.Backend) {
	w := c.world
	fresh, down, serve, out := 0, 0, 0, 0
	for _, h := range w.hosts {
		x := c.heardFrom[h.name]
		if x == nil || w.now.Sub(x.came) > reportOld {
			continue
		}
		for i := range x.status.Backends {
			y := &x.status.Backends[i]
			if y.Name != b.Name {
				continue
			}
			fresh++
			if y.Probe.Health.Measured == api.Down && y.Probe.Health.Forced == "" {
				down++
			}
			if takes(y.Balance.Phase) {
				serve++
			}
			if y.Balance.Phase == api.PhaseOut {
				out++
			}
		}
	}
	switch {
	case fresh == 0 && b.State != api.StateUnknown:
		w.fail("picture", "backend %s is shown as %s, and no host has said anything of late", b.Name, b.State)
	case fresh > 0 && down == fresh && (b.State == api.StateOK || b.Serves() || b.Health.Measured == api.Up):
		w.fail("picture", "backend %s is shown as %s and %s, and fails the probes of all %d hosts", b.Name, b.State, b.Phase, fresh)
	case fresh > 0 && b.State == api.StateDown && out < fresh:
		w.fail("picture", "backend %s is shown as down, and is out on %d of %d hosts", b.Name, out, fresh)
	case fresh > 0 && serve == fresh && !takes(b.Phase):
		w.fail("picture", "backend %s is shown as %s, and serves on all %d hosts", b.Name, b.Phase, fresh)
	}
}

// tick: pictures come at least once a second, so that age shows.
func (c *checkPicture) tick() {
	w := c.world
	if !w.fleet.dead && w.now.Sub(max(c.at, w.fleet.stalled)) > reportSeen+w.knobs.LateMax {
		w.fail("picture", "the newest picture is %s old", w.now.Sub(c.at))
	}
}
