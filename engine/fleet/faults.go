package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// fault is one that was asked for and is not over.
type fault struct {
	order   FaultOrder
	by      string
	receipt string
	cause   api.Seq // the command, then the fault's own event
	since   instant.Instant
	until   instant.Instant // Never: until it is cleared
	done    bool            // it is in
	revert  bool            // its revert was asked for
	again   instant.Instant // when an unanswered revert is asked for again
	tries   int             // of the revert
	// clearedBy is who wants it reverted; empty: its time is over.
	clearedBy string
	reason    string // why its revert failed
}

// How long the answer to a revert may take: longer each time, so that a fault
// that cannot be reverted is still tried and does not fill the event ring.
const (
	revertAgain    = 3 * time.Second
	revertAgainMax = time.Minute
)

func (x *fault) deadline() instant.Instant {
	if x.revert {
		return x.again
	}
	return x.until
}

// inject asks for a fault and returns its ID.
func (f *Fleet) inject(now instant.Instant, c api.InjectFault, by, receipt string, cause api.Seq, out *Effects) string {
	x := &fault{
		order: FaultOrder{ID: f.faultID(), Kind: c.Kind, Target: c.Target, Delay: c.Delay, DeadMan: c.For, By: by},
		by:    by, receipt: receipt, cause: cause, since: now, until: instant.Never,
	}
	if c.For > 0 {
		x.until = now.Add(c.For)
	}
	if b := backendOf(f.spec, c.Target.Name); b != nil {
		x.order.Host = b.Host
	}
	f.faults = append(f.faults, x)
	out.Faults = append(out.Faults, x.order)
	f.dirty = true
	return x.order.ID
}

// faultID names a new fault. Coordinators that follow each other give no name twice,
// also before they have heard of each other's.
func (f *Fleet) faultID() string {
	f.nextID++
	if f.options.Epoch > 0 {
		return fmt.Sprintf("f%d-%d", f.options.Epoch, f.nextID)
	}
	return fmt.Sprintf("f%d", f.nextID)
}

// adopt takes over a fault that a coordinator before this one asked for. It goes on
// to its end as if it had been asked for here. It is reverted if a drill began it,
// which ended with its coordinator; if its backend is not ours, or has another
// fault by now; and if it was asked for here and counts as over.
func (f *Fleet) adopt(now instant.Instant, ev Adopt, out *Effects) {
	if f.spec == nil || slices.ContainsFunc(f.faults, func(x *fault) bool { return x.order.ID == ev.Order.ID }) {
		return
	}
	x := &fault{order: ev.Order, by: ev.By, since: ev.Since, until: instant.Never, done: true}
	x.order.Revert, x.order.Host = false, ev.Host
	if x.order.DeadMan > 0 {
		x.until = ev.Since.Add(x.order.DeadMan)
	}
	other := f.faultOn(x.order.Target)
	f.faults = append(f.faults, x)
	why := "it was asked for before this coordinator began"
	if x.by != "" {
		why = x.by + " asked for it before this coordinator began"
	}
	x.cause = f.emit(api.Event{
		At: f.options.Origin.Wall(now), Site: f.siteOf(x.order.Target), Subject: x.order.Target, Lane: api.LaneFault, State: api.StateDegraded, By: x.by,
		Text: fmt.Sprintf("fault %s is in force: %s", x.order.ID, x.order.Kind), Reason: why, Cause: f.began,
	}, out).Seq
	ours := f.options.Epoch > 0 && strings.HasPrefix(x.order.ID, fmt.Sprintf("f%d-", f.options.Epoch))
	switch {
	case f.options.Observer:
	case strings.HasPrefix(x.by, drillBy):
		x.clearedBy = x.by
		f.revert(now, x, out)
	case other != nil, ours, backendOf(f.spec, x.order.Target.Name) == nil:
		x.clearedBy = "the fleet"
		f.revert(now, x, out)
	}
}

// endFaults takes the faults of a host whose agent was started anew as over: it
// starts its processes anew too. If it finds one in force it says so.
func (f *Fleet) endFaults(now instant.Instant, host string, out *Effects) {
	for _, x := range slices.Clone(f.faults) {
		if x.order.Host == host && x.done {
			x.clearedBy = "the restart of " + host
			f.faultDone(now, FaultDone{ID: x.order.ID, Revert: true, At: now}, out)
		}
	}
}

// drillBy begins the name by which a drill asks for its fault.
const drillBy = "drill/"

