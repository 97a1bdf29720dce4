package probe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"pgregory.net/rapid"
)

func fast() spec.Probe {
	return spec.Probe{
		Kind: spec.ProbeTCP, Interval: spec.Duration(100 * time.Millisecond), Timeout: spec.Duration(50 * time.Millisecond),
		Slow: spec.Duration(25 * time.Millisecond), Rise: 2, Fall: 3, Jitter: 10,
		Flap: spec.Flap{Count: 3, Window: spec.Duration(time.Minute), Hold: spec.Duration(5 * time.Second), HoldMax: spec.Duration(20 * time.Second)},
	}
}

// bench drives a Prober in virtual time against targets that answer as told.
type bench struct {
	t        testing.TB
	p        *probe.Prober
	now      instant.Instant
	out      probe.Effects
	answer   func(address string) (probe.Outcome, bool) // false: never
	changes  []probe.Change
	launches map[string]int
	waiting  []probe.Finished
}

func newBench(t testing.TB, subjects ...probe.Subject) *bench {
	b := &bench{t: t, p: probe.New(1), launches: map[string]int{}}
	b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{Verdict: probe.Pass}, true }
	b.step(probe.SetSubjects{Subjects: subjects})
	return b
}

func (b *bench) step(ev probe.Event) {
	b.out.Reset()
	b.p.Step(b.now, ev, &b.out)
	b.changes = append(b.changes, b.out.Changes...)
	for _, l := range b.out.Launches {
		b.launches[l.Address]++
		if o, ok := b.answer(l.Address); ok {
			b.waiting = append(b.waiting, probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o})
		}
	}
	if d := b.p.Deadline(); d.Before(b.now) {
		b.t.Fatalf("the deadline %d is before now %d", d, b.now)
	}
}

// run lets d pass.
func (b *bench) run(d time.Duration) {
	end := b.now.Add(d)
	for {
		for len(b.waiting) > 0 {
			f := b.waiting[0]
			b.waiting = b.waiting[1:]
			b.step(f)
		}
		next := b.p.Deadline()
		if !next.Before(end) {
			b.now = end
			return
		}
		b.now = next
		b.step(probe.Wake{})
	}
}

func (b *bench) health(name string) probe.Status {
	for _, s := range b.p.Status() {
		if s.Subject == name {
			return s
		}
	}
	b.t.Fatalf("no subject %s", name)
	return probe.Status{}
}

func refuse(string) (probe.Outcome, bool) {
	return probe.Outcome{Verdict: probe.Fail, Reason: "connection refused"}, true
}

func TestFirstResultDecidesAlone(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	if h := b.health("a").Health; h.Effective != api.Unknown {
		t.Fatalf("unmeasured health is %v", h)
	}
	b.run(150 * time.Millisecond)
	if h := b.health("a").Health; h.Effective != api.Up {
		t.Fatalf("after one pass health is %v", h)
	}
}

func TestFallAndRise(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	b.answer = refuse
	before, began := b.launches["x:1"], b.now
	for b.health("a").Health.Effective == api.Up {
		b.run(time.Millisecond)
	}
	if n := b.launches["x:1"] - before; n != 3 {
		t.Errorf("out after %d failures, want 3", n)
	}
	if took := b.now.Sub(began); took > probe.Detection(fast()) {
		t.Errorf("out after %v, the stated worst case is %v", took, probe.Detection(fast()))
	}
	if s := b.health("a"); s.Reason != "connection refused, 3 in a row" {
		t.Errorf("the reason is %q", s.Reason)
	}
	b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{Verdict: probe.Pass}, true }
	before = b.launches["x:1"]
	for b.health("a").Health.Effective == api.Down {
		b.run(time.Millisecond)
	}
	if n := b.launches["x:1"] - before; n != 2 {
		t.Errorf("back after %d passes, want 2", n)
	}
}

