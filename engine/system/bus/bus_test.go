package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/bus"
)

// events are those numbered from first to last.
func events(first, last api.Seq) []api.Event {
	var all []api.Event
	for q := first; q <= last; q++ {
		all = append(all, api.Event{Seq: q})
	}
	return all
}

func TestEventsWaitForTheirPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New()
		b.Add(events(1, 2))
		b.Publish(&api.Status{Seq: 2})
		updates, err := b.Watch(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if u := <-updates; len(u.Events) != 1 || u.Events[0].Seq != 2 {
			t.Errorf("the first update has %+v, want event 2", u.Events)
		}
		b.Add(events(3, 4))
		synctest.Wait()
		select {
		case u := <-updates:
			t.Errorf("events came without a picture: %+v", u.Events)
		default:
		}
		if all, _ := b.Events(t.Context(), 2, 9); len(all) != 2 {
			t.Errorf("who asks has %+v, want events 3 and 4 at once", all)
		}
		b.Publish(&api.Status{Seq: 3})
		if u := <-updates; len(u.Events) != 1 || u.Events[0].Seq != 3 {
			t.Errorf("a picture of event 3 came with %+v", u.Events)
		}
	})
}

// A watcher that does not read costs the others nothing, and has the newest
// picture when it comes back.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New()
		b.Publish(&api.Status{})
		updates, err := b.Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		<-updates
		const last = 2 * api.EventRing
		for q := api.Seq(1); q <= last; q++ {
			b.Add(events(q, q))
			b.Publish(&api.Status{Seq: q})
			synctest.Wait() // it has taken the first of them, and waits for its reader
		}
		if u := <-updates; u.Status.Seq != 1 {
			t.Fatalf("the picture in its hands is of event %d, want 1", u.Status.Seq)
		}
		if u := <-updates; u.Status.Seq != last || len(u.Events) != api.EventRing || u.Missed != last-1-api.EventRing {
			t.Errorf("picture of event %d, %d events, %d missed", u.Status.Seq, len(u.Events), u.Missed)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New()
		b.Publish(&api.Status{})
		updates, err := b.Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		<-updates
		b.Close()
		b.Close()
		b.Publish(&api.Status{Seq: 1})
		if u, ok := <-updates; ok {
			t.Errorf("an update came after the end: %+v", u)
		}
		for about, err := range looks(b, t.Context()) {
			if !errors.Is(err, api.ErrUnreachable) {
				t.Errorf("%s says %v", about, err)
			}
		}
	})
}

// Before the first picture everybody waits, until it comes, or the asker is tired,
// or the fleet ends without one.
func TestFirstPicture(t *testing.T) {
	for about, x := range map[string]struct {
		then func(*bus.Bus, context.CancelFunc)
		want error
	}{
		"comes":       {func(b *bus.Bus, _ context.CancelFunc) { b.Publish(&api.Status{}) }, nil},
		"never comes": {func(_ *bus.Bus, end context.CancelFunc) { end() }, context.Canceled},
		"cannot come": {func(b *bus.Bus, _ context.CancelFunc) { b.Close() }, api.ErrUnreachable},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := bus.New()
			ctx, end := context.WithCancel(t.Context())
			defer end()
			var all map[string]error
			var done sync.WaitGroup
			done.Go(func() { all = looks(b, ctx) })
			synctest.Wait()
			if all != nil {
				t.Errorf("%s: nobody waited: %v", about, all)
			}
			x.then(b, end)
			done.Wait()
			for look, err := range all {
				if !errors.Is(err, x.want) {
					t.Errorf("%s: %s says %v, want %v", about, look, err, x.want)
				}
			}
		})
	}
}

// looks are the errors of all ways to look.
func looks(b *bus.Bus, ctx context.Context) map[string]error {
	_, status := b.Status(ctx)
	_, events := b.Events(ctx, 0, 1)
	ctx, end := context.WithCancel(ctx)
	defer end()
	_, watch := b.Watch(ctx, 0)
	return map[string]error{"Status": status, "Events": events, "Watch": watch}
}
