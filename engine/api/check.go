package api

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Check implements Command.
func (c SetWeights) Check(s *Status) []Refusal {
	if len(c.Weights) == 0 {
		return []Refusal{{Reason: ReasonNothingToDo, Detail: "name at least one backend and its weight"}}
	}
	var no []Refusal
	after, seen := map[string]int{}, map[string]bool{}
	changes := false
	for _, w := range c.Weights {
		target := id.To(id.KindBackend, w.Backend)
		b, ok := s.Backend(w.Backend)
		switch {
		case !ok:
			no = append(no, missing(target))
		case seen[w.Backend]:
			no = append(no, Refusal{Reason: ReasonOutOfRange, Target: target, Detail: "it stands twice; give it one weight"})
		case w.Weight < 0 || w.Weight > 100:
			no = append(no, Refusal{Reason: ReasonOutOfRange, Target: target, Detail: fmt.Sprintf("weight %d; 0 to 100 are allowed", w.Weight)})
		default:
			after[w.Backend] = w.Weight
			changes = changes || b.Asked.Weight != w.Weight
		}
		seen[w.Backend] = true
	}
	if len(no) > 0 {
		return no
	}
	if !changes {
		return []Refusal{{Reason: ReasonNothingToDo, Target: id.To(id.KindBackend, c.Weights[0].Backend), Detail: "the weights are these already"}}
	}
	return lastServing(s, func(b *Backend) bool {
		w, changed := after[b.Name]
		return changed && w == 0
	})
}

// Check implements Command.
func (c Drain) Check(s *Status) []Refusal {
	if c.For < 0 || c.For > DrainForMax {
		return []Refusal{{Reason: ReasonOutOfRange, Target: c.Target, Detail: fmt.Sprintf("--for %s; up to %s", c.For, DrainForMax)}}
	}
	hit, no := s.backendsOf(c.Target)
	if no != nil {
		return no
	}
	if !anyOf(s, hit, func(b *Backend) bool { return !b.Asked.Drain }) {
		return []Refusal{{Reason: ReasonNothingToDo, Target: c.Target, Detail: "it drains already"}}
	}
	return lastServing(s, func(b *Backend) bool { return hit[b.Name] })
}

// Check implements Command.
func (c Undrain) Check(s *Status) []Refusal {
	hit, no := s.backendsOf(c.Target)
	if no != nil {
		return no
	}
	if !anyOf(s, hit, func(b *Backend) bool { return b.Asked.Drain }) {
		return []Refusal{{Reason: ReasonNothingToDo, Target: c.Target, Detail: "it does not drain"}}
	}
	return nil
}

// Check implements Command.
func (c Force) Check(s *Status) []Refusal {
	target := id.To(id.KindBackend, c.Backend)
	b, ok := s.Backend(c.Backend)
	switch {
	case !ok:
		return []Refusal{missing(target)}
	case c.Health != Up && c.Health != Down:
		return []Refusal{{Reason: ReasonOutOfRange, Target: target, Detail: fmt.Sprintf("%q; force up or down", c.Health)}}
	case b.Asked.Forced == c.Health:
		return []Refusal{{Reason: ReasonNothingToDo, Target: target, Detail: "it is forced " + string(c.Health) + " already"}}
	case c.Health == Up && b.Health.Measured == Down:
		return []Refusal{{Reason: ReasonNotSteady, Target: target, Warning: true, Detail: "its probes fail; users would get their errors"}}
	case c.Health == Down:
		return lastServing(s, func(b *Backend) bool { return b.Name == c.Backend })
	}
	return nil
}

// Check implements Command.
func (c Unforce) Check(s *Status) []Refusal {
	target := id.To(id.KindBackend, c.Backend)
	b, ok := s.Backend(c.Backend)
	switch {
	case !ok:
		return []Refusal{missing(target)}
	case b.Asked.Forced == "":
		return []Refusal{{Reason: ReasonNothingToDo, Target: target, Detail: "nobody forced it"}}
	case b.Asked.Forced == Up && b.Health.Measured == Down:
		return lastServing(s, func(b *Backend) bool { return b.Name == c.Backend })
	}
	return nil
}

