package keep_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
)

// world is a process and what it suffers, as a world would have it: the test's own
// record, made of deeds alone.
type world struct {
	fatal  func(format string, args ...any)
	now    instant.Instant
	keep   keep.Process
	wanted bool

	running bool
	frozen  bool
	delay   time.Duration
	broken  bool // starts fail
	stuck   bool // deeds fail

	orders  map[string]keep.Fault
	inForce *keep.Fault // answered and not reverted
	since   instant.Instant
	answers map[keep.Answer]int
	ended   instant.Instant // last
}

func newWorld(fatal func(string, ...any)) *world {
	return &world{fatal: fatal, orders: map[string]keep.Fault{}, answers: map[keep.Answer]int{}}
}

func (w *world) step(ev keep.Event) {
	var out keep.Effects
	w.keep.Step(w.now, ev, &out)
	if out.Stop {
		w.end()
	}
	if len(out.Deeds) > 1 {
		w.fatal("%d deeds of one step", len(out.Deeds))
	}
	for _, d := range out.Deeds {
		w.step(w.do(d))
	}
	for _, a := range out.Answers {
		w.answers[keep.Answer{ID: a.ID, Revert: a.Revert}]++
		f := w.orders[a.ID]
		switch {
		case a.Err != "":
		case a.Revert && w.inForce != nil && w.inForce.ID == a.ID:
			w.inForce = nil
		case !a.Revert && f.Kind != api.FaultRestart:
			w.inForce, w.since = &f, w.now
		}
	}
	if out.Start {
		switch {
		case w.running || !w.wanted:
			w.fatal("a start, with running %t and wanted %t", w.running, w.wanted)
		case w.inForce != nil && w.inForce.Kind == api.FaultKill:
			w.fatal("who was killed on purpose is started")
		case w.broken:
			w.step(keep.Failed{})
		default:
			w.running = true
			w.step(keep.Began{})
		}
	}
}

func (w *world) do(d keep.Deed) keep.Done {
	if !w.running {
		return keep.Done{Gone: true}
	}
	if w.stuck {
		return keep.Done{Err: "operation not permitted"}
	}
	switch d.Act {
	case keep.Kill, keep.Terminate:
		w.end()
	case keep.Freeze:
		w.frozen = true
	case keep.Thaw:
		w.frozen = false
	case keep.Slow:
		w.delay = d.Delay
	default:
		w.fatal("%q is no act", d.Act)
	}
	return keep.Done{}
}

func (w *world) end() {
	w.running, w.frozen, w.delay, w.ended = false, false, 0, w.now
	w.step(keep.Ended{})
}

// pass lets time go on, with every wake at its deadline.
func (w *world) pass(d time.Duration) {
	to := w.now.Add(d)
	for n := 0; w.keep.Deadline().Reached(to); n++ {
		if n > 10000 {
			w.fatal("it wakes for ever")
		}
		w.now = max(w.now, w.keep.Deadline())
		w.step(keep.Wake{})
	}
	w.now = to
}

// check compares what the process suffers with what is in force. stuck says that
// a deed failed, so that it may lack something.
func (w *world) check(stuck bool) {
	f, ok := w.keep.Fault()
	if ok != (w.inForce != nil) || ok && f != *w.inForce {
		w.fatal("it says %+v (%t) is in force, answered was %+v", f, ok, w.inForce)
	}
	if ok && f.DeadMan > 0 && !stuck && w.now.Sub(w.since) > f.DeadMan+keep.DeadManGrace {
		w.fatal("%s is %s old, its dead-man time is %s", f.ID, w.now.Sub(w.since), f.DeadMan)
	}
	if stuck || !w.running {
		return
	}
	if frozen := ok && f.Kind == api.FaultFreeze; w.frozen != frozen {
		w.fatal("frozen is %t, by the fault %t", w.frozen, frozen)
	}
	delay := time.Duration(0)
	if ok && f.Kind == api.FaultSlow {
		delay = f.Delay
	}
	if w.delay != delay {
		w.fatal("it is late by %s, by the fault by %s", w.delay, delay)
	}
	if ok && f.Kind == api.FaultKill {
		w.fatal("it runs, and was killed")
	}
}

