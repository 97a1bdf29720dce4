package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// machine is a decider or an assembly of deciders.
type machine[E, F any] interface {
	Step(now instant.Instant, ev E, out *F)
	Deadline() instant.Instant
}

// loop runs one machine as a goroutine with an inbox would: one event after the
// other, a Wake at its deadline or a little later, and everything late while it
// is stalled.
type loop[E, F any] struct {
	world   *World
	machine machine[E, F]
	wake    E
	out     F
	reset   func(*F)
	before  func(E)     // sees an event ahead of its Step
	alter   func(E) E   // plants a bug; nil: an honest world
	after   func(E, *F) // carries effects out

	planned bool            // a wake is
	waking  instant.Instant // the deadline that it is for
	plans   uint64
	stalled instant.Instant // until when it does nothing
	inbox   []E             // while it is stalled
	dead    bool

	second instant.Instant // that steps are counted in
	steps  int             // in this second
	spins  int             // wakes at one instant
	spinAt instant.Instant
}

// Bounds on a loop: whoever passes them is busy with nothing.
const (
	stepsMax = 40_000 // a virtual second; a drill's witness alone brings a thousand probes
	spinsMax = 8      // wakes at one instant
)

// tell hands an event over after a delay.
func (l *loop[E, F]) tell(after time.Duration, ev E) {
	l.tellAt(l.world.now.Add(after), ev)
}

func (l *loop[E, F]) tellAt(at instant.Instant, ev E) {
	l.world.queue.Add(at, func() { l.take(ev) })
}

// take takes an event now, or keeps it while the loop is stalled.
func (l *loop[E, F]) take(ev E) {
	switch {
	case l.dead:
	case l.world.now.Before(l.stalled):
		l.inbox = append(l.inbox, ev)
	default:
		l.step(ev)
	}
}

func (l *loop[E, F]) step(ev E) {
	if l.dead || l.world.failure != nil {
		return
	}
	w := l.world
	w.steps++
	if w.now.Sub(l.second) >= time.Second {
		l.second, l.steps = w.now, 0
	}
	if l.steps++; l.steps > stepsMax {
		w.fail("progress", "a loop took more than %d steps within a virtual second", stepsMax)
		return
	}
	l.before(ev)
	l.reset(&l.out)
	told := ev
	if l.alter != nil {
		told = l.alter(ev)
	}
	l.machine.Step(w.now, told, &l.out)
	l.after(ev, &l.out)
	l.plan()
}

// plan sees to it that the machine is woken in time. A planned wake that is early
// enough stays: one that was put off with each event might never come.
func (l *loop[E, F]) plan() {
	d := l.machine.Deadline()
	if l.dead || d == instant.Never {
		return
	}
	at := max(d, l.world.now)
	if l.planned && l.waking <= at {
		return
	}
	l.planned, l.waking = true, at
	l.plans++
	this := l.plans
	l.world.queue.Add(at.Add(l.world.late()), func() {
		if this == l.plans {
			l.planned = false
			l.woken()
		}
	})
}

// woken is a planned wake.
func (l *loop[E, F]) woken() {
	w := l.world
	if l.dead || w.now.Before(l.stalled) {
		return
	}
	if !l.machine.Deadline().Reached(w.now) {
		l.plan()
		return
	}
	if l.spinAt != w.now {
		l.spinAt, l.spins = w.now, 0
	}
	if l.spins++; l.spins > spinsMax {
		w.fail("progress", "a machine asked for %d wakes at one instant: its deadline does not advance", l.spins)
		return
	}
	l.step(l.wake)
}

// stall stops the loop for a while, as a busy or a suspended host does. What
// comes meanwhile waits.
func (l *loop[E, F]) stall(d time.Duration) {
	to := l.world.now.Add(d)
	if to <= l.stalled {
		return
	}
	l.stalled = to
	l.world.queue.Add(to, func() {
		if l.dead || l.stalled != to {
			return
		}
		waiting := l.inbox
		l.inbox = nil
		for _, ev := range waiting {
			l.take(ev)
		}
		l.plan()
	})
}
