package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
)

// checkFault: a fault holds from its answer to its revert, whatever its process
// goes through. It ends by its time even when the fleet's loop is gone, and soon
// after it was cleared. What is in force is this check's own record, made of
// orders and answers.
type checkFault struct {
	world   *World
	asked   map[string]fleet.FaultOrder // by fault, not answered yet
	inForce map[string]*harm            // by backend
	cleared map[string]instant.Instant  // by fault, since when it was to be reverted
}

// harm is a fault that was answered and not reverted.
type harm struct {
	order fleet.FaultOrder
	since instant.Instant
}

func newCheckFault(w *World) *checkFault {
	return &checkFault{world: w, asked: map[string]fleet.FaultOrder{}, inForce: map[string]*harm{}, cleared: map[string]instant.Instant{}}
}

const (
	// revertWithin is how long a revert may take: asked for twice, and carried out.
	revertWithin = 7 * time.Second
	// deadManWithin is how long after its time a fault is over by itself.
	deadManWithin = keep.DeadManGrace + 50*time.Millisecond
)

// fleet notes what an accepted command clears.
func (c *checkFault) fleet(ev fleet.Event, out *fleet.Effects) {
	if next, ok := ev.(fleet.SetSpec); ok && next.Rev > 0 {
		for _, x := range c.inForce {
			if byDrill(x.order) { // its drill ended with who coordinated it
				c.cleared[x.order.ID] = c.world.now
			}
		}
	}
	ask, ok := ev.(fleet.Ask)
	if !ok || ask.Request.DryRun || len(out.Answers) == 0 || !out.Answers[0].Receipt.OK {
		return
	}
	clear, ok := ask.Request.Command.(api.ClearFault)
	if !ok {
		return
	}
	for _, x := range c.inForce {
		if clear.ID == "" || clear.ID == x.order.ID {
			c.cleared[x.order.ID] = c.world.now
		}
	}
}

func (c *checkFault) ordered(o fleet.FaultOrder) { c.asked[o.ID] = o }

func (c *checkFault) answered(done fleet.FaultDone, backend string) {
	o, asked := c.asked[done.ID]
	delete(c.asked, done.ID)
	x := c.inForce[backend]
	switch {
	case done.Err != "":
	case !done.Revert && asked && o.Kind != api.FaultRestart: // nothing of that stays in force
		c.inForce[backend] = &harm{o, c.world.now}
	case done.Revert && x != nil && x.order.ID == done.ID:
		delete(c.inForce, backend)
	}
}

// adopt is what the host of a backend tells of the fault in force on it.
func (c *checkFault) adopt(name, backend string) fleet.Adopt {
	a := fleet.Adopt{Order: fleet.FaultOrder{ID: name}}
	if x := c.inForce[backend]; x != nil && x.order.ID == name {
		a.Order, a.By, a.Since = x.order, x.order.By, x.since
	} else if o, ok := c.asked[name]; ok { // it is not in yet
		a.Order, a.By, a.Since = o, o.By, c.world.now
	}
	a.Host = a.Order.Host
	return a
}

func (c *checkFault) left(backend string) { delete(c.inForce, backend) }

func (c *checkFault) tick() {
	w := c.world
	for _, p := range w.keeper.children {
		x := c.inForce[p.name]
		if x == nil {
			continue
		}
		if !x.holds(p) {
			w.fail("fault", "fault %s, %s, was answered and not reverted, and does not hold on %s", x.order.ID, x.order.Kind, p.name)
		}
		age := w.now.Sub(x.since)
		if d := x.order.DeadMan; d > 0 && age > d+deadManWithin {
			w.fail("fault", "fault %s on %s is %s old; its dead-man time is %s", x.order.ID, p.name, age, d)
		}
		since, ok := c.cleared[x.order.ID]
		if !ok || w.fleet.dead {
			continue
		}
		if since = max(since, w.fleet.stalled); w.now.Sub(since) > revertWithin {
			w.fail("fault", "fault %s on %s was to be reverted %s ago", x.order.ID, p.name, w.now.Sub(since))
		}
	}
}

// holds reports whether a process suffers what it should; one that is not there,
// and was not killed on purpose, is started again later.
func (x *harm) holds(p *process) bool {
	switch x.order.Kind {
	case api.FaultKill:
		return !p.running
	case api.FaultFreeze:
		return !p.running || p.frozen
	case api.FaultSlow:
		return !p.running || p.delay == x.order.Delay
	case api.FaultRestart:
	}
	return true
}

// ordered, answered and left are told by the keeper.
func (c *checks) ordered(o fleet.FaultOrder) { c.faults().ordered(o) }

func (c *checks) answered(done fleet.FaultDone, backend string) { c.faults().answered(done, backend) }

func (c *checks) left(backend string) { c.faults().left(backend) }

func (c *checks) faults() *checkFault {
	for _, x := range c.onFleet {
		if f, ok := x.(*checkFault); ok {
			return f
		}
	}
	panic("sim: there is no check of faults")
}
