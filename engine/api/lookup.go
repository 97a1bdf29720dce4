package api

import (
	"slices"
	"sort"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Backend returns the backend of that name.
func (s *Status) Backend(name string) (*Backend, bool) {
	return find(s.Backends, name, func(b *Backend) string { return b.Name })
}

// Pool returns the pool of that name.
func (s *Status) Pool(name string) (*Pool, bool) {
	return find(s.Pools, name, func(p *Pool) string { return p.Name })
}

// Listener returns the listener of that name.
func (s *Status) Listener(name string) (*Listener, bool) {
	return find(s.Listeners, name, func(l *Listener) string { return l.Name })
}

// Host returns the host of that name.
func (s *Status) Host(name string) (*Host, bool) {
	return find(s.Hosts, name, func(h *Host) string { return h.Name })
}

// Site returns the site of that name.
func (s *Status) Site(name string) (*Site, bool) {
	return find(s.Sites, name, func(x *Site) string { return x.Name })
}

// Drill returns the drill of that name.
func (s *Status) Drill(name string) (*Drill, bool) {
	return find(s.Drills, name, func(d *Drill) string { return d.Name })
}

// Exists reports whether the picture has the thing that ref names.
func (s *Status) Exists(ref id.Ref) bool {
	ok := false
	switch ref.Kind {
	case id.KindFleet:
		ok = s.Fleet == ref.Name
	case id.KindSite:
		_, ok = s.Site(ref.Name)
	case id.KindHost:
		_, ok = s.Host(ref.Name)
	case id.KindListener:
		_, ok = find(s.Listeners, ref.Name, func(l *Listener) string { return l.Name })
	case id.KindPool:
		_, ok = s.Pool(ref.Name)
	case id.KindBackend:
		_, ok = s.Backend(ref.Name)
	case id.KindClients:
		_, ok = find(s.Clients, ref.Name, func(c *Clients) string { return c.Name })
	case id.KindDrill:
		_, ok = s.Drill(ref.Name)
	case id.KindLink:
		_, ok = s.Link(ref.Name)
	case id.KindGroup:
		_, ok = s.Group(ref.Name)
	case id.KindFault:
		ok = slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.ID == ref.Name })
	}
	return ok
}

// Serves reports whether the backend takes new flows.
func (b *Backend) Serves() bool {
	switch b.Phase {
	case PhaseServing, PhaseRising:
		return b.Weight > 0
	case PhaseStandby, PhaseDraining, PhaseDrained, PhaseEjected, PhaseOut, PhaseIdle:
		return false
	}
	return false
}

// backendsOf returns the names of the backends that a target stands for.
func (s *Status) backendsOf(target id.Ref) (map[string]bool, []Refusal) {
	hit := map[string]bool{}
	switch target.Kind {
	case id.KindBackend:
		if _, ok := s.Backend(target.Name); !ok {
			return nil, []Refusal{missing(target)}
		}
		hit[target.Name] = true
		return hit, nil
	case id.KindHost:
		if _, ok := s.Host(target.Name); !ok {
			return nil, []Refusal{missing(target)}
		}
		for i := range s.Backends {
			if s.Backends[i].Host == target.Name {
				hit[s.Backends[i].Name] = true
			}
		}
		if len(hit) == 0 {
			return nil, []Refusal{{Reason: ReasonNothingToDo, Target: target, Detail: "no backend runs on it"}}
		}
		return hit, nil
	case id.KindFleet, id.KindSite, id.KindListener, id.KindPool, id.KindClients, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup:
	}
	return nil, []Refusal{{Reason: ReasonWrongKind, Target: target, Detail: "name a backend or a host"}}
}

// faultOn reports whether a fault is in force on the target.
func (s *Status) faultOn(target id.Ref) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Target == target })
}

// find is a binary search: pictures are sorted by name. It goes by index, because
// the elements are large and slices.BinarySearchFunc copies each that it looks at.
func find[T any](all []T, name string, key func(*T) string) (*T, bool) {
	i := sort.Search(len(all), func(i int) bool { return key(&all[i]) >= name })
	if i == len(all) || key(&all[i]) != name {
		return nil, false
	}
	return &all[i], true
}
