package fleet

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Orders are what a host is told of words that it was not told of in this life: it
// starts cut off, and goes on with what it kept.
func Orders(all []Word, s *spec.Fleet) []host.Event {
	o := newOperator()
	_ = o.restore(all, s, 0) // whoever leads next says what became void
	var names []string
	for i := range s.Pools {
		for j := range s.Pools[i].Backends {
			names = append(names, s.Pools[i].Backends[j].Name)
		}
	}
	slices.Sort(names)
	return o.all(names)
}
