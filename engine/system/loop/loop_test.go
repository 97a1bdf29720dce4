package loop_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// ticker wants to be woken every second and adds up what it is told.
type ticker struct {
	next  instant.Instant
	wakes []instant.Instant
	sum   int
}

type effects struct{ sums []int }

func (m *ticker) Step(now instant.Instant, ev int, out *effects) {
	switch {
	case ev < 0:
		panic("told something negative")
	case ev == 0:
		m.wakes = append(m.wakes, now)
		m.next = now.Add(time.Second)
	default:
		m.sum += ev
		out.sums = append(out.sums, m.sum)
	}
}

func (m *ticker) Deadline() instant.Instant { return m.next }

func start(m *ticker, carry func(*effects)) *loop.Loop[int, effects] {
	return loop.New(loop.Options[int, effects]{
		Name: "test", Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), Machine: m,
		Reset: func(e *effects) { e.sums = e.sums[:0] },
		Carry: func(_ instant.Instant, e *effects) { carry(e) },
	})
}

func TestWakesAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &ticker{next: instant.Instant(time.Second)}
		l := start(m, func(*effects) {})
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		if err := l.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("ended with %v", err)
		}
		if len(m.wakes) != 5 {
			t.Fatalf("woken %d times in 5.5 s, want 5: %v", len(m.wakes), m.wakes)
		}
		for i, w := range m.wakes {
			if want := instant.Instant(i+1) * instant.Instant(time.Second); w != want {
				t.Errorf("wake %d at %d, want %d", i, w, want)
			}
		}
	})
}

func TestEventsInOrderAndEndsWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sums []int
		l := start(&ticker{next: instant.Never}, func(e *effects) { sums = append(sums, e.sums...) })
		ctx, cut := context.WithCancelCause(t.Context())
		go func() { _ = l.Run(ctx) }()
		for i := 1; i <= 3; i++ {
			l.Tell(ctx, i)
		}
		synctest.Wait()
		cut(loop.ErrPowerCut)
		<-l.Done()
		if !errors.Is(l.Err(), loop.ErrPowerCut) {
			t.Errorf("ended with %v", l.Err())
		}
		if len(sums) != 3 || sums[2] != 6 {
			t.Errorf("effects are %v", sums)
		}
		if l.Tell(context.Background(), 1) && len(sums) > 3 {
			t.Error("an ended loop took an event")
		}
	})
}

func TestFullInboxDropsOffersAndCountsThem(t *testing.T) {
	l := start(&ticker{next: instant.Never}, func(*effects) {})
	for range loop.Inbox + 7 {
		l.Offer(1)
	}
	if d := l.Dropped(); d != 7 {
		t.Errorf("%d dropped, want 7", d)
	}
}

func TestPanicEndsTheLoop(t *testing.T) {
	l := start(&ticker{next: instant.Never}, func(*effects) {})
	l.Offer(-1)
	if err := l.Run(t.Context()); err == nil {
		t.Fatal("a machine that panicked goes on")
	}
}
