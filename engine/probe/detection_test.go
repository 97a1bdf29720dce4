package probe_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world answers launches of one target after a time, and not always at once.
type world struct {
	p       *probe.Prober
	now     instant.Instant
	out     probe.Effects
	pending []delivery
	// respond says what a probe that begins at an instant finds, and when.
	respond func(at instant.Instant) (pass bool, after time.Duration)
	asleep  func() time.Duration // how late a Wake is
	passed  instant.Instant      // when the newest good answer came
}

type delivery struct {
	at instant.Instant
	f  probe.Finished
}

func (w *world) step(ev probe.Event) {
	w.out.Reset()
	w.p.Step(w.now, ev, &w.out)
	for _, l := range w.out.Launches {
		pass, after := w.respond(w.now)
		o := probe.Outcome{Verdict: probe.Fail, Reason: "x", Latency: after}
		if pass {
			o.Verdict = probe.Pass
		}
		w.pending = append(w.pending, delivery{w.now.Add(after), probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}})
	}
}

func (w *world) health() api.Measure { return w.p.Status()[0].Health.Measured }

// until runs until the health is as wanted, or an instant.
func (w *world) until(health api.Measure, end instant.Instant) {
	for w.health() != health && w.now.Before(end) {
		first := -1
		for i := range w.pending {
			if first < 0 || w.pending[i].at.Before(w.pending[first].at) {
				first = i
			}
		}
		wake := w.p.Deadline().Add(w.asleep())
		if first >= 0 && !wake.Before(w.pending[first].at) {
			d := w.pending[first]
			w.pending = append(w.pending[:first], w.pending[first+1:]...)
			w.now = max(w.now, d.at)
			if d.f.Outcome.Verdict == probe.Pass {
				w.passed = w.now
			}
			w.step(d.f)
			continue
		}
		w.now = max(w.now, wake)
		w.step(probe.Wake{})
	}
}

func drawn(t *rapid.T) spec.Probe {
	p := fast()
	p.Flap.Off = true
	p.Interval = spec.Duration(rapid.Int64Range(int64(50*time.Millisecond), int64(5*time.Second)).Draw(t, "interval"))
	p.Timeout = spec.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(8*time.Second)).Draw(t, "timeout"))
	p.Rise, p.Fall = rapid.IntRange(1, 10).Draw(t, "rise"), rapid.IntRange(1, 10).Draw(t, "fall")
	p.Jitter = spec.Percent(rapid.IntRange(0, 50).Draw(t, "jitter"))
	return p
}

// TestWorstCasesHold: whatever the settings, the moment of the fault, how slowly
// each answer comes and how late the world is, a fault is found within Detection
// and its end within Recovery, plus the world's own lateness.
func TestWorstCasesHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		late := time.Duration(rapid.SampledFrom([]int64{0, 0, int64(time.Millisecond), int64(300 * time.Millisecond)}).Draw(t, "late"))
		upTo := func(d time.Duration, what string) time.Duration {
			return time.Duration(rapid.OneOf(rapid.Just(int64(d)), rapid.Int64Range(0, int64(d))).Draw(t, what))
		}
		w := &world{p: probe.New(rapid.Uint64().Draw(t, "seed"))}
		w.asleep = func() time.Duration { return upTo(late, "asleep") }
		well := func(instant.Instant) (bool, time.Duration) { return true, upTo(p.Timeout.D(), "latency") }
		w.respond = well
		w.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x", Probe: p}}})
		w.until(api.Up, instant.Never)
		// Some time goes by before the fault; it comes after the newest answer.
		w.until(api.Down, w.now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "calm"))))
		fault := w.passed.Add(upTo(w.now.Sub(w.passed), "fault"))
		// A probe under way has its answer already only if it began before.
		for i := range w.pending {
			w.pending[i].f.Outcome.Verdict = probe.Fail
		}
		w.respond = func(instant.Instant) (bool, time.Duration) {
			return false, upTo(p.Timeout.D(), "failing") + upTo(late, "delivered")
		}
		slack := time.Duration(p.Fall) * 2 * late
		w.until(api.Down, fault.Add(probe.Detection(p)+slack+1))
		if took := w.now.Sub(fault); w.health() != api.Down || took > probe.Detection(p)+slack {
			t.Fatalf("found out after %v (%s), the stated worst case is %v and the world is late by %v", took, w.health(), probe.Detection(p), late)
		}
		end := w.now
		w.respond = func(at instant.Instant) (bool, time.Duration) {
			return true, upTo(p.Timeout.D(), "latency") + upTo(late, "delivered")
		}
		slack = time.Duration(p.Rise+1) * 2 * late
		w.until(api.Up, end.Add(probe.Recovery(p)+slack+1))
		if took := w.now.Sub(end); w.health() != api.Up || took > probe.Recovery(p)+slack {
			t.Fatalf("taken back after %v (%s), the stated worst case is %v and the world is late by %v", took, w.health(), probe.Recovery(p), late)
		}
	})
}

