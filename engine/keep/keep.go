package keep

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

const (
	// PauseFirst is how long a process that ended by itself stays away the first
	// time: what fails at once must not keep a processor busy.
	PauseFirst = 100 * time.Millisecond
	// PauseMax bounds the pause, which doubles: a process whose cause of failing
	// was mended is back before somebody asks why it is not.
	PauseMax = 5 * time.Second
	// PauseReset is how long a process must have run for its next pause to be the
	// first again.
	PauseReset = 10 * time.Second
	// DeadManGrace is how much later than whoever ordered a fault it is taken back
	// here: the order to do so comes first if there is somebody to give it.
	DeadManGrace = time.Second
)

// Gone is why nothing can be done to a process that does not run.
const Gone = "the backend has no process"

// Fault is one that was ordered.
type Fault struct {
	ID      string
	Kind    api.FaultKind
	Delay   time.Duration // of slow
	DeadMan time.Duration // it ends by itself; 0: not
}

// Act is what is done to a process.
type Act string

// The acts.
const (
	Kill      Act = "kill"
	Terminate Act = "terminate"
	Freeze    Act = "freeze"
	Thaw      Act = "thaw"
	Slow      Act = "slow" // every answer is late by Delay; 0: it is not any more
)

// Deed is one act, with what it needs.
type Deed struct {
	Act   Act
	Delay time.Duration
}

// Event is what a Process is told.
type Event interface{ event() }

type (
	// Wanted says that the process is to run.
	Wanted struct{}
	// Left says that it is not, any more.
	Left struct{}
	// Began answers a start that worked.
	Began struct{}
	// Failed answers a start that did not.
	Failed struct{}
	// Ended says that the process is gone.
	Ended struct{}
	// Suffer orders a fault.
	Suffer struct{ Fault Fault }
	// Relieve orders the revert of a fault.
	Relieve struct{ ID string }
	// Done answers a deed.
	Done struct {
		// Gone says that there was no process to do it to.
		Gone bool
		Err  string // empty: it is done
	}
	// Wake says that the deadline came.
	Wake struct{}
)

func (Wanted) event()  {}
func (Left) event()    {}
func (Began) event()   {}
func (Failed) event()  {}
func (Ended) event()   {}
func (Suffer) event()  {}
func (Relieve) event() {}
func (Done) event()    {}
func (Wake) event()    {}

// Answer says how an order ended.
type Answer struct {
	ID     string
	Revert bool
	Err    string // empty: it is so now
}

// Effects are what a Process asks for.
type Effects struct {
	Start, Stop bool
	Deeds       []Deed // at most one
	Answers     []Answer
}

// Reset empties the effects for the next step.
func (e *Effects) Reset() {
	e.Start, e.Stop, e.Deeds, e.Answers = false, false, e.Deeds[:0], e.Answers[:0]
}

// Do asks for a deed.
func (e *Effects) Do(d Deed) { e.Deeds = append(e.Deeds, d) }

// Answer answers an order.
func (e *Effects) Answer(a Answer) { e.Answers = append(e.Answers, a) }

// Process is one that is kept. The zero value was not wanted yet.
type Process struct {
	wanted  bool
	running bool
	began   instant.Instant
	pause   time.Duration   // before the next start
	start   instant.Instant // of the next try, where one is due; see due
	due     bool

	fault   *Fault // in force, or about to be
	deadMan instant.Instant
	waits   *Answer // for Done
	lifted  *Fault  // whose revert waits for Done
}

// Fault returns the fault that is in force, if there is one.
func (p *Process) Fault() (Fault, bool) {
	if p.fault == nil {
		return Fault{}, false
	}
	return *p.fault, true
}

// Step advances the process by one event and adds what must be done to out.
func (p *Process) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case Wanted:
		p.wanted, p.pause = true, PauseFirst
		p.run(out)
	case Left:
		out.Stop = p.running
		p.wanted, p.due, p.fault, p.waits, p.lifted = false, false, nil, nil, nil
	case Began:
		p.running, p.began = true, now
		if p.fault != nil { // it ended by itself while the fault was in force, which it still is
			out.Do(deed(p.fault))
		}
	case Failed:
		p.again(now)
	case Ended:
		p.running = false
		if now.Sub(p.began) > PauseReset {
			p.pause = PauseFirst
		}
		p.again(now)
	case Suffer:
		p.suffer(now, ev.Fault, out)
	case Relieve:
		p.relieve(ev.ID, out)
	case Done:
		p.done(now, ev, out)
	case Wake:
		if p.fault != nil && p.deadMan.Reached(now) {
			p.relieve(p.fault.ID, out)
		}
		if p.due && p.start.Reached(now) {
			p.run(out)
		}
	}
}

