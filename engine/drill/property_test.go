package drill_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"pgregory.net/rapid"
)

// longest is more than any run of drawnSpec may take: baseline, injection, hold,
// revert and settling at their bounds, and the time between two events.
const longest = 2 * time.Minute

func drawnSpec(t *rapid.T) spec.Drill {
	ms := func(low, high int, what string) spec.Duration {
		return spec.Duration(time.Duration(rapid.IntRange(low, high).Draw(t, what)) * time.Millisecond)
	}
	s := spec.Drill{
		Name: "d", Fault: spec.DrillFault{Kind: rapid.SampledFrom([]string{"kill", "freeze", "slow", "restart"}).Draw(t, "kind"), Target: "backend/any"},
		Objectives: spec.Objectives{Took: ms(1, 5000, "took"), Errors: 10}, Before: spec.Before{MinUp: 100},
		Stop: spec.StopWhen{Errors: 20, For: ms(1000, 5000, "stop")}, Hold: ms(100, 20_000, "hold"), Settle: ms(1000, 20_000, "settle"), ProbeEvery: ms(1, 3000, "every"),
	}
	s.RevertAfter = s.Hold + ms(1000, 30_000, "dead-man")
	return s
}

// Whatever happens and whatever does not, a run ends; a run that asked for its
// fault asks for its revert; and nothing is asked for after the end.
func TestEveryRunEndsAndReverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		r := drill.New(s)
		var now instant.Instant
		injected, reverted, ended := 0, 0, 0
		step := func(ev drill.Event) {
			var out drill.Effects
			r.Step(now, ev, &out)
			if out.Inject != nil {
				injected++
			}
			if out.Revert {
				if injected == 0 {
					t.Fatalf("%s: a revert is asked for without any fault", time.Duration(now))
				}
				reverted++
			}
			if out.Ended {
				ended++
				if !out.StopProbes {
					t.Fatal("it ended and left its probes")
				}
			}
			if ended > 0 && (r.Live() || out.Inject != nil || out.Revert) {
				t.Fatalf("%s: after the end: live %v, %+v", time.Duration(now), r.Live(), out)
			}
			if r.Live() && r.Deadline() <= now {
				// It may want Wake at once, but then it must get on.
				phase := r.Report(now, instant.Origin{}).Phase
				before := r.Deadline()
				r.Step(now, drill.Wake{}, &out)
				if r.Live() && r.Deadline() <= before && r.Report(now, instant.Origin{}).Phase == phase {
					t.Fatalf("%s: it asks for Wake at %s for ever in %s", time.Duration(now), time.Duration(before), phase)
				}
				t.Fatalf("%s: its deadline %s is not after now", time.Duration(now), time.Duration(before))
			}
		}
		// How the run goes at first: so that more than refusals are tried.
		calm := rapid.Bool().Draw(t, "calm")
		step(drill.Start{Spec: s, Run: 1, Target: "b1", Timeout: time.Second})
		if calm {
			step(drill.Observe{Up: 3, All: 3, Hosts: 2, TargetBack: true})
			for i := 0; injected == 0 && i < 4000; i++ {
				step(drill.Sampled{Samples: []drill.Sample{{At: now, OK: true}}})
				now = now.Add(s.ProbeEvery.D())
			}
			if injected == 0 {
				t.Fatal("the fault is not asked for in a steady state")
			}
		}
		for r.Live() {
			if time.Duration(now) > longest {
				t.Fatalf("it is %s and the run has not ended: %s", time.Duration(now), r.Report(now, instant.Origin{}).Phase)
			}
			later := now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			for r.Live() && r.Deadline() <= later {
				now = max(now, r.Deadline())
				step(drill.Wake{})
			}
			now = later
			if !r.Live() {
				break
			}
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				step(drill.FaultDone{ID: "f", Revert: rapid.Bool().Draw(t, "revert"), At: now, Err: rapid.SampledFrom([]string{"", "", "no"}).Draw(t, "err")})
			case 1:
				out := rapid.IntRange(0, 2).Draw(t, "out")
				step(drill.Observe{Up: rapid.IntRange(0, 3).Draw(t, "up"), All: 3, Hosts: 2, HostsOut: out, TargetBack: out == 0, Silent: rapid.IntRange(0, 1).Draw(t, "silent")})
			case 2:
				step(drill.Sampled{Samples: []drill.Sample{{At: now, OK: rapid.Bool().Draw(t, "ok")}}})
			case 3:
				if rapid.IntRange(0, 9).Draw(t, "abort") == 0 {
					step(drill.Abort{By: "ana"})
				}
			default: // nothing comes
			}
		}
		if ended != 1 || injected > 1 || injected > reverted && s.Fault.Kind != "restart" && r.Report(now, instant.Origin{}).Evidence.Fault == "" {
			t.Fatalf("ended %d times, %d faults, %d reverts", ended, injected, reverted)
		}
		d := r.Report(now, instant.Origin{})
		if d.Reason == "" || d.Phase.Live() {
			t.Fatalf("%s without a reason", d.Phase)
		}
		step(drill.Wake{})
		step(drill.Abort{})
	})
}

