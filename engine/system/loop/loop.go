// Package loop is the unit of concurrency: one goroutine that owns one machine,
// takes its events from a bounded inbox, wakes it at its deadline, and hands its
// effects to the world. Loops share nothing and talk by events.
package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// ErrPowerCut is the cause of a loop that ends without a goodbye.
var ErrPowerCut = errors.New("loop: power cut")

// Inbox is how many events may wait for a machine. A machine takes a few
// microseconds an event, so a full inbox means that something is wrong.
const Inbox = 4096

// Clock is a world's monotonic clock.
type Clock struct {
	zero   time.Time
	origin instant.Origin
}

// NewClock returns a clock whose instant zero is now.
func NewClock() *Clock {
	now := time.Now()
	return &Clock{zero: now, origin: instant.OriginAt(now)}
}

// Now returns the present instant.
func (c *Clock) Now() instant.Instant { return instant.Instant(time.Since(c.zero)) }

// Origin returns the wall-clock time of instant zero.
func (c *Clock) Origin() instant.Origin { return c.origin }

// Instant returns the instant of a time that this process read from its clock.
func (c *Clock) Instant(t time.Time) instant.Instant { return instant.Instant(t.Sub(c.zero)) }

// Machine is a decider or an assembly of deciders: F is its effects.
type Machine[E, F any] interface {
	Step(now instant.Instant, ev E, out *F)
	Deadline() instant.Instant
}

// Loop runs one machine.
type Loop[E, F any] struct {
	name    string
	clock   *Clock
	log     *slog.Logger
	machine Machine[E, F]
	inbox   chan E
	wake    E
	reset   func(*F)
	carry   func(instant.Instant, *F)
	dropped atomic.Uint64
	done    chan struct{}
	err     error // of the end; read after done
}

// Options of New.
type Options[E, F any] struct {
	Name    string
	Clock   *Clock
	Log     *slog.Logger
	Machine Machine[E, F]
	Wake    E                         // the event that says the deadline has come
	Reset   func(*F)                  // empties effects and keeps their memory
	Carry   func(instant.Instant, *F) // carries effects out; runs on the loop's goroutine
}

// New returns a loop that is not running.
func New[E, F any](o Options[E, F]) *Loop[E, F] {
	return &Loop[E, F]{
		name: o.Name, clock: o.Clock, log: o.Log, machine: o.Machine, wake: o.Wake, reset: o.Reset, carry: o.Carry,
		inbox: make(chan E, Inbox), done: make(chan struct{}),
	}
}

// Run runs the loop until ctx ends, and returns why it ended. A panic of the
// machine ends it too: a decider that broke its own promise must not go on.
func (l *Loop[E, F]) Run(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("loop: %s: panic: %v", l.name, r)
			l.log.Error("a decider broke its promise; its loop ends", "loop", l.name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
		l.err = err
		close(l.done)
	}()
	var out F
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	step := func(ev E) {
		l.reset(&out)
		now := l.clock.Now()
		l.machine.Step(now, ev, &out)
		l.carry(now, &out)
	}
	for {
		wait := time.Hour
		if d := l.machine.Deadline(); d != instant.Never {
			wait = max(d.Sub(l.clock.Now()), 0)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case ev := <-l.inbox:
			step(ev)
		case <-timer.C:
			if l.machine.Deadline().Reached(l.clock.Now()) {
				step(l.wake)
			}
		}
	}
}

// Tell hands an event to the machine and waits for room. It reports false when
// the loop has ended.
func (l *Loop[E, F]) Tell(ctx context.Context, ev E) bool {
	select {
	case l.inbox <- ev:
		return true
	default:
	}
	select {
	case l.inbox <- ev:
		return true
	case <-l.done:
	case <-ctx.Done():
	}
	return false
}

// Offer hands an event to the machine if there is room, and counts it as
// dropped otherwise. It is for reports that the next one replaces.
func (l *Loop[E, F]) Offer(ev E) bool {
	select {
	case l.inbox <- ev:
		return true
	default:
		l.dropped.Add(1)
		return false
	}
}

// Dropped is how many offered events found no room.
func (l *Loop[E, F]) Dropped() uint64 { return l.dropped.Load() }

// Done is closed when the loop has ended.
func (l *Loop[E, F]) Done() <-chan struct{} { return l.done }

// Err is why the loop ended; nil while it runs.
func (l *Loop[E, F]) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}
