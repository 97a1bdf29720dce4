package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// words are what one life of a host was told, kept by the checkers beside the
// engine: they must come to the same.
type words struct {
	born    instant.Instant
	at      instant.Instant // of the newest spec
	spec    *spec.Fleet
	rev     uint64
	served  map[string]*word // by backend
	leaving []leaving
}

// word is what was said of one backend.
type word struct {
	spec   spec.Backend
	pool   *spec.Pool
	weight int
	forced api.Measure
	since  instant.Instant // when it came to be served under this address

	drains    bool
	drainFrom instant.Instant
	drainTo   instant.Instant
	changed   instant.Instant // by anybody's word
}

// leaving is a backend that left with flows that may go on for a while.
type leaving struct {
	backend, address string
	to               instant.Instant
}

func newWords(now instant.Instant) *words {
	return &words{born: now, served: map[string]*word{}}
}

// told takes one event.
func (a *words) told(now instant.Instant, name string, ev host.Event) {
	switch ev := ev.(type) {
	case host.SetSpec:
		a.setSpec(now, name, ev)
	case host.Order:
		a.order(now, ev.Command)
	case host.Probed, host.Saw, host.Flows, host.Bound, host.Measured, host.Wake:
	}
}

func (a *words) setSpec(now instant.Instant, name string, ev host.SetSpec) {
	old := a.served
	a.spec, a.rev, a.at, a.served = ev.Fleet, ev.Rev, now, map[string]*word{}
	for _, pool := range served(ev.Fleet, name) {
		for _, b := range pool.Backends {
			x, ok := old[b.Name]
			if ok && (x.pool.Name != pool.Name || x.spec.AddrPort() != b.AddrPort()) {
				a.leave(now, x)
				// The words of operators are about the name.
				fresh := &word{weight: x.weight, forced: x.forced, drains: x.drains, since: now, changed: now}
				fresh.drainFrom, fresh.drainTo = now, x.drainTo
				if x.spec.WeightNow() != b.WeightNow() {
					fresh.weight = b.WeightNow()
				}
				x, ok = fresh, true
			} else if ok && x.spec.WeightNow() != b.WeightNow() {
				x.weight = b.WeightNow()
			}
			if !ok {
				x = &word{weight: b.WeightNow(), since: now, changed: now, drainTo: instant.Never}
			}
			delete(old, b.Name)
			x.spec, x.pool = b, pool
			a.served[b.Name] = x
		}
	}
	for _, x := range old {
		a.leave(now, x)
	}
}

func (a *words) leave(now instant.Instant, x *word) {
	to := now.Add(x.pool.DrainFor.D())
	if x.drains {
		to = min(to, x.drainTo)
	}
	a.leaving = append(a.leaving, leaving{x.spec.Name, x.spec.AddrPort(), to})
}

// served are the pools whose listeners a host has.
func served(f *spec.Fleet, name string) []*spec.Pool {
	var all []*spec.Pool
	seen := map[string]bool{}
	for i := range f.Listeners {
		l := &f.Listeners[i]
		for _, h := range l.Hosts {
			if p := f.Pool(l.Pool); h == name && p != nil && !seen[p.Name] {
				seen[p.Name] = true
				all = append(all, p)
			}
		}
	}
	return all
}

func (a *words) order(now instant.Instant, c api.Command) {
	switch c := c.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			if x := a.served[w.Backend]; x != nil {
				x.weight, x.changed = w.Weight, now
			}
		}
	case api.Drain:
		for _, x := range a.served {
			if !x.drains && x.is(c.Target) {
				d := c.For
				if d == 0 {
					d = x.pool.DrainFor.D()
				}
				x.drains, x.drainFrom, x.drainTo, x.changed = true, now, now.Add(d), now
			}
		}
	case api.Undrain:
		for _, x := range a.served {
			if x.drains && x.is(c.Target) {
				x.drains, x.drainTo, x.changed = false, instant.Never, now
			}
		}
	case api.Force:
		if x := a.served[c.Backend]; x != nil {
			x.forced, x.changed = c.Health, now
		}
	case api.Unforce:
		if x := a.served[c.Backend]; x != nil {
			x.forced, x.changed = "", now
		}
	case api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
	}
}

func (x *word) is(target id.Ref) bool {
	return target == id.To(id.KindBackend, x.spec.Name) || target == id.To(id.KindHost, x.spec.Host)
}

// drainLength is how long the drain was to last.
func (x *word) drainLength() time.Duration { return x.drainTo.Sub(x.drainFrom) }

// refTo names the backend that a word is about.
func refTo(x *word) id.Ref { return id.To(id.KindBackend, x.spec.Name) }
