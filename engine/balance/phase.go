package balance

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// settle carries out what is due in a pool and works out its phases.
func (b *Balancer) settle(now instant.Instant, p *pool, out *Effects) {
	for _, x := range p.backends {
		b.expire(now, x, out)
	}
	primary := false
	for _, x := range p.backends {
		primary = primary || !x.spec.Backup && x.takesFlows() && x.ejectedTo == 0
	}
	p.next = instant.Never
	for _, x := range p.backends {
		phase, reason := x.judge(primary)
		if phase != x.phase {
			out.Changes = append(out.Changes, Change{Backend: x.spec.Name, Pool: p.spec.Name, Phase: phase, Before: x.phase, Reason: reason})
			x.phase, x.since = phase, now
			b.dirty = true
		}
		x.reason = reason
		p.next = min(p.next, x.deadline())
	}
	panics, known, reason := p.tooFew()
	b.dirty = b.dirty || panics != p.panics
	p.panics = panics
	// A pool that nobody has measured yet uses all it has, and that is no news.
	if known && panics != p.said {
		p.said = panics
		out.Panics = append(out.Panics, PanicChange{Pool: p.spec.Name, Panic: panics, Reason: reason})
	}
}

// expire carries out a backend's deadlines that have come.
func (b *Balancer) expire(now instant.Instant, x *backend, out *Effects) {
	if x.drains && !x.drained && x.drainTo.Reached(now) {
		x.drained = true
		out.Cut = append(out.Cut, Cut{Backend: x.spec.Name})
	}
	if x.ejectedTo > 0 && x.ejectedTo.Reached(now) {
		x.ejectedTo = 0
		x.rise(now)
		b.dirty = b.dirty || x.riseFrom == now // also of one that is out
	}
	if x.riseFrom == instant.Never {
		return
	}
	step := riseSteps
	if s := x.pool.spec.SlowStart.D(); s > 0 {
		step = int(now.Sub(x.riseFrom) * riseSteps / s)
	}
	if step >= riseSteps {
		x.riseFrom = instant.Never
		b.dirty = true
	} else if step != x.step {
		b.dirty = b.dirty || step > 1 // the first step is a tenth already
		x.step = step
	}
}

// deadline is when a backend wants something.
func (x *backend) deadline() instant.Instant {
	next := instant.Never
	if x.drains && !x.drained {
		next = x.drainTo
	}
	if x.ejectedTo > 0 {
		next = min(next, x.ejectedTo)
	}
	if x.riseFrom != instant.Never {
		// Rounded up: a nanosecond too early would be a Wake for nothing.
		at := (x.pool.spec.SlowStart.D()*time.Duration(x.step+1) + riseSteps - 1) / riseSteps
		next = min(next, x.riseFrom.Add(at))
	}
	return next
}

// judge returns a backend's phase and why. primary says that a backend of the
// pool that is no backup takes flows.
func (x *backend) judge(primary bool) (api.Phase, string) {
	switch {
	case x.health.Effective != api.Up:
		return api.PhaseOut, x.why
	case x.drains && x.drained:
		return api.PhaseDrained, "drained by an operator, no flow is left"
	case x.drains:
		return api.PhaseDraining, "drained by an operator"
	case x.weightNow() == 0:
		return api.PhaseIdle, "its weight is 0"
	case x.ejectedTo > 0:
		return api.PhaseEjected, x.ejectedWhy
	case x.spec.Backup && primary:
		return api.PhaseStandby, "a backup that is not needed"
	case x.riseFrom != instant.Never:
		return api.PhaseRising, "slow start after it came back"
	}
	return api.PhaseServing, x.why
}

// tooFew reports whether so little weight is usable that all is used, and
// whether anything is known of the pool. What was never measured counts on
// neither side.
func (p *pool) tooFew() (panics, known bool, reason string) {
	usable, all := 0, 0
	for _, x := range p.backends {
		known = known || x.health.Effective != api.Unknown
		if x.spec.Backup || x.drains || x.health.Forced == api.Down || x.health.Effective == api.Unknown {
			continue
		}
		all += x.weightNow()
		if x.takesFlows() && x.ejectedTo == 0 {
			usable += x.weightNow()
		}
	}
	switch {
	case p.spec.Panic <= 0:
		return false, true, "panic is off"
	case !known:
		return true, false, ""
	case all == 0 || float64(usable) >= p.spec.Panic.Share()*float64(all):
		return false, true, fmt.Sprintf("%d of %d of its weight is usable again", usable, all)
	}
	return true, true, fmt.Sprintf("only %d of %d of its weight is usable, less than %s: all its backends are used", usable, all, p.spec.Panic)
}
