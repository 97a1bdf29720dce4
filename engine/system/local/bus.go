package local

import (
	"context"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// bus hands pictures and events to watchers. Publishing never waits: a watcher
// that is slow gets the newest picture and what the ring still holds.
type bus struct {
	mu       sync.Mutex
	status   *api.Status
	ring     [api.EventRing]api.Event
	last     api.Seq
	watchers map[chan struct{}]struct{}
	first    chan struct{} // closed with the first picture
	closed   bool
}

func newBus() *bus {
	return &bus{watchers: map[chan struct{}]struct{}{}, first: make(chan struct{})}
}

// publish takes new events and, when there is one, a new picture.
func (b *bus) publish(s *api.Status, events []api.Event) {
	if s == nil && len(events) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		b.ring[int(e.Seq)%api.EventRing] = e
		b.last = e.Seq
	}
	if s == nil {
		return // events travel with the next picture, so that both agree
	}
	if b.status == nil {
		close(b.first)
	}
	b.status = s
	for w := range b.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// known is from, or 0 when it is of another life of the fleet, whose numbers
// began anew. The caller holds the lock.
func (b *bus) known(from api.Seq) api.Seq {
	if from > b.last {
		return 0
	}
	return from
}

// since returns the events after from and up to last, at most most of the
// newest, and how many were overwritten. The caller holds the lock.
func (b *bus) since(from, last api.Seq, most int) (events []api.Event, missed uint64) {
	from = b.known(from)
	if from >= last {
		return nil, 0
	}
	first := from + 1
	if b.last >= api.EventRing && first <= b.last-api.EventRing {
		oldest := min(b.last-api.EventRing+1, last+1)
		missed = uint64(oldest - first)
		first = oldest
	}
	if n := int(last) - int(first) + 1; n > most {
		missed += uint64(n - most)
		first = last - api.Seq(most) + 1
	}
	for q := first; q <= last; q++ {
		events = append(events, b.ring[int(q)%api.EventRing])
	}
	return events, missed
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

// watch sends updates until ctx ends or the bus is closed.
func (b *bus) watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	if _, err := b.picture(ctx); err != nil {
		return nil, err
	}
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	b.mu.Lock()
	b.watchers[wake] = struct{}{}
	b.mu.Unlock()
	out := make(chan api.Update)
	go func() {
		defer close(out)
		defer func() {
			b.mu.Lock()
			delete(b.watchers, wake)
			b.mu.Unlock()
		}()
		for {
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
			b.mu.Lock()
			if b.closed {
				b.mu.Unlock()
				return
			}
			u := api.Update{Status: b.status}
			// What is newer than the picture comes with the next one.
			u.Events, u.Missed = b.since(from, b.status.Seq, api.EventRing)
			from = max(b.known(from), b.status.Seq)
			b.mu.Unlock()
			select {
			case out <- u:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
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
	for w := range b.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}