// What is measured is the truth of the samples, whatever their order and however
// late the news of the fault is.
func TestTookIsTheTruthOfTheSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		s.ProbeEvery, s.Hold, s.Stop.For, s.Fault.Kind = spec.Duration(10*time.Millisecond), spec.Duration(5*time.Second), spec.Duration(time.Hour), "kill"
		r := drill.New(s)
		var now instant.Instant
		step := func(ev drill.Event) {
			var out drill.Effects
			r.Step(now, ev, &out)
		}
		step(drill.Start{Spec: s, Run: 1, Target: "b1", Timeout: time.Second})
		step(drill.Observe{Up: 3, All: 3, Hosts: 1, TargetBack: true})
		for range 110 {
			step(drill.Sampled{Samples: []drill.Sample{{At: now, OK: true}}})
			now = now.Add(10 * time.Millisecond)
		}
		asked := now
		fault := asked.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "fault")) * time.Millisecond)
		news := fault.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "news")) * time.Millisecond)
		badFrom := fault.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "bad from")) * time.Millisecond)
		badTo := badFrom.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "bad for")) * time.Millisecond)
		var all []drill.Sample
		for at := asked; at < asked.Add(5*time.Second); at += instant.Instant(10 * time.Millisecond) {
			took := time.Duration(rapid.IntRange(0, 900_000).Draw(t, "took µs")) * time.Microsecond
			all = append(all, drill.Sample{At: at, Took: took, OK: at < badFrom || at >= badTo, Reason: "x"})
		}
		ends := func(s drill.Sample) instant.Instant { return s.At.Add(s.Took) }
		slices.SortStableFunc(all, func(a, b drill.Sample) int { return int(ends(a) - ends(b)) })
		var first, last, p99 time.Duration
		var good []time.Duration
		failed, counted, told := uint64(0), uint64(0), false
		for _, x := range all {
			now = max(now, ends(x))
			if !told && now >= news {
				step(drill.FaultDone{ID: "f1", At: fault})
				told = true
			}
			step(drill.Sampled{Samples: []drill.Sample{x}})
			if ends(x) < fault {
				continue
			}
			counted++
			if x.OK {
				good = append(good, x.Took)
				continue
			}
			if at := max(x.At.Sub(fault), 0); failed == 0 || at < first {
				first = at
			}
			last = max(last, ends(x).Sub(fault))
			failed++
		}
		slices.Sort(good)
		if len(good) > 0 {
			p99 = good[min(len(good)*99/100, len(good)-1)]
		}
		p := r.Report(now, instant.Origin{}).Probes
		if p.Sent != counted || p.Failed != failed || p.FirstFail != first || p.LastFail != last {
			t.Fatalf("%d probes, %d failed, first %s, last %s; measured %+v", counted, failed, first, last, p)
		}
		if off := float64(p.P99-p99) / float64(max(p99, time.Microsecond)); off < 0 || off > 0.01 && p.P99-p99 > 2*time.Microsecond {
			t.Fatalf("the 99th percentile is %s, measured %s", p99, p.P99)
		}
	})
}

// A run of an hour needs no more memory than one of a second.
func TestMemoryIsBounded(t *testing.T) {
	s := spec.Drill{Name: "d", Fault: spec.DrillFault{Kind: "kill"}, Hold: spec.Duration(time.Hour), Stop: spec.StopWhen{Errors: 100}, ProbeEvery: spec.Duration(time.Millisecond), Settle: spec.Duration(time.Second)}
	r := drill.New(s)
	var now instant.Instant
	batch := make([]drill.Sample, 50)
	feed := func() {
		var out drill.Effects
		for i := range batch {
			batch[i] = drill.Sample{At: now, Took: time.Duration(i) * time.Millisecond, OK: i%7 != 0, Reason: "reset"}
			now = now.Add(time.Millisecond)
		}
		r.Step(now, drill.Sampled{Samples: batch}, &out)
	}
	var out drill.Effects
	r.Step(0, drill.Start{Spec: s, Run: 1, Target: "b1"}, &out)
	r.Step(0, drill.Observe{Up: 3, All: 3, TargetBack: true}, &out)
	for i := range batch {
		batch[i] = drill.Sample{At: instant.Instant(i) * instant.Instant(30*time.Millisecond), OK: true}
	}
	r.Step(instant.Instant(1500*time.Millisecond), drill.Sampled{Samples: batch}, &out)
	now = instant.Instant(1500 * time.Millisecond)
	for i := range 1000 { // nobody answers for the fault yet
		if feed(); i > 90 {
			break
		}
	}
	r.Step(now, drill.FaultDone{ID: "f", At: now}, &out)
	for i := range 100 {
		var out drill.Effects
		r.Step(now, drill.Sampled{Samples: []drill.Sample{{At: now, Reason: fmt.Sprint("reason ", i)}}}, &out)
		r.Step(now, drill.FaultDone{Revert: true, Err: fmt.Sprint("no ", i)}, &out)
	}
	feed()
	if n := testing.AllocsPerRun(1000, feed); n != 0 {
		t.Errorf("%v allocations for 50 samples", n)
	}
	d := r.Report(now, instant.Origin{})
	if d.Phase != api.DrillRunning || len(d.Evidence.Reasons) != 8 || len(d.Log) > 100 {
		t.Errorf("%s, %d reasons, %d lines", d.Phase, len(d.Evidence.Reasons), len(d.Log))
	}
	if math.Abs(float64(d.Probes.Sent)-50_200) > 200 {
		t.Errorf("%d probes counted", d.Probes.Sent)
	}
}

func BenchmarkStep(b *testing.B) {
	s := spec.Drill{Name: "d", Fault: spec.DrillFault{Kind: "kill"}, Hold: spec.Duration(time.Hour), ProbeEvery: spec.Duration(time.Millisecond)}
	r := drill.New(s)
	var out drill.Effects
	r.Step(0, drill.Start{Spec: s, Run: 1, Target: "b1"}, &out)
	samples := make([]drill.Sample, 50)
	for i := range samples {
		samples[i] = drill.Sample{At: instant.Instant(i), Took: time.Millisecond, OK: true}
	}
	var ev drill.Event = drill.Sampled{Samples: samples}
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		r.Step(1, ev, &out)
	}
}
