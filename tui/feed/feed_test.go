package feed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
)

type client struct {
	api.Client
	from    api.Seq
	updates chan api.Update
	err     error
}

func (c *client) Watch(_ context.Context, from api.Seq) (<-chan api.Update, error) {
	c.from = from
	return c.updates, c.err
}

func TestConnectAndNext(t *testing.T) {
	c := &client{updates: make(chan api.Update, 1)}
	connected, ok := feed.Connect(t.Context(), c, 41, 7)().(feed.Connected)
	if !ok || connected.Conn != 7 || c.from != 41 {
		t.Fatalf("connected %+v from %d", connected, c.from)
	}
	s := fixture.Picture()
	c.updates <- api.Update{Status: s}
	if u, ok := feed.Next(connected.Updates, 7)().(feed.Updated); !ok || u.Status != s || u.Conn != 7 {
		t.Errorf("next is %+v", u)
	}
	close(c.updates)
	if l, ok := feed.Next(connected.Updates, 7)().(feed.Lost); !ok || l.Err == nil || l.Conn != 7 {
		t.Errorf("the end is %+v", l)
	}
	c.err = errors.New("refused")
	if l, ok := feed.Connect(t.Context(), c, 0, 8)().(feed.Lost); !ok || l.Err != c.err {
		t.Errorf("a refused connection is %+v", l)
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	last := time.Duration(0)
	for n := 1; n < 100; n++ {
		d := feed.Backoff(n)
		if d < last || d > 10*time.Second || d <= 0 {
			t.Fatalf("try %d waits %s after %s", n, d, last)
		}
		last = d
	}
	if last != 10*time.Second {
		t.Errorf("it waits %s at most, want 10s", last)
	}
}
