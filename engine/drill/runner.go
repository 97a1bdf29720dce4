package drill

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Runner is one drill: idle, under way, or ended with its report.
type Runner struct {
	spec    spec.Drill
	target  string
	phase   api.DrillPhase
	run     int
	by      string
	reason  string
	ending  api.DrillPhase // how the run ends once the fault is out; empty: by its verdicts
	started instant.Instant
	entered instant.Instant // the phase
	ended   instant.Instant
	fault   instant.Instant // when it was done; Never before
	revert  instant.Instant // when the revert was done; Never before
	asked   bool            // the fault was asked for and is not reverted
	again   instant.Instant // when an unanswered revert is asked for again
	bad     instant.Instant // since when the stop condition holds; Never
	seen    Observe

	measure measure
	allOut  time.Duration
	log     []api.DrillNote
}

// Bounds of a run.
const (
	baseline    = time.Second     // of clean probes before the fault
	baselineMax = 5 * time.Second // within which it must be found
	answerMax   = 5 * time.Second // for a fault to be done
	settleMin   = time.Second     // for the last probes to have failed
	logMax      = 100             // lines
	lateMax     = 0.05            // share of late probes that still proves something
)

// New returns a Runner that has not run.
func New(s spec.Drill) *Runner {
	return &Runner{spec: s, phase: api.DrillIdle, fault: instant.Never, revert: instant.Never, again: instant.Never, bad: instant.Never}
}

// Live reports whether a run is under way.
func (r *Runner) Live() bool { return r.phase.Live() }

// Step tells the Runner one event and adds what must be done to out.
func (r *Runner) Step(now instant.Instant, ev Event, out *Effects) {
	if !r.Live() {
		if start, ok := ev.(Start); ok {
			r.start(now, start, out)
		}
		return
	}
	switch ev := ev.(type) {
	case Start:
	case Abort:
		r.note(now, "aborted by "+ev.By)
		r.stop(now, api.DrillAborted, "aborted by "+ev.By, out)
	case Observe:
		r.observe(now, ev, out)
	case FaultDone:
		r.done(now, ev, out)
	case Sampled:
		r.measure.add(ev.Samples)
		r.guard(now, out)
	case Wake:
	}
	r.tick(now, out)
}

func (r *Runner) start(now instant.Instant, ev Start, out *Effects) {
	*r = *New(ev.Spec)
	r.run, r.by, r.target = ev.Run, ev.By, ev.Target
	r.started = now
	r.measure = newMeasure(ev.Spec.ProbeEvery.D())
	r.enter(now, api.DrillChecking, out)
	r.note(now, fmt.Sprintf("run %d by %s: %s backend/%s", r.run, r.by, ev.Spec.Fault.Kind, r.target))
	out.StartProbes = ev.Spec.ProbeEvery.D()
}

func (r *Runner) enter(now instant.Instant, p api.DrillPhase, out *Effects) {
	r.phase, r.entered = p, now
	out.Changed = true
}

// note adds a line to the log. Before the fault its time is 0.
func (r *Runner) note(now instant.Instant, text string) {
	if len(r.log) < logMax {
		r.log = append(r.log, api.DrillNote{At: r.sinceFault(now), Text: text})
	}
}

func (r *Runner) sinceFault(now instant.Instant) time.Duration {
	if r.fault == instant.Never {
		return 0
	}
	return now.Sub(r.fault)
}

func (r *Runner) observe(now instant.Instant, o Observe, out *Effects) {
	r.seen = o
	if r.fault == instant.Never || r.revert != instant.Never {
		return
	}
	if o.HostsOut > 0 && r.measure.detected == 0 {
		r.measure.detected = now.Sub(r.fault)
		r.note(now, fmt.Sprintf("the first host took backend/%s out", r.target))
		out.Changed = true
	}
	if o.Hosts > 0 && o.HostsOut >= o.Hosts && r.allOut == 0 {
		r.allOut = now.Sub(r.fault)
		r.note(now, fmt.Sprintf("all %d hosts have it out", o.Hosts))
		out.Changed = true
	}
}

// done takes the answer to Inject or Revert.
func (r *Runner) done(now instant.Instant, ev FaultDone, out *Effects) {
	switch {
	case ev.Revert && ev.Err != "":
		r.note(now, "the fault could not be reverted: "+ev.Err+"; it is asked for again")
		r.again = now.Add(time.Second)
	case ev.Revert && r.asked:
		r.asked, r.again = false, instant.Never
		r.revert = ev.At
		r.note(now, "the fault is reverted")
		r.enter(now, api.DrillSettling, out)
	case ev.Revert:
	case ev.Err != "":
		r.note(now, "the fault could not be injected: "+ev.Err)
		r.stop(now, api.DrillFailed, "the fault could not be injected: "+ev.Err, out)
	case r.asked && r.fault == instant.Never:
		r.fault = ev.At
		r.measure.fault(ev.At)
		r.note(now, fmt.Sprintf("fault: %s backend/%s", r.spec.Fault.Kind, r.target))
		out.Changed = true
	}
}

// stop ends a run early: the fault, if it was asked for, is reverted first.
func (r *Runner) stop(now instant.Instant, ending api.DrillPhase, reason string, out *Effects) {
	if r.ending == "" {
		r.ending, r.reason = ending, reason
	}
	switch {
	case r.phase == api.DrillRunning:
		r.takeBack(now, out)
	case r.phase == api.DrillChecking:
		r.end(now, r.ending, out)
	}
	// Reverting and settling go on as they would: there is nothing to cut short
	// that would leave the fleet better.
}