func TestForcedIsNeverUndone(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	b.step(probe.Force{Subject: "a", Health: api.Down})
	b.run(10 * time.Second)
	if h := b.health("a").Health; h != (api.Health{Measured: api.Up, Forced: api.Down, Effective: api.Down}) {
		t.Errorf("health is %+v", h)
	}
	b.step(probe.Force{Subject: "a"})
	if h := b.health("a").Health; h.Effective != api.Up {
		t.Errorf("after the force was taken back health is %+v", h)
	}
}

func TestOneProbeForManySubjects(t *testing.T) {
	var all []probe.Subject
	for i := range 10 {
		all = append(all, probe.Subject{Name: fmt.Sprint("s", i), Address: "x:1", Probe: fast()})
	}
	b := newBench(t, all...)
	b.run(10 * time.Second)
	if n := b.launches["x:1"]; n < 95 || n > 106 {
		t.Errorf("%d probes in 10 s at an interval of 100 ms", n)
	}
	b.answer = refuse
	b.changes = nil
	b.run(time.Second)
	if len(b.changes) != 10 {
		t.Errorf("%d subjects heard of it, want 10", len(b.changes))
	}
}

func TestAnswerThatNeverComesIsAFailure(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{}, false }
	b.run(5 * time.Second)
	if h := b.health("a").Health; h.Effective != api.Down {
		t.Errorf("health is %+v", h)
	}
}

func TestLateAnswerOfAnOldAttemptIsIgnored(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	b.answer = refuse
	b.run(time.Second)
	b.changes = nil
	for range 10 {
		b.step(probe.Finished{Target: "nothing", Attempt: 1, Outcome: probe.Outcome{Verdict: probe.Pass}})
	}
	var l probe.Launch
	b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{}, false }
	for len(b.out.Launches) == 0 {
		b.run(10 * time.Millisecond)
	}
	l = b.out.Launches[0]
	for i := range l.Attempt {
		b.step(probe.Finished{Target: l.Target, Attempt: i, Outcome: probe.Outcome{Verdict: probe.Pass}})
	}
	if len(b.changes) != 0 {
		t.Errorf("old answers changed the health: %+v", b.changes)
	}
}

func TestUnableSaysNothingAboutTheTarget(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	b.answer = func(string) (probe.Outcome, bool) {
		return probe.Outcome{Verdict: probe.Unable, Reason: "no permission"}, true
	}
	b.run(10 * time.Second)
	if s := b.health("a"); s.Health.Effective != api.Up || s.Warning == "" {
		t.Errorf("status is %+v", s)
	}
}

func TestFlappingTargetIsHeldDown(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.run(time.Second)
	down := func() time.Duration {
		b.answer = refuse
		for b.health("a").Health.Effective == api.Up {
			b.run(10 * time.Millisecond)
		}
		b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{Verdict: probe.Pass}, true }
		began := b.now
		for b.health("a").Health.Effective == api.Down {
			b.run(10 * time.Millisecond)
		}
		return b.now.Sub(began)
	}
	var held []time.Duration
	for range 6 {
		held = append(held, down().Round(time.Second))
	}
	want := []time.Duration{0, 0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 20 * time.Second}
	for i := range want {
		if held[i] != want[i] {
			t.Fatalf("it was held down for %v, want %v", held, want)
		}
	}
	// Two calm windows take two doublings back; the next flap adds one.
	b.run(2*time.Minute + time.Second)
	if d := down().Round(time.Second); d != 20*time.Second {
		t.Errorf("after two calm minutes it was held down for %v", d)
	}
	b.run(5 * time.Minute)
	for i := range 2 {
		if d := down().Round(time.Second); d != 0 {
			t.Errorf("after five calm minutes the down %d was held for %v", i, d)
		}
	}
}

