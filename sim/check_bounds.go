package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkBounds: nothing that people are shown grows without end, and events stay
// few enough to be read.
type checkBounds struct {
	world  *World
	second instant.Instant
	events int
}

// eventsMax is how many events a virtual second may bring: a few for each thing
// that somebody or something changes.
const eventsMax = 1000

// eventsOfAsk is what a command may bring besides: a record, and what hosts say
// to it.
const eventsOfAsk = 50

func (c *checkBounds) fleet(ev fleet.Event, out *fleet.Effects) {
	if c.world.now.Sub(c.second) >= time.Second {
		c.second, c.events = c.world.now, 0
	}
	if _, ok := ev.(fleet.Ask); ok {
		c.events -= eventsOfAsk
	}
	if c.events += len(out.Events); c.events > eventsMax {
		c.world.fail("bounds", "%d events within a second", c.events)
	}
}

func (c *checkBounds) picture(s *api.Status) {
	over := func(what string, n, most int) {
		if n > most {
			c.world.fail("bounds", "%s: %d, %d are the most", what, n, most)
		}
	}
	over("problems", len(s.Problems), len(s.Backends)+len(s.Pools)+len(s.Listeners)+len(s.Hosts)+len(s.Clients))
	for i := range s.Backends {
		b := &s.Backends[i]
		over("the strip of "+b.Name, len(b.Strip), 44)
		over("the votes on "+b.Name, len(b.Votes), len(s.Hosts))
		over("the trend of "+b.Name, len(b.Trend.Requests), 60)
		over("the long trend of "+b.Name, len(b.Trend.Requests15), 64)
	}
	for i := range s.Drills {
		over("the log of "+s.Drills[i].Name, len(s.Drills[i].Log), 100)
		over("the strip of "+s.Drills[i].Name, len(s.Drills[i].Strip), 60)
	}
}
