package page

import (
	"github.com/holdfast-edge/holdfast/engine/api"
)

// Change is what a command would do to the backends of a pool.
type Change struct {
	Weights map[string]int  // in force afterwards, where another one than now
	Gone    map[string]bool // take no new flows afterwards
	Join    map[string]bool // take new flows afterwards
}

// weightAfter is the weight that counts for a backend after the change: 0 for
// one that takes no new flows.
func (ch Change) weightAfter(b *api.Backend) int {
	w := b.Weight
	if after, ok := ch.Weights[b.Name]; ok {
		w = after
	}
	switch {
	case ch.Gone[b.Name]:
		return 0
	case ch.Join[b.Name]:
		return w
	case b.Serves():
		return w
	case b.Phase == api.PhaseIdle && b.Health.Effective != api.Down:
		return w // only its weight keeps it out
	case b.Phase == api.PhaseStandby && b.Backup:
		return w // it is counted only when nobody else serves
	}
	return 0
}

// Shares predicts the part of a pool's new flows that each backend should get
// after a change, by name: its weight among those that serve. Backups count
// only when nobody else serves, as in the balancer. ok is false when nobody
// would serve.
func Shares(s *api.Status, pool string, ch Change) (shares map[string]float64, serving int, ok bool) {
	shares = map[string]float64{}
	for _, backup := range []bool{false, true} {
		total := 0
		for i := range s.Backends {
			if b := &s.Backends[i]; b.Pool == pool && b.Backup == backup {
				total += ch.weightAfter(b)
			}
		}
		if total == 0 {
			continue
		}
		for i := range s.Backends {
			b := &s.Backends[i]
			if w := ch.weightAfter(b); b.Pool == pool && b.Backup == backup && w > 0 {
				shares[b.Name] = float64(w) / float64(total)
				serving++
			}
		}
		return shares, serving, true
	}
	return shares, 0, false
}

// crew is who would serve in a pool: those in front, and the backups behind.
type crew struct{ front, backups int }

// crews counts every pool's crew in one go; Shares looks at one pool.
func crews(s *api.Status) map[string]crew {
	all := make(map[string]crew, len(s.Pools))
	for i := range s.Backends {
		b := &s.Backends[i]
		if (Change{}).weightAfter(b) == 0 {
			continue
		}
		c := all[b.Pool]
		if b.Backup {
			c.backups++
		} else {
			c.front++
		}
		all[b.Pool] = c
	}
	return all
}

// without is how many would serve if b went.
func (c crew) without(b *api.Backend) int {
	if (Change{}).weightAfter(b) > 0 {
		if b.Backup {
			c.backups--
		} else {
			c.front--
		}
	}
	if c.front > 0 {
		return c.front
	}
	return c.backups
}

// Effect says what a command would do to backends.
func Effect(c api.Command, s *api.Status) Change {
	ch := Change{Weights: map[string]int{}, Gone: map[string]bool{}, Join: map[string]bool{}}
	switch c := c.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			ch.Weights[w.Backend] = w.Weight
		}
	case api.Drain:
		for _, name := range Hit(c, s) {
			ch.Gone[name] = true
		}
	case api.Undrain:
		for _, name := range Hit(c, s) {
			if b, ok := s.Backend(name); ok && b.Health.Effective != api.Down && (b.Phase == api.PhaseDraining || b.Phase == api.PhaseDrained) {
				ch.Join[name] = true
			}
		}
	case api.Force:
		if c.Health == api.Down {
			ch.Gone[c.Backend] = true
		} else {
			ch.Join[c.Backend] = true
		}
	case api.Unforce:
		b, ok := s.Backend(c.Backend)
		switch {
		case ok && b.Health.Measured == api.Down:
			ch.Gone[c.Backend] = true
		case ok && b.Health.Measured == api.Up:
			ch.Join[c.Backend] = true
		}
	case api.InjectFault:
		if c.Kind != api.FaultSlow {
			ch.Gone[c.Target.Name] = true
		}
	case api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
	}
	return ch
}

// Hit lists the backends that a command acts on, in the order of the picture.
func Hit(c api.Command, s *api.Status) []string {
	var names []string
	for _, t := range c.Targets() {
		for i := range s.Backends {
			if b := &s.Backends[i]; t.Kind == "backend" && b.Name == t.Name || t.Kind == "host" && b.Host == t.Name {
				names = append(names, b.Name)
			}
		}
	}
	return names
}