// Deadline is when it wants to be woken next.
func (p *Process) Deadline() instant.Instant {
	next := instant.Never
	if p.due {
		next = p.start
	}
	if p.fault != nil {
		next = min(next, p.deadMan)
	}
	return next
}

// killed reports whether it is to stay dead.
func (p *Process) killed() bool { return p.fault != nil && p.fault.Kind == api.FaultKill }

// run asks for the process, unless it runs or must not.
func (p *Process) run(out *Effects) {
	p.due = false
	out.Start = p.wanted && !p.running && !p.killed()
}

// again has the process started after a pause that grows.
func (p *Process) again(now instant.Instant) {
	if !p.wanted || p.killed() {
		return
	}
	p.due, p.start = true, now.Add(p.pause)
	p.pause = min(2*p.pause, PauseMax)
}

// suffer takes the order for a fault. It is in force from here on, so that a
// process that ends of it before the answer comes is not started.
func (p *Process) suffer(now instant.Instant, f Fault, out *Effects) {
	no := ""
	switch {
	case !p.running:
		no = Gone
	case p.fault != nil: // to be forgotten over another one, it would never end
		no = api.ReasonFaultInForce.Sentence() + ": " + p.fault.ID
	case deed(&f) == Deed{}:
		no = fmt.Sprintf("%q is no fault", f.Kind)
	}
	if no != "" {
		out.Answer(Answer{ID: f.ID, Err: no})
		return
	}
	p.waits = &Answer{ID: f.ID}
	out.Do(deed(&f))
	if f.Kind == api.FaultRestart {
		p.pause = PauseFirst // nothing stays in force: it comes back by itself
		return
	}
	p.fault, p.deadMan = &f, instant.Never
	if f.DeadMan > 0 {
		p.deadMan = now.Add(f.DeadMan).Add(DeadManGrace)
	}
}

// relieve takes a fault back. To relieve what is well is no error: a revert may be
// asked for twice.
func (p *Process) relieve(id string, out *Effects) {
	back := Answer{ID: id, Revert: true}
	if p.fault == nil || p.fault.ID != id {
		out.Answer(back)
		return
	}
	f := p.fault
	p.fault = nil
	switch {
	case f.Kind == api.FaultKill:
		p.pause = PauseFirst
		p.run(out) // if it is gone already; otherwise its end has it started
	case p.running && f.Kind == api.FaultFreeze:
		p.waits, p.lifted = &back, f
		out.Do(Deed{Act: Thaw})
		return
	case p.running && f.Kind == api.FaultSlow:
		p.waits, p.lifted = &back, f
		out.Do(Deed{Act: Slow})
		return
	}
	out.Answer(back)
}

// done takes the answer to a deed, and gives it to whoever ordered it. A fault
// that is done again to a process that was started again was answered before.
func (p *Process) done(now instant.Instant, ev Done, out *Effects) {
	a, lifted := p.waits, p.lifted
	if a == nil {
		return
	}
	p.waits, p.lifted = nil, nil
	a.Err = ev.Err
	switch {
	case ev.Gone && a.Revert: // its fault went with it
		a.Err = ""
	case ev.Gone:
		a.Err = Gone
	}
	switch {
	case a.Err == "":
	case !a.Revert:
		if p.fault != nil && p.fault.ID == a.ID {
			p.fault = nil
		}
	default: // it is still in force, and is tried again
		p.fault = lifted
		if lifted.DeadMan > 0 {
			p.deadMan = now.Add(PauseMax)
		}
	}
	out.Answer(*a)
}

// deed is what a fault does to a process; the zero value for what is no fault.
func deed(f *Fault) Deed {
	switch f.Kind {
	case api.FaultKill:
		return Deed{Act: Kill}
	case api.FaultFreeze:
		return Deed{Act: Freeze}
	case api.FaultSlow:
		return Deed{Act: Slow, Delay: f.Delay}
	case api.FaultRestart:
		return Deed{Act: Terminate}
	}
	return Deed{}
}
