package replicas

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// plant alters what passes between the engine and its world, so that the engine
// seems to have a bug. The engine has no switch for it.
type plant struct {
	early     bool // a batch counts as durable before it is
	stale     bool // reads are answered without asking a majority
	unfenced  bool // tokens are not looked at
	refounds  bool // a host without memory founds its groups again, as who it was
	reborn    bool // a host's lives cannot be told apart
	found     func(h *host, f *journal.Recovered) *journal.Recovered
	machine   func(h *host, name replica.GroupID) replica.Machine
	dies      func(h *host)
	heldUntil func(asked, answered instant.Instant, ttl time.Duration) instant.Instant
}

// honest is a world without planted bugs.
func honest() plant {
	return plant{
		found: func(_ *host, f *journal.Recovered) *journal.Recovered { return f },
		machine: func(h *host, name replica.GroupID) replica.Machine {
			h.stores[name] = facts.New()
			return h.stores[name]
		},
		dies:      func(*host) {},
		heldUntil: func(asked, _ instant.Instant, ttl time.Duration) instant.Instant { return facts.HeldUntil(asked, ttl) },
	}
}
