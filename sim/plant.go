package sim

import (
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/keep"
)

// plant alters what passes between the engine and its world, so that the engine
// seems to have a bug: the checkers know of what was meant. The zero value is an
// honest world.
type plant struct {
	told     func(h *simHost, ev host.Event) host.Event         // what a host is told
	effects  func(h *simHost, ev host.Event, out *host.Effects) // what a host asks for
	ask      func(w *World, ev fleet.Ask) fleet.Ask             // what the fleet is asked
	fleet    func(w *World, ev fleet.Event, out *fleet.Effects) // what the fleet asks for
	next     func(fleet.SetSpec) fleet.SetSpec                  // what the next coordinator begins with
	done     func(w *World, ev fleet.FaultDone) fleet.FaultDone // what it is told of a fault
	keptTold func(ev keep.Event) keep.Event                     // what a process's decider is told
	kept     func(ev keep.Event, out *keep.Effects)             // and what it asks for
}

// honest is a world without planted bugs.
func honest() plant { return plant{} }