// TestWorstCaseIsReached: the stated time is no larger than it must be. Without
// jitter, a target that stops right after it passed and answers no more is out at
// the very moment.
func TestWorstCaseIsReached(t *testing.T) {
	for _, row := range []struct{ interval, timeout time.Duration }{{time.Second, 300 * time.Millisecond}, {2 * time.Second, 5 * time.Second}} {
		p := fast()
		p.Interval, p.Timeout, p.Fall, p.Jitter = spec.Duration(row.interval), spec.Duration(row.timeout), 3, 0
		w := &world{p: probe.New(1), asleep: func() time.Duration { return 0 }}
		stopped := instant.Never
		w.respond = func(at instant.Instant) (bool, time.Duration) {
			if stopped.Before(at) {
				return false, row.timeout
			}
			return true, 0
		}
		w.step(probe.SetSubjects{Subjects: []probe.Subject{{Name: "a", Address: "x", Probe: p}}})
		w.until(api.Down, instant.Instant(20*row.interval))
		for _, d := range w.pending { // they pass at once
			w.step(d.f)
		}
		w.pending, stopped = nil, w.now
		w.until(api.Down, instant.Never)
		if took := w.now.Sub(stopped); took != probe.Detection(p) {
			t.Errorf("%v/%v: found out after %v, stated is %v", row.interval, row.timeout, took, probe.Detection(p))
		}
	}
}

// TestTable prints what the README says of probes: every preset's settings and
// worst cases.
func TestTable(t *testing.T) {
	var b strings.Builder
	line := func(cells ...any) {
		fmt.Fprintf(&b, strings.TrimRight(strings.Repeat("%-12v", len(cells)), " ")+"\n", cells...)
	}
	line("probe", "preset", "interval", "time-out", "fall", "rise", "jitter", "out within", "back within")
	for _, preset := range spec.ProbePreset("").Values() {
		for _, kind := range spec.ProbeKind("").Values() {
			extra := ""
			if kind == "exec" {
				extra = ", exec: {command: [true]}"
			}
			text := fmt.Sprintf("fleet: f\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, kind: %s, preset: %s%s}]\n", kind, preset, strings.ReplaceAll(extra, "true", "/bin/true"))
			f, err := spec.Parse("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			p := *f.Probe("p")
			line(kind, preset, p.Interval, p.Timeout, p.Fall, p.Rise, p.Jitter, probe.Detection(p), probe.Recovery(p))
			if !strings.Contains(probe.Describe(p), "found out within ") {
				t.Errorf("%s does not say within what time it finds out", probe.Describe(p))
			}
		}
	}
	const golden = "testdata/table.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%swant:\n%s", b.String(), want)
	}
}

// A worst case is never shown smaller than it is.
func TestDescribeRoundsUp(t *testing.T) {
	p := fast()
	p.Interval, p.Timeout, p.Jitter = spec.Duration(501*time.Millisecond), spec.Duration(100*time.Millisecond), 0
	if s := probe.Describe(p); !strings.HasSuffix(s, "found out within 1.61s") { // 1.603 s
		t.Errorf("it says %q", s)
	}
}
