package tui

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
)

type (
	// tickMsg is the clock.
	tickMsg time.Time
	// receiptMsg is the answer to a command.
	receiptMsg struct {
		command api.Command
		receipt api.Receipt
		reverse api.Command
		took    time.Duration
		err     error
	}
)

// forget drops what was kept of events that are numbered another way by now.
func (a *app) forget(s *api.Status) {
	a.events, a.missed, a.past = nil, 0, past{}
	clear(a.waiting) // another coordinator's receipts
	a.live, a.arrived = s, a.opt.Now()
	a.adopt()
}

// take puts an Update into the model. It reports whether it should be seen at
// once: numbers wait for the next second, events and drills do not.
func (a *app) take(u api.Update) (now bool) {
	if u.Status == nil {
		return false
	}
	a.arrived = a.opt.Now()
	a.missed += u.Missed
	fresh := 0
	for _, e := range u.Events {
		if n := len(a.events); n > 0 && e.Seq <= a.events[n-1].Seq {
			if u.Status.Started.After(a.started) {
				a.events = a.events[:0] // a fleet that began anew counts from one again
			} else {
				continue
			}
		}
		a.events = append(a.events, e)
		fresh++
		a.noteResult(e)
	}
	a.started = u.Status.Started
	if extra := len(a.events) - api.EventRing; extra > 0 {
		a.events = append(a.events[:0:0], a.events[extra:]...)
	}
	first := a.live == nil
	a.live = u.Status
	if fresh > 0 || first {
		a.past.keep(u.Status)
	}
	return first || fresh > 0 || feed.Drill(u.Status) != nil
}
