package poll

import (
	"container/heap"
	"time"
)

// Alarm calls its handler at a time.
type Alarm struct {
	poll  *Poll
	ring  func()
	at    time.Time
	place int // in the heap; -1: not set
}

// NewAlarm returns an alarm that is not set.
func (p *Poll) NewAlarm(ring func()) *Alarm { return &Alarm{poll: p, ring: ring, place: -1} }

// Set sets an alarm, whether it was set or not. It rings once. An alarm of a Poll
// that has ended does not ring any more.
func (a *Alarm) Set(at time.Time) {
	p := a.poll
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	a.at = at
	if a.place < 0 {
		heap.Push(&p.alarms, a)
	} else {
		heap.Fix(&p.alarms, a.place)
	}
	// While handlers run it is enough to look when they are done.
	if !p.busy && p.alarms[0] == a {
		p.arm()
	}
}

// Stop takes an alarm back. It may be ringing.
func (a *Alarm) Stop() {
	a.poll.mu.Lock()
	defer a.poll.mu.Unlock()
	if a.place >= 0 {
		heap.Remove(&a.poll.alarms, a.place)
	}
}

// alarms is a heap, the next one first.
type alarms []*Alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *alarms) Push(x any) {
	a := x.(*Alarm)
	a.place = len(*h)
	*h = append(*h, a)
}

func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = -1
	return a
}

// due takes the alarms out whose time has come, or all.
func (p *Poll) due(all bool) []*Alarm {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ringing = p.ringing[:0]
	if len(p.alarms) == 0 {
		return nil
	}
	now := time.Now()
	for len(p.alarms) > 0 && (all || !p.alarms[0].at.After(now)) {
		p.ringing = append(p.ringing, heap.Pop(&p.alarms).(*Alarm))
	}
	return p.ringing
}
