package bus

import (
	"context"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Bus keeps the newest picture and the newest events. Publishing never waits: a
// watcher that is slow gets the newest picture and what the ring still holds.
type Bus struct {
	mu      sync.Mutex
	status  *api.Status
	ring    api.Ring
	revs    []api.Revision // with their texts; replaced, never changed
	first   chan struct{}  // closed with the first picture
	changed chan struct{}  // closed with the next one
	closed  bool
}

// New returns a Bus without a picture.
func New() *Bus { return &Bus{first: make(chan struct{}), changed: make(chan struct{})} }

// Add takes new events. Who asks for them has them at once; they reach watchers
// with the next picture, so that both agree.
func (b *Bus) Add(events []api.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		b.ring.Add(events[i])
	}
}

// Since returns all events after a number that are still there, oldest first. It
// does not wait.
func (b *Bus) Since(after api.Seq) []api.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	events, _ := b.ring.Since(after, b.ring.Last(), api.EventRing)
	return events
}

// Publish shows a picture, and with it the events up to it.
func (b *Bus) Publish(s *api.Status) {
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

// Close ends all watchers: the fleet is gone.
func (b *Bus) Close() {
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

// Status waits for the first picture and returns the newest.
func (b *Bus) Status(ctx context.Context) (*api.Status, error) {
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

// Events returns the newest events after from, oldest first, at most most.
func (b *Bus) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	if _, err := b.Status(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	events, _ := b.ring.Since(from, b.ring.Last(), most)
	return events, nil
}

// Revise takes the revisions that are kept, with their texts. The caller does not
// change them afterwards.
func (b *Bus) Revise(all []api.Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revs = all
}

// Revisions returns the revisions, with the texts of those that are named.
func (b *Bus) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	if _, err := b.Status(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	all := b.revs
	b.mu.Unlock()
	return api.WithTexts(all, texts)
}

// Watch sends updates until ctx ends or the bus is closed.
func (b *Bus) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	if _, err := b.Status(ctx); err != nil {
		return nil, err
	}
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for {
			u, next := b.after(&from)
			if next == nil {
				return
			}
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

// after returns the newest picture with the events after from, which it moves
// up, and what is closed with the next one; nil when there is none any more.
func (b *Bus) after(from *api.Seq) (u api.Update, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return api.Update{}, nil
	}
	u.Status = b.status
	u.Events, u.Missed = b.ring.Since(*from, b.status.Seq, api.EventRing)
	*from = max(b.ring.Known(*from), b.status.Seq)
	return u, b.changed
}
