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
	start   Start // of the newest run
	faultID string
	phase   api.DrillPhase
	reason  string
	ending  api.DrillPhase // how the run ends once the fault is out; empty: by its verdicts
	started instant.Instant
	entered instant.Instant // the phase
	ended   instant.Instant
	fault   instant.Instant // when it was done; Never before
	revert  instant.Instant // when the revert was done; Never before
	asked   bool            // the fault was asked for and is not reverted
	again   instant.Instant // when an unanswered revert is asked for again
	refusal string          // of the newest revert that failed
	bad     instant.Instant // since when the stop condition holds; Never
	heard   instant.Instant // when samples came last
	seen    Observe

	measure  measure
	pending  []Sample        // that came between Inject and its answer
	detected instant.Instant // the first host took the target out; Never
	allOut   instant.Instant // every host did; Never
	back     instant.Instant // every host has it in again, after the revert; Never
	log      []api.DrillNote
}

// Bounds of a run. Together they end every run, whatever does not answer.
const (
	baseline    = time.Second      // of clean probes before the fault
	baselineMax = 5 * time.Second  // within which it must be found
	answerMax   = 5 * time.Second  // for a fault to be done
	revertMax   = 30 * time.Second // for a revert; then the dead-man time is all that is left
	settleMin   = time.Second      // for the last probes to have failed, besides their time-out
	blindMax    = 3 * time.Second  // without any sample, besides a probe's time-out
	logMax      = 100              // lines
	lateMax     = 0.05             // share of late, unsent and missing probes that still proves something
	// pendingMax bounds the samples that wait for the fault's moment: a probe
	// every millisecond for answerMax, four times over.
	pendingMax = 20_000
)

// New returns a Runner that has not run.
func New(s spec.Drill) *Runner {
	return &Runner{
		spec: s, phase: api.DrillIdle, fault: instant.Never, revert: instant.Never, again: instant.Never, bad: instant.Never,
		detected: instant.Never, allOut: instant.Never, back: instant.Never,
	}
}

// Name is the drill's name.
func (r *Runner) Name() string { return r.spec.Name }

// Spec is what the drill was made from.
func (r *Runner) Spec() spec.Drill { return r.spec }

// Target is the backend of the run; empty before one.
func (r *Runner) Target() string { return r.start.Target }

// Phase is how far the newest run is.
func (r *Runner) Phase() api.DrillPhase { return r.phase }

// Live reports whether a run is under way.
func (r *Runner) Live() bool { return r.phase.Live() }

// Step tells the Runner one event and adds what must be done to out.
func (r *Runner) Step(now instant.Instant, ev Event, out *Effects) {
	if !r.Live() {
		if start, ok := ev.(Start); ok {
			r.begin(now, start, out)
		}
		return
	}
	switch ev := ev.(type) {
	case Start:
	case Abort:
		if r.ending == api.DrillAborted {
			break
		}
		r.note(now, "aborted by "+ev.By)
		r.stop(now, api.DrillAborted, "aborted by "+ev.By, out)
	case Observe:
		r.observe(now, ev, out)
	case FaultDone:
		r.done(now, ev, out)
	case Sampled:
		r.sampled(now, ev.Samples)
	case Wake:
	}
	r.tick(now, out)
}

