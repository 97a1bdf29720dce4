package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// keeper keeps the processes as system/keeper does: it starts what ended by
// itself, carries faults out, and takes them back by itself when nobody else does.
type keeper struct {
	world    *World
	children []*process // sorted by name
	pids     int
	carried  instant.Instant // when the newest order is carried out: they keep their order
}

// The times of system/keeper.
const (
	pauseFirst   = 100 * time.Millisecond
	pauseMax     = 5 * time.Second
	pauseReset   = 10 * time.Second
	deadManGrace = time.Second
)

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
			p := &process{world: w, name: b.Name, kind: string(b.Service.Kind), address: b.AddrPort(), pool: f.Pools[i].Name, wanted: true, pause: pauseFirst}
			k.children = append(k.children, p)
			slices.SortFunc(k.children, func(a, b *process) int { return strings.Compare(a.name, b.name) })
			k.start(p)
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
	p.wanted, p.fault = false, nil
	p.deadline++
	p.die("killed")
	k.children = slices.DeleteFunc(k.children, func(x *process) bool { return x == p })
}

// start starts a process. It serves a little later.
func (k *keeper) start(p *process) {
	w := k.world
	if !p.wanted || p.running {
		return
	}
	k.pids++
	p.running, p.pid, p.began = true, 1000+k.pids, w.now
	p.life++
	if p.fault != nil { // it ended by itself while a fault was in force, which it still is
		p.suffer(p.fault)
	}
	w.trace.say(w.now, "%s starts, pid %d", p.name, p.pid)
	w.truth.refresh()
	w.tellFleet(fleet.Process{Backend: p.name, PID: p.pid, Running: true})
}

// ended sees a process end, and starts it again unless it is to stay dead.
func (k *keeper) ended(p *process, reason string) {
	w := k.world
	w.tellFleet(fleet.Process{Backend: p.name, Reason: reason})
	if !p.wanted || p.fault != nil && p.fault.Kind == api.FaultKill {
		return
	}
	if w.now.Sub(p.began) > pauseReset {
		p.pause = pauseFirst
	}
	w.queue.add(w.now.Add(p.pause), func() {
		if p.fault == nil || p.fault.Kind != api.FaultKill {
			k.start(p)
		}
	})
	p.pause = min(2*p.pause, pauseMax)
}

// order carries a fault order out after a little while.
func (k *keeper) order(o fleet.FaultOrder) {
	w := k.world
	at := max(w.now.Add(between(w.rand, 0, w.knobs.CarryMax)), k.carried+1)
	k.carried = at
	w.queue.add(at, func() { k.carry(o) })
}

func (k *keeper) carry(o fleet.FaultOrder) {
	w := k.world
	done := fleet.FaultDone{ID: o.ID, Revert: o.Revert, At: w.now}
	p := k.child(o.Target.Name)
	switch {
	case p == nil && o.Revert: // it left the spec, and its fault with it
	case p == nil || !o.Revert && !p.running:
		done.Err = "the backend has no process"
	case o.Revert:
		k.mend(p, o)
	default:
		k.injure(p, o)
	}
	w.trace.say(w.now, "fault %s %s %s revert=%t: %q", o.ID, o.Kind, o.Target, o.Revert, done.Err)
	w.tellFleet(done)
}

func (k *keeper) injure(p *process, o fleet.FaultOrder) {
	w := k.world
	w.checks.injured(o.ID)
	if o.Kind == api.FaultRestart {
		p.pause = pauseFirst
		p.die("terminated") // nothing stays in force: it comes back by itself
		return
	}
	p.fault, p.since = &o, w.now
	p.suffer(&o)
	w.truth.refresh()
	if o.DeadMan <= 0 {
		return
	}
	p.deadline++
	this, back := p.deadline, o
	back.Revert = true
	w.queue.add(w.now.Add(o.DeadMan+deadManGrace), func() {
		if p.deadline == this && w.plant.deadMan {
			k.carry(back)
		}
	})
}

// suffer does to a process what a fault that stays in force does.
func (p *process) suffer(o *fleet.FaultOrder) {
	switch o.Kind {
	case api.FaultKill:
		p.die("signal: killed")
	case api.FaultFreeze:
		p.frozen = true
	case api.FaultSlow:
		p.delay = o.Delay
	case api.FaultRestart:
	}
}

// mend takes a fault back. To mend what is well is no error: a revert may be
// asked for twice.
func (k *keeper) mend(p *process, o fleet.FaultOrder) {
	if p.fault == nil || p.fault.ID != o.ID {
		return
	}
	p.deadline++
	p.fault = nil
	switch o.Kind {
	case api.FaultKill:
		p.pause = pauseFirst
		k.start(p)
	case api.FaultFreeze:
		p.thaw()
	case api.FaultSlow:
		p.delay = 0
	case api.FaultRestart:
	}
	k.world.truth.refresh()
}
