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
	share := 100 * float64(m.failed) / float64(max(m.measured(), 1))
	took := "no probe failed"
	if m.failed > 0 {
		took = round(m.last)
	}
	all := []api.Verdict{
		{Objective: "took", Limit: o.Took.String(), Measured: took, State: state(m.last <= o.Took.D())},
		{Objective: "errors", Limit: o.Errors.String(), Measured: fmt.Sprintf("%.2f%%", share), State: state(share <= float64(o.Errors))},
	}
	if o.P99 > 0 {
		p99 := m.good.quantile(0.99)
		all = append(all, api.Verdict{Objective: "p99", Limit: o.P99.String(), Measured: round(p99), State: state(p99 <= o.P99.D())})
	}
	if lost := r.lost(); lost > lateMax {
		all = append(all, api.Verdict{Objective: "measuring", Limit: fmt.Sprintf("%.0f%% of probes late or missing", lateMax*100), Measured: fmt.Sprintf("%.1f%%", 100*lost), State: api.StateUnknown})
	}
	return all
}

// lost is the share of the probes that were late, found no place or were never
// heard of: what was not measured.
func (r *Runner) lost() float64 {
	m := &r.measure
	missing := m.missing()
	return float64(m.late+missing) / float64(max(m.sent+missing, 1))
}

// judge is the verdict on the whole run.
func (r *Runner) judge(now instant.Instant) (api.DrillPhase, string) {
	m := &r.measure
	if m.measured() == 0 {
		return api.DrillFailed, "not proven: no probe was answered after the fault"
	}
	for _, v := range r.verdicts() {
		if v.State == api.StateDown {
			return api.DrillFailed, fmt.Sprintf("%s %s, the objective is %s", v.Objective, v.Measured, v.Limit)
		}
	}
	if r.lost() > lateMax {
		return api.DrillFailed, fmt.Sprintf("not proven: of %d probes %d were late and %d are missing; the machine was too busy to measure", m.sent+m.missing(), m.late, m.missing())
	}
	if silent := now.Sub(m.newest); silent >= r.blindMax() {
		return api.DrillFailed, fmt.Sprintf("not proven: the probes fell silent %s before the end", round(silent))
	}
	if m.failed == 0 {
		return api.DrillPassed, "no probe failed"
	}
	return api.DrillPassed, fmt.Sprintf("%d of %d probes failed, the last one %s after the fault", m.failed, m.measured(), round(m.last))
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
		Clients: r.spec.Clients, Phase: r.phase, Run: r.start.Run, By: r.start.By, Reason: r.reason,
		Steps: []api.DrillStep{}, Verdicts: []api.Verdict{}, Log: []api.DrillNote{},
		Evidence: api.DrillEvidence{Reasons: []api.DrillReason{}},
	}
	if r.start.Run == 0 {
		d.Reason = "not run yet"
		return d
	}
	if r.Target() != "" {
		d.Target = "backend/" + r.Target()
	}
	d.Started = origin.Wall(r.started)
	if !r.Live() {
		d.Ended = origin.Wall(r.ended)
	}
	d.Evidence = api.DrillEvidence{
		Rev: r.start.Rev, Version: r.start.Version, World: r.start.World, Fault: r.faultID,
		BaselineSent: m.sent, BaselineFailed: m.failed, Unsent: m.unsent, Missing: m.missing(), Reasons: m.topReasons(),
	}
	if r.fault != instant.Never {
		d.Evidence.BaselineSent, d.Evidence.BaselineFailed = m.before.sent, m.before.failed
	}
	if m.sent > 0 && r.fault != instant.Never {
		d.Probes = api.DrillProbes{
			Every: m.every, Sent: m.sent, Failed: m.failed, Late: m.late,
			FirstFail: m.first, Detected: r.sinceFault(r.detected), Out: r.sinceFault(r.allOut), LastFail: m.last, Back: r.sinceFault(r.back), Gap: max(m.gap, m.newest.Sub(m.answered)),
			P50: m.good.quantile(0.5), P99: m.good.quantile(0.99), Max: m.good.longest,
		}
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
	settled := reverted && !r.Live() && r.unsettled() == ""
	reverting := r.phase == api.DrillReverting || r.asked && !r.Live()
	// noticed is a step that need not come: a fault that nobody had to take out
	// of its pool is not the drill's failure.
	noticed := func(name string, when instant.Instant) api.DrillStep {
		s := api.DrillStep{Name: name, State: state(injected, when != instant.Never), Took: r.sinceFault(when)}
		if s.State == api.StateDown {
			s.State, s.Text = api.StateUnknown, "nobody took it out"
		}
		return s
	}
	return []api.DrillStep{
		{Name: "steady state, clean baseline", State: state(true, r.asked || injected), At: at(r.started), Took: between(r.started, r.fault), Limit: r.baselineMax()},
		{Name: "inject: " + r.spec.Fault.Kind + " backend/" + r.Target(), State: state(r.asked, injected), Limit: answerMax},
		noticed("detected by the first host", r.detected),
		noticed("out on every host", r.allOut),
		{Name: "hold", State: state(injected, reverted || reverting), Took: between(r.fault, r.revert), Limit: r.spec.Hold.D()},
		{Name: "revert", State: state(reverting, reverted), At: at(r.revert), Limit: revertMax},
		{Name: "steady state again", State: state(reverted, settled), At: at(r.revert), Took: between(r.revert, instant.Never), Limit: r.settleMax()},
	}
}
