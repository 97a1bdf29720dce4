package fleet

import (
	"maps"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// operator is what operators have set, so that a host that lost it can be told
// again.
type operator struct {
	weights map[string]int
	drains  map[string]api.Drain
	forced  map[string]api.Measure
}

func newOperator() operator {
	return operator{weights: map[string]int{}, drains: map[string]api.Drain{}, forced: map[string]api.Measure{}}
}

// take remembers an accepted command. backends says which ones a target stands
// for.
func (o *operator) take(c api.Command, backends func(id.Ref) []string) {
	switch c := c.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			o.weights[w.Backend] = w.Weight
		}
	case api.Drain:
		for _, b := range backends(c.Target) {
			o.drains[b] = api.Drain{Target: id.To(id.KindBackend, b), For: c.For}
		}
	case api.Undrain:
		for _, b := range backends(c.Target) {
			delete(o.drains, b)
		}
	case api.Force:
		o.forced[c.Backend] = c.Health
	case api.Unforce:
		delete(o.forced, c.Backend)
	case api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply:
	}
}

// asked is the newest word on a backend.
func (o *operator) asked(b *spec.Backend) api.Asked {
	_, drain := o.drains[b.Name]
	weight, set := o.weights[b.Name]
	if !set {
		weight = b.WeightNow()
	}
	return api.Asked{Weight: weight, Drain: drain, Forced: o.forced[b.Name]}
}

// orders are the events that tell a host all of it, in a fixed order.
func (o *operator) orders() []host.Event {
	var all []host.Event
	for _, b := range slices.Sorted(maps.Keys(o.weights)) {
		all = append(all, host.Order{Command: api.SetWeights{Weights: []api.Weight{{Backend: b, Weight: o.weights[b]}}}})
	}
	for _, b := range slices.Sorted(maps.Keys(o.drains)) {
		all = append(all, host.Order{Command: o.drains[b]})
	}
	for _, b := range slices.Sorted(maps.Keys(o.forced)) {
		all = append(all, host.Order{Command: api.Force{Backend: b, Health: o.forced[b]}})
	}
	return all
}

// reconcile drops what a new spec overrides, as balance.SetSpec does: backends
// that are gone, and weights that the spec changed.
func (o *operator) reconcile(before, after *spec.Fleet) {
	if before == nil {
		return
	}
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
	maps.DeleteFunc(o.weights, func(b string, _ int) bool { return !now[b] })
	maps.DeleteFunc(o.drains, func(b string, _ api.Drain) bool { return !now[b] })
	maps.DeleteFunc(o.forced, func(b string, _ api.Measure) bool { return !now[b] })
}
