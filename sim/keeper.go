package sim

import (
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// keeper carries out what engine/keep decides over the processes, as
// system/keeper does.
type keeper struct {
	world    *World
	children []*process // sorted by name
	pids     int
	carried  instant.Instant // when the newest order is carried out: they keep their order
}

func (k *keeper) child(name string) *process {
	i, ok := slices.BinarySearchFunc(k.children, name, func(p *process, n string) int { return strings.Compare(p.name, n) })
	if !ok {
		return nil
	}
	return k.children[i]
}

// at is the process that a connection to a backend's address reaches.
func (k *keeper) at(name, address string) *process {
	if p := k.child(name); p != nil && p.address == address {
		return p
	}
	return nil
}

// apply starts and stops processes as a spec says.
func (k *keeper) apply(f *spec.Fleet) {
	w := k.world
	wanted := map[string]bool{}
	for i := range f.Pools {
		for j := range f.Pools[i].Backends {
			b := &f.Pools[i].Backends[j]
			if b.Service == nil {
				continue
			}
			wanted[b.Name] = true
			old := k.child(b.Name)
			if old != nil && old.kind == string(b.Service.Kind) && old.address == b.AddrPort() {
				continue
			}
			if old != nil {
				k.stop(old)
			}
			p := &process{world: w, name: b.Name, kind: string(b.Service.Kind), address: b.AddrPort(), pool: f.Pools[i].Name, awake: instant.Never}
			k.children = append(k.children, p)
			slices.SortFunc(k.children, func(a, b *process) int { return strings.Compare(a.name, b.name) })
			k.step(p, keep.Wanted{})
		}
	}
	for _, p := range slices.Clone(k.children) {
		if !wanted[p.name] {
			k.stop(p)
		}
	}
	w.truth.refresh()
}

// stop ends a process for good.
func (k *keeper) stop(p *process) {
	k.world.checks.left(p.name)
	k.step(p, keep.Left{})
	k.children = slices.DeleteFunc(k.children, func(x *process) bool { return x == p })
}

// step tells a process's decider what happened, and carries out what it asks for.
func (k *keeper) step(p *process, ev keep.Event) {
	w := k.world
	if w.plant.keptTold != nil {
		ev = w.plant.keptTold(ev)
	}
	var out keep.Effects // of this step alone: to carry it out may be a step too
	p.keep.Step(w.now, ev, &out)
	if w.plant.kept != nil {
		w.plant.kept(ev, &out)
	}
	if out.Stop {
		p.die("killed")
	}
	for _, d := range out.Deeds {
		gone := !p.running
		p.suffer(d)
		k.step(p, keep.Done{Gone: gone})
	}
	if out.Start {
		k.start(p)
	}
	for _, a := range out.Answers {
		k.answer(fleet.FaultDone{ID: a.ID, Revert: a.Revert, At: w.now, Err: a.Err}, p.name)
	}
	if next := p.keep.Deadline(); next != instant.Never && next != p.awake {
		w.queue.Add(next, func() {
			if p.awake == next {
				p.awake = instant.Never
				k.step(p, keep.Wake{})
			}
		})
		p.awake = next
	}
	w.truth.refresh()
}

// start starts a process. It serves a little later.
func (k *keeper) start(p *process) {
	w := k.world
	k.pids++
	p.running, p.pid = true, 1000+k.pids
	p.life++
	w.trace.say(w.now, "%s starts, pid %d", p.name, p.pid)
	w.truth.refresh()
	w.tellFleet(fleet.Process{Backend: p.name, PID: p.pid, Running: true})
	k.step(p, keep.Began{})
}

// ended sees a process end.
func (k *keeper) ended(p *process, reason string) {
	k.world.tellFleet(fleet.Process{Backend: p.name, Reason: reason})
	k.step(p, keep.Ended{})
}

// order carries a fault order out after a little while.
func (k *keeper) order(o fleet.FaultOrder) {
	w := k.world
	at := max(w.now.Add(between(w.rand, 0, w.knobs.CarryMax)), k.carried+1)
	k.carried = at
	epoch := w.epoch
	w.queue.Add(at, func() {
		if epoch == w.epoch || o.Revert { // hosts refuse the orders of who was followed
			k.carry(o)
		}
	})
}

func (k *keeper) carry(o fleet.FaultOrder) {
	w := k.world
	p := k.child(o.Target.Name)
	w.trace.say(w.now, "fault %s %s %s revert=%t", o.ID, o.Kind, o.Target, o.Revert)
	switch {
	case p != nil && o.Revert:
		k.step(p, keep.Relieve{ID: o.ID})
	case p != nil:
		w.checks.ordered(o)
		k.step(p, keep.Suffer{Fault: keep.Fault{ID: o.ID, Kind: o.Kind, Delay: o.Delay, DeadMan: o.DeadMan}})
	case o.Revert: // it left the spec, and its fault with it
		k.answer(fleet.FaultDone{ID: o.ID, Revert: true, At: w.now}, o.Target.Name)
	default:
		k.answer(fleet.FaultDone{ID: o.ID, At: w.now, Err: keep.Gone}, o.Target.Name)
	}
}

// answer tells the fleet what became of an order.
func (k *keeper) answer(done fleet.FaultDone, backend string) {
	w := k.world
	w.trace.say(w.now, "fault %s on %s revert=%t: %q", done.ID, backend, done.Revert, done.Err)
	if done.Err == "" && !done.Revert {
		w.checks.injured(done.ID)
	}
	w.checks.answered(done, backend)
	w.tellFleet(done)
}

// suffer does a deed to a process, if there is one.
func (p *process) suffer(d keep.Deed) {
	if !p.running {
		return
	}
	switch d.Act {
	case keep.Kill:
		p.die("signal: killed")
	case keep.Terminate:
		p.die("terminated")
	case keep.Freeze:
		p.frozen = true
	case keep.Thaw:
		p.thaw()
	case keep.Slow:
		p.delay = d.Delay
	}
}
