package feed_test

import (
	"context"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
)

// watched is a client whose connections end only when they are given up.
type watched struct {
	api.Client
	open []context.Context
}

func (w *watched) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	w.open = append(w.open, ctx)
	return make(chan api.Update), nil
}

func TestLineFollowsTheRing(t *testing.T) {
	var l feed.Line
	c := &watched{}
	dial := func(from api.Seq) {
		l.Dial(t.Context(), c, from)()
		for i, ctx := range c.open {
			if over := ctx.Err() != nil; over != (i < len(c.open)-1) {
				t.Fatalf("connection %d of %d is over: %v", i+1, len(c.open), over)
			}
		}
	}
	see := func(ring string, forget, again bool) {
		t.Helper()
		if f, a := l.Take(api.Update{Status: &api.Status{Ring: ring}}); f != forget || a != again {
			t.Errorf("ring %q: forget %v, again %v", ring, f, a)
		}
	}
	dial(0)
	see("", false, false) // a fleet that is one process
	see("", false, false)
	dial(5)
	see("", false, false)
	see("e1", true, true)
	dial(0)
	see("e1", false, false) // it is known by now
	dial(0)
	see("e2", true, false) // this one brings all
	see("e2", false, false)
	if f, a := l.Take(api.Update{}); f || a {
		t.Error("an update without a picture says something")
	}
	dial(7)
	see("e3", true, true)
	if l.Conn != 2 {
		t.Errorf("%d connections were given up, want 2", l.Conn)
	}
}
