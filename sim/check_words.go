package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// checkWords: a coordinator that follows another goes on with every word that
// operators had set.
type checkWords struct{ world *World }

func (c *checkWords) fleet(ev fleet.Event, _ *fleet.Effects) {
	next, ok := ev.(fleet.SetSpec)
	if !ok || next.Rev == 0 {
		return
	}
	w := c.world
	for _, x := range w.kept.Words {
		b, ok := w.engine.Status().Backend(x.Backend)
		if !ok {
			continue // it left the spec in the meantime, and its words with it
		}
		holds := true
		switch x.Verb {
		case api.SetWeights{}.Verb():
			holds = b.Asked.Weight == x.Weight
		case api.Drain{}.Verb():
			holds = b.Asked.Drain
		case api.Force{}.Verb():
			holds = b.Asked.Forced == x.Health
		}
		if !holds {
			w.fail("words", "%s does not hold with coordinator %d: %+v", x, w.epoch, b.Asked)
		}
	}
}
