// Package loop is the unit of concurrency: it owns one machine, takes its events
// from a bounded inbox, wakes it at its deadline, and hands its effects to the
// world, one event at a time. Loops share nothing and talk by events.
//
// A loop has a goroutine. With a Poll, what comes often and decides little, the
// deadlines and the events of Here, is stepped on the Poll's goroutine instead
// whenever the loop is at rest: waking another goroutine would cost more than
// the step. Effects that take their time to be carried out go back to the loop's
// goroutine; the machine takes no step before they were.
package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
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

// Time returns the time of an instant.
func (c *Clock) Time(at instant.Instant) time.Time { return c.zero.Add(time.Duration(at)) }

// Instant returns the instant of a time that this process read from its clock.
func (c *Clock) Instant(t time.Time) instant.Instant { return instant.Instant(t.Sub(c.zero)) }

// Machine is a decider or an assembly of deciders: F is its effects.
type Machine[E, F any] interface {
	Step(now instant.Instant, ev E, out *F)
	Deadline() instant.Instant
}

// Loop runs one machine.
type Loop[E, F any] struct {
	name   string
	clock  *Clock
	log    *slog.Logger
	inbox  chan E
	alarm  *poll.Alarm   // of the deadline; nil without a Poll
	broken chan error    // a step on the Poll's goroutine failed
	kick   chan struct{} // there is something to do that is no event

	mu      sync.Mutex // held for a step
	machine Machine[E, F]
	out     F
	owed    bool            // out is still to be carried out, by the loop's goroutine
	owedAt  instant.Instant // of the step that it is of
	ended   bool
	wake    E
	reset   func(*F)
	carry   func(instant.Instant, *F)
	heavy   func(*F) bool
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
	Wake    E        // the event that says the deadline has come
	Reset   func(*F) // empties effects and keeps their memory
	// Carry carries effects out before the next step. With a Poll it may run on the
	// Poll's goroutine, and Heavy tells of effects that are not for that one,
	// because whatever else is there would wait for them. nil: none are.
	Carry func(instant.Instant, *F)
	Heavy func(*F) bool
	Poll  *poll.Poll // nil: the loop uses a timer and its own goroutine only
}

// New returns a loop that is not running.
func New[E, F any](o Options[E, F]) *Loop[E, F] {
	l := &Loop[E, F]{
		name: o.Name, clock: o.Clock, log: o.Log, machine: o.Machine, wake: o.Wake, reset: o.Reset, carry: o.Carry, heavy: o.Heavy,
		inbox: make(chan E, Inbox), done: make(chan struct{}), broken: make(chan error, 1), kick: make(chan struct{}, 1),
	}
	if o.Poll != nil {
		l.alarm = o.Poll.NewAlarm(l.rang)
	}
	return l
}

// Run runs the loop until ctx ends, and returns why it ended. A panic of the
// machine ends it too: a decider that broke its own promise must not go on.
// After it no step runs any more, on whichever goroutine.
func (l *Loop[E, F]) Run(ctx context.Context) error {
	err := l.run(ctx)
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.err = err
	close(l.done)
	return err
}

func (l *Loop[E, F]) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	l.mu.Lock()
	l.plan(timer)
	l.mu.Unlock()
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err = <-l.broken:
		case ev := <-l.inbox:
			err = l.turn(timer, func() error { return l.step(ev, false) })
		case <-l.kick:
			err = l.turn(timer, func() error { return l.due(false) })
		case <-timer.C:
			err = l.turn(timer, func() error { return l.due(false) })
		}
		if err != nil {
			return err
		}
	}
}

// turn carries out what is owed and takes a step, on the loop's goroutine.
func (l *Loop[E, F]) turn(timer *time.Timer, step func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed {
		l.owed = false
		if err := l.guarded(func() { l.carry(l.owedAt, &l.out) }); err != nil {
			return err
		}
	}
	err := step()
	l.plan(timer)
	return err
}

// plan sets the timer or the alarm to the machine's deadline. The caller holds
// the lock.
func (l *Loop[E, F]) plan(timer *time.Timer) {
	d := l.machine.Deadline()
	switch {
	case l.alarm != nil && d != instant.Never:
		l.alarm.Set(l.clock.Time(d))
	case l.alarm != nil:
	case d != instant.Never:
		timer.Reset(max(d.Sub(l.clock.Now()), 0))
	default:
		timer.Reset(time.Hour)
	}
}

// due wakes the machine if its deadline has come. The caller holds the lock.
func (l *Loop[E, F]) due(onPoll bool) error {
	if !l.machine.Deadline().Reached(l.clock.Now()) {
		return nil
	}
	return l.step(l.wake, onPoll)
}

// step tells the machine one event and carries out what it asks for, or leaves
// that to the loop's goroutine. The caller holds the lock.
func (l *Loop[E, F]) step(ev E, onPoll bool) error {
	return l.guarded(func() {
		l.reset(&l.out)
		now := l.clock.Now()
		l.machine.Step(now, ev, &l.out)
		if onPoll && l.heavy != nil && l.heavy(&l.out) {
			l.owed, l.owedAt = true, now
			l.look()
			return
		}
		l.carry(now, &l.out)
	})
}

// guarded makes an error of a panic. The caller holds the lock.
func (l *Loop[E, F]) guarded(do func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			l.ended = true
			err = fmt.Errorf("loop: %s: panic: %v", l.name, r)
			l.log.Error("a decider broke its promise; its loop ends", "loop", l.name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	do()
	return nil
}

// look has the loop's goroutine see whether there is something to do.
func (l *Loop[E, F]) look() {
	select {
	case l.kick <- struct{}{}:
	default: // it is going to look anyway
	}
}

// rang is the alarm's: it wakes the machine here and now, or has the loop's own
// goroutine do it when that is in a step, or has one to end first.
func (l *Loop[E, F]) rang() {
	if !l.mu.TryLock() {
		l.look()
		return
	}
	defer l.mu.Unlock()
	switch {
	case l.ended:
	case l.owed:
		l.look()
	default:
		l.settle(l.due(true))
	}
}

// Here tells the machine an event on the caller's goroutine, the Poll's, when
// the loop is at rest, and hands it to the loop otherwise. It never waits.
func (l *Loop[E, F]) Here(ctx context.Context, ev E) {
	if l.alarm != nil && len(l.inbox) == 0 && l.here(ev) {
		return
	}
	select {
	case l.inbox <- ev:
	default:
		go l.Tell(ctx, ev)
	}
}

// here steps on the Poll's goroutine, if the loop is at rest.
func (l *Loop[E, F]) here(ev E) bool {
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	switch {
	case l.ended:
	case l.owed:
		return false
	default:
		l.settle(l.step(ev, true))
	}
	return true
}

// settle ends a step that was not on the loop's goroutine. The caller holds the
// lock.
func (l *Loop[E, F]) settle(err error) {
	if err != nil {
		l.broken <- err // the only one: the loop has ended
		return
	}
	l.plan(nil)
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