// TestProperties: whatever happens in whatever order, the process suffers what is
// in force and nothing else, every order is answered, and in the end it runs.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(func(f string, args ...any) { t.Fatalf(f, args...) })
		w.wanted = true
		w.step(keep.Wanted{})
		n, stuck := 0, false
		var ids []string
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"pass", "pass", "end", "suffer", "suffer", "relieve", "break", "stick", "wake"}).Draw(t, "what") {
			case "pass":
				w.pass(rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 7 * time.Second, time.Minute}).Draw(t, "for"))
			case "end":
				if w.running {
					w.end()
				}
			case "suffer":
				n++
				f := keep.Fault{
					ID: fmt.Sprintf("f%d", n), Kind: rapid.SampledFrom(append(api.FaultKinds(), "flood")).Draw(t, "kind"), Delay: time.Second,
					DeadMan: rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "dead man"),
				}
				ids = append(ids, f.ID)
				w.orders[f.ID] = f
				w.step(keep.Suffer{Fault: f})
				if got := w.answers[keep.Answer{ID: f.ID}]; got != 1 {
					t.Fatalf("the order %+v has %d answers", f, got)
				}
			case "relieve":
				if len(ids) == 0 {
					continue
				}
				back := keep.Answer{ID: rapid.SampledFrom(ids).Draw(t, "which"), Revert: true}
				before := w.answers[back]
				w.step(keep.Relieve{ID: back.ID})
				if got := w.answers[back] - before; got != 1 {
					t.Fatalf("the revert of %s has %d answers", back.ID, got)
				}
			case "break":
				w.broken = !w.broken
			case "stick":
				w.stuck = !w.stuck
				stuck = true
			case "wake":
				w.step(keep.Wake{}) // before its time
			}
			w.check(stuck)
		}
		w.broken, w.stuck = false, false
		if w.inForce != nil {
			w.step(keep.Relieve{ID: w.inForce.ID})
		}
		w.pass(keep.PauseMax)
		w.check(stuck)
		if !w.running || w.inForce != nil || w.frozen && !stuck {
			t.Fatalf("nothing is in the way: running %t, in force %v, frozen %t", w.running, w.inForce, w.frozen)
		}
		w.wanted = false
		w.step(keep.Left{})
		if w.running || w.keep.Deadline() != instant.Never {
			t.Fatalf("it left: running %t, wakes at %d", w.running, w.keep.Deadline())
		}
	})
}

// TestPauses: a process that ends by itself again and again is away longer each
// time, and no longer than PauseMax; one that ran for a while begins anew.
func TestPauses(t *testing.T) {
	w := newWorld(t.Fatalf)
	w.wanted = true
	w.step(keep.Wanted{})
	for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		w.end()
		if got := w.keep.Deadline().Sub(w.now); got != want*time.Millisecond {
			t.Errorf("it is away for %s, expected %s", got, want*time.Millisecond)
		}
		w.pass(keep.PauseMax)
	}
	w.pass(keep.PauseReset + 1)
	w.end()
	if got := w.keep.Deadline().Sub(w.now); got != keep.PauseFirst {
		t.Errorf("after a long life it is away for %s", got)
	}
	w.pass(keep.PauseFirst)
	w.orders["f1"] = keep.Fault{ID: "f1", Kind: api.FaultRestart}
	w.end()
	w.pass(keep.PauseMax)
	w.step(keep.Suffer{Fault: w.orders["f1"]})
	if got := w.keep.Deadline().Sub(w.now); got != keep.PauseFirst {
		t.Errorf("a restart takes %s", got)
	}
}

// TestDeadManTriesAgain: a fault that cannot be taken back at its time is said to
// be in force still, and is tried again.
func TestDeadManTriesAgain(t *testing.T) {
	w := newWorld(t.Fatalf)
	w.wanted = true
	w.step(keep.Wanted{})
	f := keep.Fault{ID: "f1", Kind: api.FaultFreeze, DeadMan: time.Second}
	w.orders["f1"] = f
	w.step(keep.Suffer{Fault: f})
	w.stuck = true
	w.pass(time.Minute)
	if _, ok := w.keep.Fault(); !ok || !w.frozen {
		t.Fatal("it is frozen and nothing says so")
	}
	w.stuck = false
	w.pass(keep.PauseMax)
	if _, ok := w.keep.Fault(); ok || w.frozen {
		t.Fatal("its revert was not tried again")
	}
}