// clear asks for the revert of one fault, or of all, and reports whether there
// was any. by and receipt are of who wants it.
func (f *Fleet) clear(now instant.Instant, name string, cause api.Seq, by, receipt string, out *Effects) bool {
	found := false
	for _, x := range f.faults {
		if name == "" || x.order.ID == name {
			found = true
			x.cause, x.clearedBy, x.receipt = cause, by, receipt
			f.revert(now, x, out)
		}
	}
	return found
}

func (f *Fleet) revert(now instant.Instant, x *fault, out *Effects) {
	x.revert, x.again = true, now.Add(min(revertAgain<<min(x.tries, 8), revertAgainMax))
	x.tries++
	order := x.order
	order.Revert = true
	out.Faults = append(out.Faults, order)
	f.dirty = true
}

// moveFaults reverts the faults whose backend a new spec does not have, or has
// elsewhere.
func (f *Fleet) moveFaults(now instant.Instant, before *spec.Fleet, cause api.Seq, out *Effects) {
	for _, x := range f.faults {
		if moved(before, f.spec, x.order.Target.Name) {
			f.clear(now, x.order.ID, cause, "the new spec", "", out)
		}
	}
}

// moved reports whether a backend of the fleet's own is gone, or has another
// process, in the spec after.
func moved(before, after *spec.Fleet, name string) bool {
	was, is := backendOf(before, name), backendOf(after, name)
	return was == nil || is == nil || is.AddrPort() != was.AddrPort() || *is.Service != *was.Service
}

func backendOf(s *spec.Fleet, name string) *spec.Backend {
	if s == nil {
		return nil
	}
	for i := range s.Pools {
		for j := range s.Pools[i].Backends {
			if b := &s.Pools[i].Backends[j]; b.Name == name && b.Service != nil {
				return b
			}
		}
	}
	return nil
}

// expireFaults reverts what has had its time, and asks again for reverts that
// were not answered.
func (f *Fleet) expireFaults(now instant.Instant, out *Effects) {
	for _, x := range f.faults {
		if x.deadline().Reached(now) {
			f.revert(now, x, out)
		}
	}
}

func (f *Fleet) faultOn(target id.Ref) *fault {
	for _, x := range f.faults {
		if x.order.Target == target {
			return x
		}
	}
	return nil
}

// faultDone takes the world's answer.
func (f *Fleet) faultDone(now instant.Instant, ev FaultDone, out *Effects) {
	i := slices.IndexFunc(f.faults, func(x *fault) bool { return x.order.ID == ev.ID })
	if i < 0 {
		return
	}
	x := f.faults[i]
	e := api.Event{
		At: f.options.Origin.Wall(ev.At), Site: f.siteOf(x.order.Target), Subject: x.order.Target, Lane: api.LaneFault,
		State: api.StateDegraded, Cause: x.cause, By: x.by, Receipt: x.receipt,
	}
	gone, news := false, true
	switch {
	case ev.Revert && ev.Err == "":
		gone = true
		e.State, e.Text = api.StateOK, fmt.Sprintf("fault %s is reverted: %s", x.order.ID, x.order.Kind)
		if e.By = x.clearedBy; e.By == "" {
			e.Reason = "its time is over"
		}
	case ev.Revert:
		why := "its revert failed: " + ev.Err
		news = x.reason != why
		x.reason = why
		e.Text, e.Reason = fmt.Sprintf("fault %s could not be reverted", x.order.ID), ev.Err
	case ev.Err != "":
		gone = true
		e.State, e.Text, e.Reason = api.StateDown, fmt.Sprintf("fault %s could not be injected: %s", x.order.ID, x.order.Kind), ev.Err
	default:
		x.done = true
		e.Text, e.Reason = fmt.Sprintf("fault %s: %s", x.order.ID, x.order.Kind), x.by+" asked for it"
		if x.order.Kind == api.FaultRestart {
			gone = true // it is over with its being done
		}
	}
	if news {
		x.cause = f.emit(e, out).Seq
	}
	if gone {
		f.faults = slices.Delete(f.faults, i, i+1)
	}
	if ev.ID == f.runFault {
		if gone && f.running != nil && x.clearedBy != drillBy+f.running.Name() {
			f.runBy = x.cause // whatever the drill says of it follows from this
		}
		f.tellDrill(now, drill.FaultDone{ID: ev.ID, Revert: ev.Revert, At: ev.At, Err: ev.Err}, out)
		if gone && !ev.Revert && ev.Err == "" {
			// A restart ends by itself: its revert is done with it.
			f.tellDrill(now, drill.FaultDone{ID: ev.ID, Revert: true, At: ev.At}, out)
		}
	}
	f.dirty = true
}
