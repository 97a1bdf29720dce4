package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// checkEvents: events are numbered without a gap, say something, and have their
// cause behind them.
type checkEvents struct {
	world *World
	last  api.Seq
}

func (c *checkEvents) fleet(_ fleet.Event, out *fleet.Effects) {
	for _, e := range out.Events {
		switch {
		case e.Seq != c.last+1:
			c.world.fail("events", "event %d comes after %d", e.Seq, c.last)
		case e.Cause >= e.Seq:
			c.world.fail("events", "event %d says that %d led to it", e.Seq, e.Cause)
		case e.Text == "" || e.Subject.IsZero() || e.Lane == "" || e.State == "" || e.At.IsZero():
			c.world.fail("events", "event %d is not whole: %+v", e.Seq, e)
		}
		c.last = e.Seq
	}
}

func (c *checkEvents) picture(s *api.Status) {
	if s.Seq != c.last {
		c.world.fail("events", "a picture is of event %d, the newest one is %d", s.Seq, c.last)
	}
}
