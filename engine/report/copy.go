package report

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Copy is a host's copy of the coordinator's events: what the next coordinator goes
// on from, if that is this host. The zero value is empty.
type Copy struct {
	ring   string
	events []api.Event // numbered without a gap, oldest first, api.EventRing at most
}

// NewCopy returns a copy that goes on from events that were kept.
func NewCopy(ring string, events []api.Event) Copy {
	c := Copy{}
	if len(events) > 0 {
		c.Add(Events{Ring: ring, After: events[0].Seq - 1, Events: events})
	}
	return c
}

// Last names the ring and its newest event here.
func (c *Copy) Last() (ring string, last api.Seq) {
	if len(c.events) == 0 {
		return c.ring, 0
	}
	return c.ring, c.events[len(c.events)-1].Seq
}

// Events returns the ring's name and its events. They are the caller's.
func (c *Copy) Events() (ring string, events []api.Event) { return c.ring, slices.Clone(c.events) }

// Add takes events of a coordinator. What the copy has after m.After is of an
// earlier one that nobody goes on from, and is forgotten.
func (c *Copy) Add(m Events) {
	c.ring = m.Ring
	keep := len(c.events)
	for keep > 0 && c.events[keep-1].Seq > m.After {
		keep--
	}
	c.events = c.events[:keep]
	for i := range m.Events {
		e := &m.Events[i]
		if n := len(c.events); n > 0 && c.events[n-1].Seq+1 != e.Seq {
			if e.Seq <= c.events[n-1].Seq {
				continue
			}
			c.events = c.events[:0] // some are missing between: what is older is of no use
		}
		c.events = append(c.events, *e)
	}
	if over := len(c.events) - api.EventRing; over >= api.EventRing/4 {
		c.events = slices.Clone(c.events[over:]) // not each time: it is a large piece of memory
	}
}

// From is the event after which a host needs those of the ring of a Hello, by what
// its Welcome says it has.
func (m Hello) From(w Welcome) api.Seq {
	switch {
	case w.Ring == m.Ring:
		return w.Last
	case w.Ring == m.Grew && m.GrewAt > 0:
		return min(w.Last, m.GrewAt)
	}
	return 0
}
