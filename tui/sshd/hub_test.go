package sshd

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// turning is a fleet whose coordinator changes in the middle of a Watch: each Watch
// brings what the test says on it.
type turning struct {
	api.Client
	opened chan chan api.Update
}

func (f *turning) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	out := make(chan api.Update)
	select {
	case f.opened <- out:
		return out, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// says is an update of a ring with the events after one, up to another.
func says(ring string, after, last api.Seq) api.Update {
	u := api.Update{Status: &api.Status{Ring: ring, Seq: last}}
	for q := after + 1; q <= last; q++ {
		u.Events = append(u.Events, api.Event{Seq: q, Text: ring})
	}
	return u
}

// Who watches through the hub sees the new ring whole and nothing of the old one
// with it, whether it looks on or comes anew.
func TestHubFollowsTheRing(t *testing.T) {
	f := &turning{opened: make(chan chan api.Update, 4)}
	h := newHub(f)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	send := func(to chan<- api.Update, u api.Update) {
		select {
		case to <- u:
		case <-ctx.Done():
			t.Error("nobody reads the fleet")
		}
	}
	next := func(from <-chan api.Update, ring string) api.Update {
		t.Helper()
		for {
			select {
			case u := <-from:
				for _, e := range u.Events {
					if e.Text != u.Status.Ring {
						t.Fatalf("an event of %s with a picture of %s", e.Text, u.Status.Ring)
					}
				}
				if u.Status.Ring == ring {
					return u
				}
			case <-ctx.Done():
				t.Fatalf("no picture of %s", ring)
			}
		}
	}
	line := make(chan chan api.Update, 1)
	go func() {
		one := <-f.opened
		send(one, says("e1", 0, 5))
		line <- one
	}()
	old, err := h.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if u := next(old, "e1"); len(u.Events) != 5 {
		t.Errorf("%d events, want 5", len(u.Events))
	}
	send(<-line, says("e2", 5, 7)) // it goes on with another numbering: that is not all of it
	select {
	case two := <-f.opened:
		send(two, says("e2", 0, 7))
	case <-ctx.Done():
		t.Fatal("the hub does not ask for all of the new ring")
	}
	next(old, "e2")
	fresh, err := h.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if u := next(fresh, "e2"); len(u.Events) != 7 || u.Events[0].Seq != 1 || u.Missed != 0 {
		t.Errorf("who comes anew has %d events and missed %d, want 7 and 0", len(u.Events), u.Missed)
	}
}