func (r *Runner) begin(now instant.Instant, ev Start, out *Effects) {
	*r = *New(ev.Spec)
	r.start = ev
	r.started, r.heard = now, now
	r.measure = newMeasure(ev.Spec.ProbeEvery.D())
	r.enter(now, api.DrillChecking, out)
	if ev.Target == "" {
		r.reason = "no backend of the pool both serves and is run by this fleet: there is nothing to break"
		r.note(now, r.reason)
		r.end(now, api.DrillRefused, out)
		return
	}
	r.note(now, fmt.Sprintf("run %d by %s: %s backend/%s", ev.Run, ev.By, ev.Spec.Fault.Kind, ev.Target))
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

// sinceFault is the time of a moment after the fault, 0 when one of them has not
// come.
func (r *Runner) sinceFault(at instant.Instant) time.Duration {
	if r.fault == instant.Never || at == instant.Never {
		return 0
	}
	return at.Sub(r.fault)
}

func (r *Runner) observe(now instant.Instant, o Observe, out *Effects) {
	r.seen = o
	if r.fault == instant.Never {
		return
	}
	if o.HostsOut > 0 && r.detected == instant.Never {
		r.detected, out.Changed = now, true
		r.note(now, fmt.Sprintf("the first host took backend/%s out", r.Target()))
	}
	if o.Hosts > 0 && o.HostsOut >= o.Hosts && r.allOut == instant.Never {
		r.allOut, out.Changed = now, true
		r.note(now, fmt.Sprintf("all %d hosts have it out", o.Hosts))
	}
	if r.revert != instant.Never && r.detected != instant.Never && o.TargetBack && r.back == instant.Never {
		r.back, out.Changed = now, true
		r.note(now, "every host has it in again")
	}
}

// sampled takes what the probes saw. While the fault is being injected nobody
// knows yet which of it came after: it waits for the answer.
func (r *Runner) sampled(now instant.Instant, all []Sample) {
	if len(all) > 0 {
		r.heard = now
	}
	if r.asked && r.fault == instant.Never {
		r.pending = append(r.pending, all[:min(len(all), pendingMax-len(r.pending))]...)
		return
	}
	r.measure.add(all)
}

// done takes the answer to Inject or Revert.
func (r *Runner) done(now instant.Instant, ev FaultDone, out *Effects) {
	switch {
	case !r.asked: // of a run before, or told twice
	case ev.Revert && ev.Err != "":
		if r.refusal != ev.Err {
			r.note(now, "the fault could not be reverted: "+ev.Err+"; it is asked for again")
		}
		r.refusal, r.again = ev.Err, now.Add(time.Second)
	case ev.Revert && r.fault == instant.Never && r.phase == api.DrillRunning:
		// Of a fault that is not in yet: it may still come, so the answer to a
		// revert of our own is waited for.
		r.stop(now, api.DrillFailed, "the fault was taken back before it was in", out)
	case ev.Revert:
		r.reverted(now, ev.At, out)
	case ev.Err != "":
		r.note(now, "the fault could not be injected: "+ev.Err)
		r.stop(now, api.DrillFailed, "the fault could not be injected: "+ev.Err, out)
	case r.fault == instant.Never:
		r.fault, r.faultID = ev.At, ev.ID
		r.measure.fault(ev.At)
		r.measure.add(r.pending)
		r.pending = nil
		r.note(now, fmt.Sprintf("fault: %s backend/%s", r.spec.Fault.Kind, r.Target()))
		out.Changed = true
	}
}

// reverted takes the end of the fault, asked for or not.
func (r *Runner) reverted(now, at instant.Instant, out *Effects) {
	early := r.phase == api.DrillRunning && r.spec.Fault.Kind != string(api.FaultRestart)
	r.asked, r.again = false, instant.Never
	r.revert = at
	r.note(now, "the fault is reverted")
	if early && r.ending == "" {
		r.ending = api.DrillFailed
		r.reason = fmt.Sprintf("the fault was taken back %s after it began, before its hold of %s was over", round(r.sinceFault(at)), r.spec.Hold)
		r.note(now, r.reason)
	}
	r.enter(now, api.DrillSettling, out)
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
	r.pending = nil
	out.StopProbes, out.Ended = true, true
}

// steady reports why the state is not steady; empty when it is.
func (r *Runner) steady() string {
	o := r.seen
	switch {
	case o.All == 0:
		return "the pool is not known yet"
	case o.Silent > 0:
		return fmt.Sprintf("%d of the hosts that serve the pool are silent", o.Silent)
	case float64(o.Up)*100 < float64(r.spec.Before.MinUp)*float64(o.All):
		return fmt.Sprintf("%d of %d backends are up, %s are needed", o.Up, o.All, r.spec.Before.MinUp)
	}
	return ""
}
