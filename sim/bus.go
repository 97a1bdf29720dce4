package sim

import (
	"context"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// bus hands pictures and events of a simulation to watchers, each in its own
// time: one that is slow gets the newest picture and what the ring still holds.
type bus struct {
	mu      sync.Mutex
	status  *api.Status
	ring    [api.EventRing]api.Event
	last    api.Seq
	changed chan struct{} // closed with the next picture
	first   chan struct{} // closed with the first one
	closed  bool
}

func newBus() *bus { return &bus{changed: make(chan struct{}), first: make(chan struct{})} }

// add takes events: who asks for them has them at once.
func (b *bus) add(events []api.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		b.ring[int(e.Seq)%api.EventRing] = e
		b.last = e.Seq
	}
}

// publish shows a picture. Watchers get the events up to it.
func (b *bus) publish(s *api.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.status == nil {
		close(b.first)
	}
	b.status = s
	close(b.changed)
	b.changed = make(chan struct{})
}

// close ends all watchers.
func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	if b.status == nil {
		close(b.first)
	}
	close(b.changed)
}

// picture waits for the first picture and returns the newest.
func (b *bus) picture(ctx context.Context) (*api.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-b.first:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, api.ErrUnreachable
	}
	return b.status, nil
}

// since returns the events after from and up to last, at most most of the
// newest, and how many were overwritten. The caller holds the lock.
func (b *bus) since(from, last api.Seq, most int) (events []api.Event, missed uint64) {
	if from > b.last {
		from = 0 // of another simulation
	}
	first := from + 1
	if b.last >= api.EventRing && first <= b.last-api.EventRing {
		oldest := min(b.last-api.EventRing+1, last+1)
		missed, first = uint64(oldest-first), oldest
	}
	if first > last {
		return []api.Event{}, missed
	}
	if n := int(last+1) - int(first); n > most {
		missed += uint64(n - most)
		first = last + 1 - api.Seq(most)
	}
	events = make([]api.Event, 0, last+1-first)
	for q := first; q <= last; q++ {
		events = append(events, b.ring[int(q)%api.EventRing])
	}
	return events, missed
}

// watch sends updates until ctx ends or the bus is closed.
func (b *bus) watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	if _, err := b.picture(ctx); err != nil {
		return nil, err
	}
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for {
			b.mu.Lock()
			if b.closed {
				b.mu.Unlock()
				return
			}
			u, next := api.Update{Status: b.status}, b.changed
			if from > b.last {
				from = 0
			}
			if from < u.Status.Seq {
				u.Events, u.Missed = b.since(from, u.Status.Seq, api.EventRing)
				from = u.Status.Seq
			}
			b.mu.Unlock()
			select {
			case out <- u:
			case <-ctx.Done():
				return
			}
			select {
			case <-next:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
