package loop_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
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

// polled returns a loop that is at rest and its Poll.
func polled(t *testing.T, m *ticker, carry func(*effects)) *loop.Loop[int, effects] {
	t.Helper()
	l, _ := onPoll(t, m, carry, nil)
	return l
}

func onPoll(t *testing.T, m *ticker, carry func(*effects), heavy func(*effects) bool) (*loop.Loop[int, effects], *poll.Poll) {
	t.Helper()
	p, err := poll.New()
	if err != nil {
		t.Skip(err)
	}
	l := loop.New(loop.Options[int, effects]{
		Name: "test", Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), Machine: m, Poll: p,
		Reset: func(e *effects) { e.sums = e.sums[:0] },
		Carry: func(_ instant.Instant, e *effects) { carry(e) }, Heavy: heavy,
	})
	var all sync.WaitGroup
	ctx, end := context.WithCancel(t.Context())
	all.Go(func() { _ = p.Run() })
	all.Go(func() { _ = l.Run(ctx) })
	t.Cleanup(func() { end(); p.Close(); all.Wait() })
	return l, p
}

// What takes its time to be carried out does not hold up the Poll, nor is it
// overtaken: what comes meanwhile is stepped when it is done.
func TestHeavyEffectsAreNotThePolls(t *testing.T) {
	const patience = 10 * time.Second
	m := &ticker{next: instant.Never}
	free, done := make(chan struct{}), make(chan struct{})
	var order []int
	l, p := onPoll(t, m, func(e *effects) {
		if e.sums[0] == 1000 {
			select {
			case <-free:
			case <-time.After(patience):
				t.Error("the Poll waits for a heavy step")
			}
		}
		if order = append(order, e.sums...); len(order) == 4 {
			close(done)
		}
	}, func(e *effects) bool { return e.sums[0] == 1000 })
	p.NewAlarm(func() {
		l.Here(t.Context(), 1)
		l.Here(t.Context(), 999)
		l.Here(t.Context(), 1)
		l.Here(t.Context(), 1)
		p.NewAlarm(func() { close(free) }).Set(time.Now())
	}).Set(time.Now())
	select {
	case <-done:
	case <-time.After(2 * patience):
		t.Fatal("effects were lost")
	}
	if want := []int{1, 1000, 1001, 1002}; !slices.Equal(order, want) {
		t.Errorf("carried out %v, want %v", order, want)
	}
}

// A heavy step that breaks its promise ends the loop as any other.
func TestPanicOfAHeavyStep(t *testing.T) {
	l, p := onPoll(t, &ticker{next: instant.Never}, func(*effects) { panic("in the middle") }, func(*effects) bool { return true })
	p.NewAlarm(func() { l.Here(t.Context(), 1) }).Set(time.Now())
	<-l.Done()
	if l.Err() == nil {
		t.Error("it ended without a reason")
	}
}

// With a Poll a loop wakes at its deadlines, takes events from both doors one at
// a time, and loses none.
func TestOnAPoll(t *testing.T) {
	const each = 2000
	m := &ticker{next: instant.Instant(time.Millisecond)}
	var steps atomic.Int32
	whole := make(chan struct{})
	l := polled(t, m, func(e *effects) {
		if !steps.CompareAndSwap(0, 1) {
			t.Error("two steps at once")
		}
		if len(e.sums) > 0 && e.sums[0] == 3*each {
			close(whole)
		}
		steps.Store(0)
	})
	for _, tell := range []func(){
		func() { l.Tell(t.Context(), 1) },
		func() { l.Here(t.Context(), 2) },
	} {
		go func() {
			for range each {
				tell()
			}
		}()
	}
	<-whole
}

// The deadlines of a loop that is told nothing come one after the other.
func TestWakesOnAPoll(t *testing.T) {
	wakes := make(chan struct{}, 8)
	m := &quick{}
	p, err := poll.New()
	if err != nil {
		t.Skip(err)
	}
	l := loop.New(loop.Options[int, effects]{
		Name: "test", Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), Machine: m, Poll: p,
		Reset: func(*effects) {}, Carry: func(instant.Instant, *effects) { wakes <- struct{}{} },
	})
	var all sync.WaitGroup
	ctx, end := context.WithCancel(t.Context())
	all.Go(func() { _ = p.Run() })
	all.Go(func() { _ = l.Run(ctx) })
	for range 5 {
		<-wakes
	}
	end()
	p.Close()
	all.Wait()
	for i, at := range m.wakes {
		if at < instant.Instant(i+1)*instant.Instant(10*time.Millisecond) {
			t.Errorf("wake %d came at %d, too early", i, at)
		}
	}
}

// quick wants to be woken every 10 ms of its own plan.
type quick struct{ wakes []instant.Instant }

func (m *quick) Step(now instant.Instant, _ int, _ *effects) { m.wakes = append(m.wakes, now) }
func (m *quick) Deadline() instant.Instant {
	return instant.Instant(len(m.wakes)+1) * instant.Instant(10*time.Millisecond)
}

// An event that breaks the machine ends the loop, whichever goroutine it is on,
// and nothing is stepped after that.
func TestPanicOnAPollEndsTheLoop(t *testing.T) {
	told := 0
	l := polled(t, &ticker{next: instant.Never}, func(*effects) { told++ })
	l.Here(t.Context(), -1)
	<-l.Done()
	if l.Err() == nil {
		t.Error("it ended without a reason")
	}
	l.Here(t.Context(), 1)
	if told != 0 {
		t.Error("an ended loop took a step")
	}
}

func TestPanicEndsTheLoop(t *testing.T) {
	l := start(&ticker{next: instant.Never}, func(*effects) {})
	l.Offer(-1)
	if err := l.Run(t.Context()); err == nil {
		t.Fatal("a machine that panicked goes on")
	}
}