// A target that fails whenever it is let up comes to the longest hold-down and
// stays there, however short the window is beside it.
func TestEndlessFlappingStaysAtTheLimit(t *testing.T) {
	p := fast()
	p.Flap.Window, p.Flap.HoldMax = spec.Duration(10*time.Second), spec.Duration(10*time.Minute)
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: p})
	b.run(time.Second)
	var held []time.Duration
	for range 14 {
		b.answer = refuse
		for b.health("a").Health.Effective == api.Up {
			b.run(10 * time.Millisecond)
		}
		began := b.now
		b.answer = func(string) (probe.Outcome, bool) { return probe.Outcome{Verdict: probe.Pass}, true }
		for b.health("a").Health.Effective == api.Down {
			b.run(100 * time.Millisecond)
		}
		held = append(held, b.now.Sub(began))
	}
	for i, d := range held {
		if i > 2 && d < held[i-1]-time.Second || d > 10*time.Minute+time.Second {
			t.Fatalf("the hold-downs are %v", held)
		}
	}
	if last := held[len(held)-1]; last < 10*time.Minute {
		t.Errorf("the last hold-down is %v, want 10m", last)
	}
}

// An operator who changes how a target is probed takes nothing out of its pool
// by that.
func TestChangedProbeKeepsTheHealth(t *testing.T) {
	p := fast()
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: p})
	b.run(time.Second)
	b.changes = nil
	p.Interval = spec.Duration(200 * time.Millisecond)
	b.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x:1", Probe: p}}})
	b.run(time.Second)
	if len(b.changes) != 0 {
		t.Errorf("it changed its health: %+v", b.changes)
	}
	// What the new probe finds counts as ever.
	b.answer = refuse
	before := b.launches["x:1"]
	p.Kind = spec.ProbeICMP
	b.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x:1", Probe: p}}})
	for b.health("a").Health.Effective == api.Up {
		b.run(time.Millisecond)
	}
	if n := b.launches["x:1"] - before; n != 3 {
		t.Errorf("out after %d failures of the new probe, want 3", n)
	}
	// Another address is another target.
	b.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x:2", Probe: p}}})
	if h := b.health("a").Health; h.Measured != api.Unknown {
		t.Errorf("at another address its health is %+v", h)
	}
}

// A host that cannot probe says why of a target that it never measured.
func TestUnableIsTheReasonOfTheUnmeasured(t *testing.T) {
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: fast()})
	b.answer = func(string) (probe.Outcome, bool) {
		return probe.Outcome{Verdict: probe.Unable, Reason: "no permission"}, true
	}
	b.changes = nil
	b.run(5 * time.Second)
	if s := b.health("a"); s.Health.Effective != api.Unknown || s.Reason != "this host cannot probe: no permission" {
		t.Errorf("status is %+v", s)
	}
	if len(b.changes) != 1 || b.changes[0].Reason != "this host cannot probe: no permission" || b.changes[0].Health.Effective != api.Unknown {
		t.Errorf("changes are %+v", b.changes)
	}
}

// Headers decide what is measured, and so what a target is.
func TestProbesThatDifferAreNotShared(t *testing.T) {
	with := func(headers map[string]string) spec.Probe {
		p := fast()
		p.Kind, p.HTTP = spec.ProbeHTTP, &spec.HTTPCheck{Method: "GET", Path: "/", Headers: headers}
		return p
	}
	b := newBench(t,
		probe.Subject{Name: "a", Address: "x:1", Probe: with(map[string]string{"A": "b C:d"})},
		probe.Subject{Name: "b", Address: "x:1", Probe: with(map[string]string{"A": "b", "C": "d"})},
		probe.Subject{Name: "c", Address: "x:1", Probe: with(map[string]string{"C": "d", "A": "b"})},
	)
	b.run(10 * time.Second)
	if n := b.launches["x:1"]; n < 180 || n > 215 {
		t.Errorf("%d probes in 10 s of two targets", n)
	}
}

