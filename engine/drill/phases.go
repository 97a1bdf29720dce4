package drill

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// tick carries out what is due in the phase.
func (r *Runner) tick(now instant.Instant, out *Effects) {
	switch r.phase {
	case api.DrillChecking:
		r.tickChecking(now, out)
	case api.DrillRunning:
		r.tickRunning(now, out)
	case api.DrillReverting:
		r.tickReverting(now, out)
	case api.DrillSettling:
		r.tickSettling(now, out)
	case api.DrillIdle, api.DrillPassed, api.DrillFailed, api.DrillAborted, api.DrillRefused:
	}
}

// Deadline is when the Runner next wants Wake.
func (r *Runner) Deadline() instant.Instant {
	switch r.phase {
	case api.DrillChecking:
		return r.entered.Add(r.baselineMax())
	case api.DrillRunning:
		if r.fault == instant.Never {
			return r.entered.Add(answerMax)
		}
		next := min(r.fault.Add(r.spec.Hold.D()), r.heard.Add(r.blindMax()))
		if r.bad != instant.Never {
			next = min(next, r.bad.Add(r.spec.Stop.For.D()))
		}
		return next
	case api.DrillReverting:
		return min(r.again, r.entered.Add(revertMax))
	case api.DrillSettling:
		if r.unsettled() == "" {
			return r.entered.Add(r.settleMin())
		}
		return r.entered.Add(r.settleMax())
	case api.DrillIdle, api.DrillPassed, api.DrillFailed, api.DrillAborted, api.DrillRefused:
	}
	return instant.Never
}

// baseline is how long probes must have been good: two of them at least.
func (r *Runner) baseline() time.Duration { return max(baseline, r.measure.every) }

func (r *Runner) baselineMax() time.Duration {
	return max(baselineMax, 3*r.measure.every+r.start.Timeout)
}

// blindMax is how long no sample may come: all of the probes may wait for their
// time-outs.
func (r *Runner) blindMax() time.Duration { return blindMax + r.start.Timeout + 2*r.measure.every }

// settleMin is when the last probe that the fault could fail has failed.
func (r *Runner) settleMin() time.Duration { return settleMin + r.start.Timeout }

func (r *Runner) settleMax() time.Duration { return max(r.spec.Settle.D(), r.settleMin()) }

func (r *Runner) tickChecking(now instant.Instant, out *Effects) {
	why := r.steady()
	if why == "" && r.seen.ErrorsPct > float64(r.spec.Before.Errors) {
		why = fmt.Sprintf("%.2f %% of the users' requests failed in the last ten seconds, at most %s may", r.seen.ErrorsPct, r.spec.Before.Errors)
	}
	if why == "" && r.measure.clean < r.baseline() {
		why = r.dirty()
	}
	if why == "" {
		r.enter(now, api.DrillRunning, out)
		r.asked = true
		out.Inject = &Inject{Kind: api.FaultKind(r.spec.Fault.Kind), Backend: r.Target(), Delay: r.spec.Fault.Delay.D(), DeadMan: r.spec.RevertAfter.D()}
		return
	}
	if now.Sub(r.entered) >= r.baselineMax() {
		r.reason = "not steady: " + why
		r.note(now, r.reason)
		r.end(now, api.DrillRefused, out)
	}
}

// dirty says why the probes have no clean baseline.
func (r *Runner) dirty() string {
	m := &r.measure
	switch {
	case m.sent == 0:
		return "no probe was heard of"
	case m.failed == 0:
		return fmt.Sprintf("the probes had no %s to measure", r.baseline())
	}
	return fmt.Sprintf("%d of %d probes failed without any fault: %s", m.failed, m.measured(), m.topReasons()[0].Text)
}

func (r *Runner) tickRunning(now instant.Instant, out *Effects) {
	if r.fault == instant.Never {
		if now.Sub(r.entered) >= answerMax {
			r.stop(now, api.DrillFailed, fmt.Sprintf("the fault was not injected within %s", answerMax), out)
		}
		return
	}
	if r.measure.window.errors() <= float64(r.spec.Stop.Errors) {
		r.bad = instant.Never
	} else if r.bad == instant.Never {
		r.bad = now
	}
	why := ""
	switch {
	case r.bad != instant.Never && now.Sub(r.bad) >= r.spec.Stop.For.D():
		why = fmt.Sprintf("stopped: more than %s of the probes failed for %s", r.spec.Stop.Errors, r.spec.Stop.For)
	case now.Sub(r.heard) >= r.blindMax():
		why = fmt.Sprintf("stopped, not proven: no probe was heard of for %s", r.blindMax())
	case now.Sub(r.fault) >= r.spec.Hold.D():
		r.takeBack(now, out)
	}
	if why != "" {
		r.note(now, why)
		r.stop(now, api.DrillFailed, why, out)
	}
}

// tickReverting asks for the revert until it is answered, and gives up on the
// answer in the end: whoever carries the fault keeps the dead-man time, and the
// fleet keeps asking.
func (r *Runner) tickReverting(now instant.Instant, out *Effects) {
	if now.Sub(r.entered) >= revertMax {
		why := "nobody answered"
		if r.refusal != "" {
			why = r.refusal
		}
		r.reason = fmt.Sprintf("the fault could not be reverted within %s: %s; its dead-man time is %s", revertMax, why, r.spec.RevertAfter)
		r.note(now, r.reason)
		r.end(now, api.DrillFailed, out)
		return
	}
	if r.again.Reached(now) {
		r.again = now.Add(answerMax)
		out.Revert = true
	}
}

// unsettled says why the steady state is not back; empty when it is.
func (r *Runner) unsettled() string {
	why := r.steady()
	if why == "" && !r.seen.TargetBack {
		why = "backend/" + r.Target() + " is not back on every host"
	}
	return why
}

func (r *Runner) tickSettling(now instant.Instant, out *Effects) {
	why := r.unsettled()
	switch {
	case why == "" && now.Sub(r.entered) >= r.settleMin():
		r.note(now, "the steady state is back")
		ending := r.ending
		if ending == "" {
			ending, r.reason = r.judge(now)
		}
		r.end(now, ending, out)
	case now.Sub(r.entered) >= r.settleMax():
		r.note(now, fmt.Sprintf("no steady state within %s", r.settleMax()))
		r.reason = fmt.Sprintf("no steady state within %s after the revert: %s", r.settleMax(), why)
		r.end(now, api.DrillFailed, out)
	}
}
