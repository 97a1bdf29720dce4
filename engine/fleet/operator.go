package fleet

import (
	"maps"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// operator is what operators have set, so that a host that lost it can be told
// again.
type operator struct {
	weights map[string]word[int]
	drains  map[string]word[api.Drain]
	forced  map[string]word[api.Measure]
	// Who took what back, for hosts that did not hear of it and go on.
	undrained, unforced map[string]word[struct{}]
}

// word is what somebody said of a backend, and the event that recorded it.
type word[T any] struct {
	value T
	by    string
	at    time.Time
	cause api.Seq
}

func newOperator() operator {
	return operator{
		weights: map[string]word[int]{}, drains: map[string]word[api.Drain]{}, forced: map[string]word[api.Measure]{},
		undrained: map[string]word[struct{}]{}, unforced: map[string]word[struct{}]{},
	}
}

// take remembers an accepted command. backends says which ones a target stands
// for.
func (o *operator) take(c api.Command, by string, at time.Time, cause api.Seq, backends func(id.Ref) []string) {
	switch c := c.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			o.weights[w.Backend] = word[int]{w.Weight, by, at, cause}
		}
	case api.Drain:
		for _, b := range backends(c.Target) {
			if _, drains := o.drains[b]; !drains { // a second word does not begin it anew
				o.drains[b] = word[api.Drain]{api.Drain{Target: id.To(id.KindBackend, b), For: c.For}, by, at, cause}
			}
			delete(o.undrained, b)
		}
	case api.Undrain:
		for _, b := range backends(c.Target) {
			delete(o.drains, b)
			o.undrained[b] = word[struct{}]{by: by, cause: cause}
		}
	case api.Force:
		o.forced[c.Backend] = word[api.Measure]{c.Health, by, at, cause}
		delete(o.unforced, c.Backend)
	case api.Unforce:
		delete(o.forced, c.Backend)
		o.unforced[c.Backend] = word[struct{}]{by: by, cause: cause}
	case api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
	}
}

// asked is the newest word on a backend.
func (o *operator) asked(b *spec.Backend) api.Asked {
	_, drain := o.drains[b.Name]
	weight, set := o.weights[b.Name]
	if !set {
		weight.value = b.WeightNow()
	}
	return api.Asked{Weight: weight.value, Drain: drain, Forced: o.forced[b.Name].value}
}

// lost are the orders that tell a host again what its report does not have, in
// the report's order: a host that was restarted knows no operator's word. And they
// take back what nobody asks for any more: who was cut off may have missed both the
// spec that ended a word and the one that brought its backend back. weights are the
// spec's, by backend; nil: what is not asked for is left as it is.
func (o *operator) lost(report []host.Backend, weights map[string]int) []host.Event {
	var all []host.Event
	for i := range report {
		b := &report[i]
		drains := b.Balance.DrainTo != instant.Never
		over, known := weights[b.Name]
		if w, ok := o.weights[b.Name]; ok {
			over, known = w.value, true
		}
		if known && b.Balance.Weight != over {
			w := o.weights[b.Name]
			all = append(all, host.Order{Command: api.SetWeights{Weights: []api.Weight{{Backend: b.Name, Weight: over}}}, By: w.by, Cause: w.cause})
		}
		if w, ok := o.drains[b.Name]; ok && !drains {
			all = append(all, host.Order{Command: w.value, By: w.by, Cause: w.cause})
		} else if !ok && drains {
			w := o.undrained[b.Name]
			all = append(all, host.Order{Command: api.Undrain{Target: id.To(id.KindBackend, b.Name)}, By: w.by, Cause: w.cause})
		}
		if w, ok := o.forced[b.Name]; ok && b.Probe.Health.Forced != w.value {
			all = append(all, host.Order{Command: api.Force{Backend: b.Name, Health: w.value}, By: w.by, Cause: w.cause})
		} else if !ok && b.Probe.Health.Forced != "" {
			w := o.unforced[b.Name]
			all = append(all, host.Order{Command: api.Unforce{Backend: b.Name}, By: w.by, Cause: w.cause})
		}
	}
	return all
}

// all are the orders for some backends, as for a host that knows no word of any
// operator.
func (o *operator) all(backends []string) []host.Event {
	bare := make([]host.Backend, len(backends))
	for i, name := range backends {
		bare[i] = host.Backend{Name: name, Balance: balance.BackendStatus{Weight: -1, DrainTo: instant.Never}}
	}
	return o.lost(bare, nil)
}

// reconcile drops what a new spec overrides, as balance.SetSpec does: backends
// that are gone, and weights that the spec changed. It returns the words that
// are no more.
func (o *operator) reconcile(before, after *spec.Fleet) []Word {
	if before == nil {
		return nil
	}
	said := o.words(before)
	old := map[string]int{}
	for i := range before.Pools {
		for _, b := range before.Pools[i].Backends {
			old[b.Name] = b.WeightNow()
		}
	}
	now := map[string]bool{}
	for i := range after.Pools {
		for _, b := range after.Pools[i].Backends {
			now[b.Name] = true
			if w, ok := old[b.Name]; ok && w != b.WeightNow() {
				delete(o.weights, b.Name)
			}
		}
	}
	gone := func(b string, _ word[struct{}]) bool { return !now[b] }
	maps.DeleteFunc(o.undrained, gone)
	maps.DeleteFunc(o.unforced, gone)
	maps.DeleteFunc(o.weights, func(b string, _ word[int]) bool { return !now[b] })
	maps.DeleteFunc(o.drains, func(b string, _ word[api.Drain]) bool { return !now[b] })
	maps.DeleteFunc(o.forced, func(b string, _ word[api.Measure]) bool { return !now[b] })
	return minus(said, o.words(after))
}
