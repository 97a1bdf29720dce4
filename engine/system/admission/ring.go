package admission

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/gossip"
)

// Step is how far a change of keys is.
type Step string

// The steps. A key is understood everywhere before anybody seals with it, and the
// old one is forgotten when nobody seals with it any more.
const (
	StepSteady    Step = "steady"
	StepInstalled Step = "installed" // the new key is understood
	StepUsed      Step = "used"      // the new key seals
)

// Times of a change of keys.
const (
	RotateEvery = 24 * time.Hour
	// StepMin is how long each step stands at least: what was sealed before it is
	// still under way.
	StepMin = 10 * time.Second
	// StepMax is how long a host that is away is waited for. When it is back it
	// reads the keys from the facts, over a connection of its own.
	StepMax = time.Hour
)

// Ring is the keyring as the facts have it.
type Ring struct {
	Keys  [][]byte  `json:"keys"` // the first one seals
	Step  Step      `json:"step"`
	Since time.Time `json:"since"`
	Asked bool      `json:"asked,omitempty"` // somebody wants it changed now
}

// Next is the ring after its next step, and whether it is time for it. fresh draws a
// key. has are the names of the keys that each host says it has, the one that it
// seals with first; a host that has joined and says nothing has none.
func (r Ring) Next(now time.Time, fresh func() gossip.Key, has map[string][]string) (Ring, bool) {
	ring, err := gossip.ParseKeyring(r.Keys)
	if err != nil {
		return r, false
	}
	stood := now.Sub(r.Since)
	keys := ring.Keys()
	switch r.Step {
	case StepSteady:
		if !r.Asked && stood < RotateEvery || stood < StepMin {
			return r, false
		}
		next, err := ring.Install(fresh())
		if err != nil {
			// Too many keys, from a change that another program began: those that do
			// not seal go first.
			next, _ = gossip.NewKeyring(keys[0])
			return Ring{Keys: next.Encode(), Step: StepSteady, Since: now, Asked: true}, true
		}
		return Ring{Keys: next.Encode(), Step: StepInstalled, Since: now}, true
	case StepInstalled:
		name := keys[len(keys)-1].Name()
		if !due(stood, has, func(names []string) bool { return slices.Contains(names, name) }) {
			return r, false
		}
		next, err := ring.Use(name)
		if err != nil {
			return r, false
		}
		return Ring{Keys: next.Encode(), Step: StepUsed, Since: now, Asked: r.Asked}, true
	case StepUsed:
		if !due(stood, has, func(names []string) bool { return len(names) > 0 && names[0] == keys[0].Name() }) {
			return r, false
		}
		next, _ := gossip.NewKeyring(keys[0])
		return Ring{Keys: next.Encode(), Step: StepSteady, Since: now, Asked: r.Asked}, true
	}
	return r, false
}

// due reports whether a step has stood long enough: until every host has taken it,
// or for as long as any is waited for.
func due(stood time.Duration, has map[string][]string, took func([]string) bool) bool {
	if stood < StepMin {
		return false
	}
	if stood >= StepMax {
		return true
	}
	for _, names := range has {
		if !took(names) {
			return false
		}
	}
	return true
}
