package clerk

import "github.com/holdfast-edge/holdfast/engine/fleet"

// order is what one step has for hosts. It waits for the one before, and for
// being kept.
type order struct {
	give func()
	kept bool
}

// later queues an order behind those that wait, and gives those that need not.
func (c *Clerk) later(o *order, keeps bool) {
	c.mu.Lock()
	c.queue = append(c.queue, o)
	c.mu.Unlock()
	if !keeps {
		c.flush()
	}
}

// newest is the order that was queued last; nil without one.
func (c *Clerk) newest() *order {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	return c.queue[len(c.queue)-1]
}

// release gives an order that was kept. One that was not ends the clerk's time: the
// picture holds what nobody agreed on, and the next clerk begins with what they did.
func (c *Clerk) release(o *order, err error) {
	if err != nil {
		c.options.World.Failed(err)
		return
	}
	c.mu.Lock()
	if o != nil {
		o.kept = true
	}
	c.mu.Unlock()
	c.flush()
}

// flush gives the orders that wait for nothing, in their order.
func (c *Clerk) flush() {
	c.giving.Lock()
	defer c.giving.Unlock()
	for {
		c.mu.Lock()
		var o *order
		if len(c.queue) > 0 && c.queue[0].kept {
			o, c.queue = c.queue[0], c.queue[1:]
		}
		c.mu.Unlock()
		if o == nil {
			return
		}
		o.give()
	}
}

// give hands hosts their events and faults.
func (c *Clerk) give(hosts []fleet.ToHost, faults []fleet.FaultOrder) {
	for _, h := range hosts {
		c.options.World.Host(h)
	}
	for _, o := range faults {
		c.options.World.Fault(o)
	}
}
