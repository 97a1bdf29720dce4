package drill_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/storytest"
)

// TestStories tells each testdata/*.txt: what happens, and what the
// drill asked for and became.
func TestStories(t *testing.T) {
	storytest.Run(t, func(t *testing.T) storytest.Do {
		w := newTeller(t)
		return func(words []string, said *strings.Builder) {
			w.do(words)
			said.WriteString(w.said.String())
			w.said.Reset()
		}
	})
}

// teller is the world of a story: it carries nothing out by itself.
type teller struct {
	t    *testing.T
	r    *drill.Runner
	spec spec.Drill
	now  instant.Instant
	seen drill.Observe
	said strings.Builder
}

func newTeller(t *testing.T) *teller {
	s := spec.Drill{
		Name: "lose", Why: "test", Fault: spec.DrillFault{Kind: "kill", Target: "backend/any"}, Clients: "users",
		Objectives: spec.Objectives{Took: spec.Duration(2 * time.Second), Errors: 5, P99: spec.Duration(50 * time.Millisecond)},
		Before:     spec.Before{MinUp: 100}, Stop: spec.StopWhen{Errors: 50, For: spec.Duration(2 * time.Second)},
		Hold: spec.Duration(5 * time.Second), Settle: spec.Duration(10 * time.Second), RevertAfter: spec.Duration(35 * time.Second),
		ProbeEvery: spec.Duration(10 * time.Millisecond),
	}
	return &teller{t: t, spec: s, r: drill.New(s), seen: drill.Observe{Up: 3, All: 3, Hosts: 3, TargetBack: true}}
}

// arg is the value of key=value among words, or what it is without one.
func arg(words []string, key, without string) string {
	for _, w := range words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v
		}
	}
	return without
}

func (w *teller) span(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *teller) number(words []string, key string, without int) int {
	n := without
	if s := arg(words, key, ""); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			w.t.Fatal(err)
		}
	}
	return n
}

func (w *teller) do(words []string) {
	var ev drill.Event
	switch words[0] {
	case "spec": // kind=… stop=… errors=…
		w.spec.Fault.Kind = arg(words, "kind", w.spec.Fault.Kind)
		w.spec.ProbeEvery = spec.Duration(w.span(arg(words, "every", "10ms")))
		return
	case "start":
		ev = drill.Start{Spec: w.spec, Run: 1, By: "ana", Target: arg(words, "target", "b1"), Timeout: time.Second, Rev: 3, Version: "v1", World: api.WorldSimulation}
	case "abort":
		ev = drill.Abort{By: "ana"}
	case "observe":
		w.seen.Up, w.seen.All = w.number(words, "up", w.seen.Up), w.number(words, "all", w.seen.All)
		w.seen.HostsOut = w.number(words, "out", w.seen.HostsOut)
		w.seen.Silent = w.number(words, "silent", 0)
		w.seen.ErrorsPct = float64(w.number(words, "errors", 0))
		w.seen.TargetBack = w.seen.HostsOut == 0
		ev = w.seen
	case "done", "reverted": // err=…, ago=…
		ev = drill.FaultDone{ID: "f1", Revert: words[0] == "reverted", At: w.now.Add(-w.span(arg(words, "ago", "0s"))), Err: arg(words, "err", "")}
	case "probes": // for=… and what they find; time passes
		w.probes(words)
		return
	case "wait":
		end := w.now.Add(w.span(words[1]))
		for w.r.Deadline() <= end && w.r.Live() {
			w.now = max(w.now, w.r.Deadline())
			w.step(drill.Wake{})
		}
		w.now = end
		return
	case "report":
		w.report()
		return
	default:
		w.t.Fatalf("%q is no command", words[0])
	}
	w.step(ev)
}

// probes lets time pass, in which one probe each interval ends; they are handed
// over every 50 ms.
func (w *teller) probes(words []string) {
	every, took := w.spec.ProbeEvery.D(), w.span(arg(words, "took", "1ms"))
	end := w.now.Add(w.span(arg(words, "for", "1s")))
	reason := strings.ReplaceAll(arg(words, "fail", ""), "-", " ")
	var batch []drill.Sample
	handed := w.now
	for w.now < end && w.r.Live() {
		batch = append(batch, drill.Sample{At: w.now.Add(-took), Took: took, OK: reason == "", Reason: reason, Late: arg(words, "late", "") != "", Unsent: arg(words, "unsent", "") != ""})
		w.now = w.now.Add(every)
		if w.now.Sub(handed) >= 50*time.Millisecond {
			w.step(drill.Sampled{Samples: batch})
			batch, handed = nil, w.now
		}
		if w.r.Deadline() <= w.now {
			w.step(drill.Wake{})
		}
	}
	w.now = max(w.now, end)
	if len(batch) > 0 {
		w.step(drill.Sampled{Samples: batch})
	}
}

// step tells the drill one event and says what it asked for.
func (w *teller) step(ev drill.Event) {
	was := w.r.Report(w.now, instant.Origin{})
	var out drill.Effects
	w.r.Step(w.now, ev, &out)
	is := w.r.Report(w.now, instant.Origin{})
	say := func(format string, a ...any) {
		fmt.Fprintf(&w.said, "%-7s "+format+"\n", append([]any{time.Duration(w.now)}, a...)...)
	}
	if is.Phase != was.Phase {
		say("%s → %s", was.Phase, is.Phase)
	}
	known := len(was.Log)
	if _, begins := ev.(drill.Start); begins {
		known = 0
	}
	for _, n := range is.Log[known:] {
		say("  %s", n.Text)
	}
	if out.StartProbes > 0 {
		say("ask: probes every %s", out.StartProbes)
	}
	if out.Inject != nil {
		say("ask: inject %s %s, dead-man %s", out.Inject.Kind, out.Inject.Backend, out.Inject.DeadMan)
	}
	if out.Revert {
		say("ask: revert")
	}
	if out.StopProbes {
		say("ask: stop the probes")
	}
	if out.Ended {
		say("ended: %s", is.Reason)
	}
}

func (w *teller) report() {
	d := w.r.Report(w.now, instant.Origin{})
	fmt.Fprintf(&w.said, "%s: %s\n", d.Phase, d.Reason)
	for _, s := range d.Steps {
		fmt.Fprintf(&w.said, "  %-10s %-30s at %s took %s %s\n", s.State, s.Name, s.At, s.Took, s.Text)
	}
	for _, v := range d.Verdicts {
		fmt.Fprintf(&w.said, "  %-10s %s %s, limit %s\n", v.State, v.Objective, v.Measured, v.Limit)
	}
	p, e := d.Probes, d.Evidence
	fmt.Fprintf(&w.said, "  probes     %d sent, %d failed, %d late; fault → %s first failed → %s detected → %s out → %s last failed → %s back; gap %s\n",
		p.Sent, p.Failed, p.Late, p.FirstFail, p.Detected, p.Out, p.LastFail, p.Back, p.Gap)
	fmt.Fprintf(&w.said, "  latency    p50 %s p99 %s max %s\n", p.P50, p.P99, p.Max)
	fmt.Fprintf(&w.said, "  evidence   rev %d, %s, %s, fault %s, baseline %d with %d failed, %d unsent, %d missing, %v\n",
		e.Rev, e.Version, e.World, e.Fault, e.BaselineSent, e.BaselineFailed, e.Unsent, e.Missing, e.Reasons)
	fmt.Fprintf(&w.said, "  strip      %s one column = %s\n", d.Strip, d.StripEvery)
}
