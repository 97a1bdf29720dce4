package drill

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// verdicts compares what was measured with the objectives.
func (r *Runner) verdicts() []api.Verdict {
	m, o := &r.measure, r.spec.Objectives
	state := func(good bool) api.State {
		switch {
		case !good:
			return api.StateDown
		case r.phase.Live():
			return api.StateUnknown
		}
		return api.StateOK
	}
	share := 100 * float64(m.failed) / float64(max(m.sent, 1))
	took := "no probe failed"
	if m.failed > 0 {
		took = round(m.last)
	}
	all := []api.Verdict{
		{Objective: "took", Limit: o.Took.String(), Measured: took, State: state(m.last <= o.Took.D())},
		{Objective: "errors", Limit: o.Errors.String(), Measured: fmt.Sprintf("%.2f%%", share), State: state(share <= float64(o.Errors))},
	}
	if o.P99 > 0 {
		p99 := m.quantiles(0.99)[0]
		all = append(all, api.Verdict{Objective: "p99", Limit: o.P99.String(), Measured: round(p99), State: state(p99 <= o.P99.D())})
	}
	if r.unproven() {
		all = append(all, api.Verdict{Objective: "measuring", Limit: fmt.Sprintf("%.0f%% of probes late", lateMax*100), Measured: fmt.Sprintf("%.1f%% late", 100*float64(m.late)/float64(m.sent)), State: api.StateUnknown})
	}
	return all
}

// unproven reports whether the probes were too late themselves to prove
// anything.
func (r *Runner) unproven() bool {
	return float64(r.measure.late) > lateMax*float64(r.measure.sent)
}

// judge is the verdict on the whole run.
func (r *Runner) judge() (api.DrillPhase, string) {
	m := &r.measure
	if m.sent == 0 {
		return api.DrillFailed, "not proven: no probe was sent after the fault"
	}
	for _, v := range r.verdicts() {
		if v.State == api.StateDown {
			return api.DrillFailed, fmt.Sprintf("%s %s, the objective is %s", v.Objective, v.Measured, v.Limit)
		}
	}
	if r.unproven() {
		return api.DrillFailed, fmt.Sprintf("not proven: %d of %d probes were sent late; the machine was too busy to measure", m.late, m.sent)
	}
	if m.failed == 0 {
		return api.DrillPassed, "no probe failed"
	}
	return api.DrillPassed, fmt.Sprintf("%d of %d probes failed, the last one %s after the fault", m.failed, m.sent, round(m.last))
}

func round(d time.Duration) string {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// Report returns the drill for the picture.
func (r *Runner) Report(now instant.Instant, origin instant.Origin) api.Drill {
	m := &r.measure
	d := api.Drill{
		Name: r.spec.Name, Why: r.spec.Why, Fault: r.spec.Fault.Kind + " " + r.spec.Fault.Target,
		Clients: r.spec.Clients, Phase: r.phase, Run: r.run, By: r.by, Reason: r.reason,
		Steps: []api.DrillStep{}, Verdicts: []api.Verdict{}, Log: []api.DrillNote{},
	}
	if r.run == 0 {
		d.Reason = "not run yet"
		return d
	}
	d.Target = "backend/" + r.target
	d.Started = origin.Wall(r.started)
	if !r.Live() {
		d.Ended = origin.Wall(r.ended)
	}
	if m.sent > 0 && r.fault != instant.Never {
		q := m.quantiles(0.5, 0.99, 1)
		d.Probes = api.DrillProbes{Every: m.every, Sent: m.sent, Failed: m.failed, Late: m.late, FirstFail: m.first, LastFail: m.last, Detected: m.detected, P50: q[0], P99: q[1], Max: q[2]}
		d.Verdicts = r.verdicts()
	}
	d.Strip, d.StripEvery = string(m.strip[:]), m.column
	d.Steps = r.steps(now)
	d.Log = append(d.Log, r.log...)
	return d
}

// steps is the run as a list that people can follow.
func (r *Runner) steps(now instant.Instant) []api.DrillStep {
	end := now
	if !r.Live() {
		end = r.ended
	}
	injected, reverted := r.fault != instant.Never, r.revert != instant.Never
	// between is the time from one moment to another, or to the end while the
	// other has not come; 0 when the first has not.
	between := func(from, to instant.Instant) time.Duration {
		if from == instant.Never {
			return 0
		}
		return min(to, end).Sub(from)
	}
	at := func(i instant.Instant) time.Duration {
		if !injected || i == instant.Never {
			return 0
		}
		return i.Sub(r.fault)
	}
	state := func(begun, over bool) api.State {
		switch {
		case over:
			return api.StateOK
		case !begun:
			return api.StateUnknown
		case r.Live():
			return api.StateDegraded
		}
		return api.StateDown
	}
	settled := reverted && !r.Live() && r.seen.TargetBack && r.steady() == ""
	return []api.DrillStep{
		{Name: "steady state, clean baseline", State: state(true, r.asked || injected), At: at(r.started), Took: between(r.started, r.fault), Limit: baselineMax},
		{Name: "inject: " + r.spec.Fault.Kind + " backend/" + r.target, State: state(r.asked, injected), Limit: answerMax},
		{Name: "detected by the first host", State: state(injected, r.measure.detected > 0), Took: r.measure.detected},
		{Name: "out on every host", State: state(injected, r.allOut > 0), Took: r.allOut},
		{Name: "hold", State: state(injected, reverted || r.phase == api.DrillReverting), Took: between(r.fault, r.revert), Limit: r.spec.Hold.D()},
		{Name: "revert", State: state(r.phase == api.DrillReverting, reverted), At: at(r.revert), Limit: answerMax},
		{Name: "steady state again", State: state(reverted, settled), At: at(r.revert), Took: between(r.revert, instant.Never), Limit: r.spec.Settle.D()},
	}
}
