package fleet

import "github.com/holdfast-edge/holdfast/engine/api"

// ring numbers events and keeps the newest api.EventRing of them.
type ring struct {
	events []api.Event
	last   api.Seq
}

// add numbers an event and keeps it.
func (r *ring) add(e api.Event) api.Event {
	r.last++
	e.Seq = r.last
	if len(r.events) < api.EventRing {
		r.events = append(r.events, e)
	} else {
		r.events[int(e.Seq-1)%api.EventRing] = e
	}
	return e
}