// Targets that began together do not stay together.
func TestTargetsAreSpreadOverTheirInterval(t *testing.T) {
	p := fast()
	p.Interval, p.Jitter = spec.Duration(10*time.Second), 0
	var all []probe.Subject
	for i := range 1000 {
		all = append(all, probe.Subject{Name: fmt.Sprint("s", i), Address: fmt.Sprint("x:", i), Probe: p})
	}
	b := newBench(t, all...)
	b.run(250 * time.Millisecond)
	if len(b.launches) != 1000 {
		t.Errorf("%d of 1000 targets were measured in the first quarter second", len(b.launches))
	}
	b.run(20 * time.Second)
	most := 0
	for range 20 {
		clear(b.launches)
		b.run(500 * time.Millisecond)
		n := 0
		for _, c := range b.launches {
			n += c
		}
		most = max(most, n)
	}
	if most > 100 { // 50 on average
		t.Errorf("%d probes within half a second", most)
	}
}

func TestChangedSubjectsKeepTheirHistory(t *testing.T) {
	p := fast()
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: p}, probe.Subject{Name: "b", Address: "x:2", Probe: p})
	b.run(time.Second)
	b.step(probe.Force{Subject: "a", Health: api.Down})
	b.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x:1", Probe: p}, {Name: "c", Address: "x:3", Probe: p}}})
	if s := b.health("a"); s.Health.Measured != api.Up || s.Health.Forced != api.Down || len(s.Strip) == 0 {
		t.Errorf("a lost its history: %+v", s)
	}
	if s := b.health("c"); s.Health.Effective != api.Unknown {
		t.Errorf("the new c is %+v", s)
	}
	before := b.launches["x:2"]
	b.run(5 * time.Second)
	if b.launches["x:2"] > before {
		t.Error("b is probed although nobody wants it")
	}
}

func TestNoAllocationPerProbe(t *testing.T) {
	p := fast()
	b := newBench(t, probe.Subject{Name: "a", Address: "x:1", Probe: p})
	b.run(time.Second)
	var out probe.Effects
	allocs := testing.AllocsPerRun(1000, func() {
		b.now = b.p.Deadline()
		out.Reset()
		b.p.Step(b.now, probe.Wake{}, &out)
		for _, l := range out.Launches {
			f := probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: probe.Outcome{Verdict: probe.Pass}}
			b.p.Step(b.now, f, &out)
		}
	})
	if allocs > 1 { // the event itself becomes an interface
		t.Errorf("%v allocations a probe", allocs)
	}
}

// TestHysteresisHolds: whatever the results, a health changes only after as many
// results in a row as it takes, and a forced one not at all.
func TestHysteresisHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := fast()
		p.Rise, p.Fall = rapid.IntRange(1, 5).Draw(t, "rise"), rapid.IntRange(1, 5).Draw(t, "fall")
		p.Flap.Off = true
		pr := probe.New(rapid.Uint64().Draw(t, "seed"))
		var out probe.Effects
		var now instant.Instant
		pr.Step(now, probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x", Probe: p}}}, &out)
		health, row, last := api.Unknown, 0, false
		for range rapid.IntRange(1, 60).Draw(t, "results") {
			now = pr.Deadline()
			out.Reset()
			pr.Step(now, probe.Wake{}, &out)
			if len(out.Launches) != 1 {
				t.Fatalf("%d launches at the deadline", len(out.Launches))
			}
			pass := rapid.Bool().Draw(t, "pass")
			if pass == last {
				row++
			} else {
				row, last = 1, pass
			}
			o := probe.Outcome{Verdict: probe.Fail}
			if pass {
				o.Verdict = probe.Pass
			}
			l := out.Launches[0]
			out.Reset()
			pr.Step(now, probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}, &out)
			want := health
			switch {
			case pass && (health == api.Unknown || row >= p.Rise):
				want = api.Up
			case !pass && (health == api.Unknown || row >= p.Fall):
				want = api.Down
			}
			got := pr.Status()[0].Health.Effective
			if got != want {
				t.Fatalf("health %s after %d in a row (pass %v), want %s", got, row, pass, want)
			}
			health = got
		}
	})
}