func (r *Runner) takeBack(now instant.Instant, out *Effects) {
	r.enter(now, api.DrillReverting, out)
	r.again = now.Add(answerMax)
	out.Revert = true
}

func (r *Runner) end(now instant.Instant, p api.DrillPhase, out *Effects) {
	r.ended = now
	r.enter(now, p, out)
	out.StopProbes, out.Ended = true, true
}

// guard checks the stop condition.
func (r *Runner) guard(now instant.Instant, out *Effects) {
	if r.phase != api.DrillRunning || r.fault == instant.Never {
		return
	}
	if r.measure.recentErrors()*100 <= float64(r.spec.Stop.Errors) {
		r.bad = instant.Never
		return
	}
	if r.bad == instant.Never {
		r.bad = now
	}
	if now.Sub(r.bad) >= r.spec.Stop.For.D() {
		why := fmt.Sprintf("stopped: more than %s of the probes failed for %s", r.spec.Stop.Errors, r.spec.Stop.For)
		r.note(now, why)
		r.stop(now, api.DrillFailed, why, out)
	}
}

// steady reports why the state is not steady; empty when it is.
func (r *Runner) steady() string {
	o := r.seen
	switch {
	case o.All == 0:
		return "the pool is not known yet"
	case float64(o.Up)*100 < float64(r.spec.Before.MinUp)*float64(o.All):
		return fmt.Sprintf("%d of %d backends are up, %s are needed", o.Up, o.All, r.spec.Before.MinUp)
	}
	return ""
}

// tick carries out what is due.
func (r *Runner) tick(now instant.Instant, out *Effects) {
	switch r.phase {
	case api.DrillChecking:
		r.tickChecking(now, out)
	case api.DrillRunning:
		switch {
		case r.fault == instant.Never && now.Sub(r.entered) >= answerMax:
			r.stop(now, api.DrillFailed, fmt.Sprintf("the fault was not injected within %s", answerMax), out)
		case r.fault != instant.Never && now.Sub(r.fault) >= r.spec.Hold.D():
			r.takeBack(now, out)
		}
	case api.DrillReverting:
		if r.again.Reached(now) {
			r.again = now.Add(answerMax)
			out.Revert = true
		}
	case api.DrillSettling:
		r.tickSettling(now, out)
	case api.DrillIdle, api.DrillPassed, api.DrillFailed, api.DrillAborted, api.DrillRefused:
	}
}

func (r *Runner) tickChecking(now instant.Instant, out *Effects) {
	why := r.steady()
	if why == "" && r.seen.ErrorsPct > float64(r.spec.Before.Errors) {
		why = fmt.Sprintf("%.2f %% of the users' requests failed in the last ten seconds, at most %s may", r.seen.ErrorsPct, r.spec.Before.Errors)
	}
	if why == "" && r.measure.clean < baseline {
		why = "the probes found no clean second"
	}
	if why == "" {
		r.enter(now, api.DrillRunning, out)
		r.asked = true
		out.Inject = &Inject{Kind: api.FaultKind(r.spec.Fault.Kind), Backend: r.target, Delay: r.spec.Fault.Delay.D(), DeadMan: r.spec.RevertAfter.D()}
		return
	}
	if now.Sub(r.entered) >= baselineMax {
		r.reason = "not steady: " + why
		r.note(now, r.reason)
		r.end(now, api.DrillRefused, out)
	}
}

func (r *Runner) tickSettling(now instant.Instant, out *Effects) {
	why := r.steady()
	if why == "" && !r.seen.TargetBack {
		why = "backend/" + r.target + " is not back on every host"
	}
	switch {
	case why == "" && now.Sub(r.entered) >= settleMin:
		r.note(now, "the steady state is back")
		ending := r.ending
		if ending == "" {
			ending, r.reason = r.judge()
		}
		r.end(now, ending, out)
	case now.Sub(r.entered) >= r.spec.Settle.D():
		r.note(now, "no steady state within "+r.spec.Settle.String())
		r.reason = fmt.Sprintf("no steady state within %s after the revert: %s", r.spec.Settle, why)
		r.end(now, api.DrillFailed, out)
	}
}

// Deadline is when the Runner next wants Wake.
func (r *Runner) Deadline() instant.Instant {
	switch r.phase {
	case api.DrillChecking:
		return r.entered.Add(baselineMax)
	case api.DrillRunning:
		if r.fault == instant.Never {
			return r.entered.Add(answerMax)
		}
		return r.fault.Add(r.spec.Hold.D())
	case api.DrillReverting:
		return r.again
	case api.DrillSettling:
		if r.steady() == "" && r.seen.TargetBack {
			return r.entered.Add(settleMin)
		}
		return r.entered.Add(r.spec.Settle.D())
	case api.DrillIdle, api.DrillPassed, api.DrillFailed, api.DrillAborted, api.DrillRefused:
	}
	return instant.Never
}

// Name is the drill's name.
func (r *Runner) Name() string { return r.spec.Name }

// Spec is what the drill was made from.
func (r *Runner) Spec() spec.Drill { return r.spec }

// Target is the backend of the run; empty before one.
func (r *Runner) Target() string { return r.target }
