package sim

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// keep keeps what the fleet after this one goes on with.
func (w *World) keep(out *fleet.Effects) {
	if k := out.Keep; k != nil {
		w.kept.Fleet, w.kept.Text, w.kept.Rev = out.Spec, k.Text, k.Rev
	}
	if out.Words != nil {
		w.kept.Words = out.Words.All
	}
	for _, d := range out.Reports {
		w.reports[d.Name] = d
	}
}

// strikeCoordinator has another coordinator follow in the middle of whatever goes
// on. It knows what was kept and what hosts tell whoever is new; what is under way
// to the one before reaches it, and no order of that one to break something does.
func strikeCoordinator(w *World) {
	if w.fleet.dead || w.now.Before(w.fleet.stalled) || w.picture == nil {
		return
	}
	w.epoch++
	w.trace.say(w.now, "coordinator %d takes over", w.epoch)
	w.users.stopProbes()
	w.engine = fleet.New(fleet.Options{Origin: origin, World: api.WorldSimulation, Epoch: w.epoch, Seq: w.checks.newest()})
	w.fleet.machine = w.engine
	start := w.kept
	for _, n := range slices.Sorted(maps.Keys(w.reports)) {
		start.Reports = append(start.Reports, w.reports[n])
	}
	if w.plant.next != nil {
		start = w.plant.next(start)
	}
	w.fleet.step(start)
	for _, p := range slices.Clone(w.keeper.children) {
		if p.running {
			w.fleet.step(fleet.Process{Backend: p.name, PID: p.pid, Running: true})
		}
		if f := p.fault(); f != nil {
			w.fleet.step(w.checks.faults().adopt(f.ID, p.name))
		}
	}
}

// newest is the number of the newest event.
func (c *checks) newest() api.Seq {
	for _, x := range c.onFleet {
		if e, ok := x.(*checkEvents); ok {
			return e.last
		}
	}
	panic("sim: there is no check of events")
}

// byDrill reports whether a drill asked for a fault.
func byDrill(o fleet.FaultOrder) bool { return strings.HasPrefix(o.By, "drill/") }