// Check implements Command.
func (c InjectFault) Check(s *Status) []Refusal {
	switch {
	case !validFault(c.Kind):
		return []Refusal{{Reason: ReasonOutOfRange, Target: c.Target, Detail: fmt.Sprintf("%q is no fault; the faults are kill, freeze, slow, restart", c.Kind)}}
	case c.Target.Kind != id.KindBackend:
		return []Refusal{{Reason: ReasonWrongKind, Target: c.Target, Detail: "faults are injected into backends"}}
	case c.For < 0 || c.For > FaultForMax:
		return []Refusal{{Reason: ReasonOutOfRange, Target: c.Target, Detail: fmt.Sprintf("--for %s; up to %s", c.For, FaultForMax)}}
	case c.Kind == FaultSlow && (c.Delay <= 0 || c.Delay > FaultDelayMax):
		return []Refusal{{Reason: ReasonOutOfRange, Target: c.Target, Detail: fmt.Sprintf("--delay %s; more than 0, up to %s", c.Delay, FaultDelayMax)}}
	case c.Kind != FaultSlow && c.Delay != 0:
		return []Refusal{{Reason: ReasonOutOfRange, Target: c.Target, Detail: "--delay goes with slow only"}}
	}
	b, ok := s.Backend(c.Target.Name)
	if !ok {
		return []Refusal{missing(c.Target)}
	}
	if b.PID == 0 && !s.faultOn(c.Target) {
		return []Refusal{{Reason: ReasonNotOurs, Target: c.Target}}
	}
	if s.faultOn(c.Target) {
		return []Refusal{{Reason: ReasonFaultInForce, Target: c.Target, Detail: "clear it first: holdfast fault clear"}}
	}
	if c.Kind == FaultSlow && c.Delay < time.Second {
		return nil
	}
	return lastServing(s, func(b *Backend) bool { return b.Name == c.Target.Name })
}

// Check implements Command.
func (c ClearFault) Check(s *Status) []Refusal {
	if c.ID == "" {
		if len(s.Faults) == 0 {
			return []Refusal{{Reason: ReasonNothingToDo, Detail: "no fault is in force"}}
		}
		return nil
	}
	for i := range s.Faults {
		if s.Faults[i].ID == c.ID {
			return nil
		}
	}
	return []Refusal{{Reason: ReasonNoSuchFault, Target: id.To(id.KindFault, c.ID), Detail: "holdfast fault list shows them"}}
}

// Check implements Command.
func (c StartDrill) Check(s *Status) []Refusal {
	target := id.To(id.KindDrill, c.Name)
	found := false
	for i := range s.Drills {
		d := &s.Drills[i]
		found = found || d.Name == c.Name
		if d.Phase.Live() {
			return []Refusal{{Reason: ReasonDrillRunning, Target: id.To(id.KindDrill, d.Name)}}
		}
	}
	if !found {
		return []Refusal{missing(target)}
	}
	if len(s.Faults) > 0 {
		return []Refusal{{Reason: ReasonNotSteady, Target: target, Detail: "a fault is in force: holdfast fault clear"}}
	}
	return nil
}

// Check implements Command.
func (AbortDrill) Check(s *Status) []Refusal {
	for i := range s.Drills {
		if s.Drills[i].Phase.Live() {
			return nil
		}
	}
	return []Refusal{{Reason: ReasonNoDrillRunning}}
}

// Check implements Command. Whether the text is a valid spec is for the world
// that applies it: it may have to read the files that it names.
func (c Apply) Check(s *Status) []Refusal {
	switch {
	case c.Text == "":
		return []Refusal{{Reason: ReasonSpecInvalid, Detail: "the spec is empty"}}
	case len(c.Text) > SpecSizeMax:
		return []Refusal{{Reason: ReasonOutOfRange, Detail: fmt.Sprintf("the spec has %d bytes; %d are the limit", len(c.Text), SpecSizeMax)}}
	}
	return respec(c.Base, s)
}

func validFault(kind FaultKind) bool {
	switch kind {
	case FaultKill, FaultFreeze, FaultSlow, FaultRestart:
		return true
	}
	return false
}

func missing(target id.Ref) Refusal {
	return Refusal{Reason: ReasonNoSuchTarget, Target: target, Detail: "holdfast get " + string(target.Kind) + "s lists them"}
}

// lastServing warns for each pool that would be left with nobody to serve. A
// backup that stands by takes over.
func lastServing(s *Status, gone func(*Backend) bool) []Refusal {
	// Few pools are touched, and faces ask for each frame.
	left := map[string]int{}
	for i := range s.Backends {
		if b := &s.Backends[i]; b.Serves() && gone(b) {
			left[b.Pool] = 0
		}
	}
	if len(left) == 0 {
		return nil
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		if n, ok := left[b.Pool]; ok && (b.Serves() || b.Phase == PhaseStandby) && !gone(b) {
			left[b.Pool] = n + 1
		}
	}
	var no []Refusal
	for i := range s.Pools { // in the picture's order, not the map's
		if n, ok := left[s.Pools[i].Name]; ok && n == 0 {
			no = append(no, Refusal{Reason: ReasonLastServing, Target: id.To(id.KindPool, s.Pools[i].Name), Warning: true, Detail: "no backend of the pool would take new flows"})
		}
	}
	return no
}

func anyOf(s *Status, names map[string]bool, is func(*Backend) bool) bool {
	for i := range s.Backends {
		if names[s.Backends[i].Name] && is(&s.Backends[i]) {
			return true
		}
	}
	return false
}
