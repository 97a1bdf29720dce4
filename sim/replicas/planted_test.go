package replicas

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// keeps is a machine that outlives its process, and so meets commands again that
// it carried out already.
type keeps struct{ *facts.Store }

// Restore restores an empty store only.
func (k keeps) Restore(state []byte) error {
	if k.Revision() > 0 {
		return nil
	}
	return k.Store.Restore(state)
}

func with(alter func(p *plant)) plant {
	p := honest()
	alter(&p)
	return p
}

func kinds(k *Knobs, every time.Duration, names ...string) {
	k.Nature, k.Kinds = every, names
}

// A simulation that never caught a planted bug has no vote. Each of these looks
// like a bug that the engine, or the files below it, could have; a named check
// must find it.
func TestPlantedBugsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name   string
		checks string // any of them
		from   uint64 // a seed near one that shows it
		knobs  func(k *Knobs)
		plant  plant
	}{
		{"acknowledged before it is durable", "linearizable leaders equal memory", 1, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "crash", "blackout")
			k.FlushMax, k.Think = 30*time.Millisecond, 5*time.Millisecond
		}, with(func(p *plant) { p.early = true })},
		{"read without asking a majority", "linearizable", 1, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "cut", "one-way", "pause")
		}, with(func(p *plant) { p.stale = true })},
		{"a lease without a margin for drift", "lease", 46, func(k *Knobs) {
			k.Drift, k.TTL, k.Clients, k.Think = 0.01, 5*time.Second, 1, time.Second
		}, with(func(p *plant) {
			p.heldUntil = func(asked, _ instant.Instant, ttl time.Duration) instant.Instant { return asked.Add(ttl) }
		})},
		{"a lease counted from the answer", "lease", 107, func(k *Knobs) {
			k.TTL, k.NetMax, k.FlushMax, k.Loss = time.Second, 15*time.Millisecond, 30*time.Millisecond, 0.1
			k.Clients, k.Think = 1, time.Second
			k.Safety = 20 * time.Second
			kinds(k, 500*time.Millisecond, "pause")
		}, with(func(p *plant) {
			p.heldUntil = func(_, answered instant.Instant, ttl time.Duration) instant.Instant {
				return facts.HeldUntil(answered, ttl)
			}
		})},
		{"a token is not looked at", "guard", 1, func(k *Knobs) { k.TTL, k.Clients, k.Think = time.Second, 1, time.Second }, with(func(p *plant) { p.unfenced = true })},
		{"a vote is forgotten", "leaders linearizable equal halted memory refused", 1, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "crash", "blackout")
			k.FlushMax, k.NetMax = 30*time.Millisecond, 15*time.Millisecond
		}, with(func(p *plant) {
			p.found = func(_ *host, f *journal.Recovered) *journal.Recovered {
				for _, g := range f.Groups {
					g.Term, g.Vote = g.Base.Term, 0
				}
				return f
			}
		})},
		{"commands are carried out again after a restart", "equal", 1, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "crash")
		}, with(func(p *plant) {
			p.machine = func(h *host, name replica.GroupID) replica.Machine {
				if h.stores[name] == nil {
					h.stores[name] = facts.New()
				}
				return keeps{h.stores[name]}
			}
		})},
		{"rot is taken for a torn write", "linearizable leaders equal memory halted liveness refused", 34, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "rot", "cut", "crash")
		}, with(func(p *plant) {
			p.found = func(_ *host, f *journal.Recovered) *journal.Recovered {
				f.Rot = ""
				return f
			}
		})},
		{"a new disk votes as the old one", "linearizable leaders equal memory liveness", 9, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "new disk", "cut", "crash")
		}, with(func(p *plant) { p.refounds = true })},
		{"a new segment's name is not flushed", "linearizable leaders equal memory", 1, func(k *Knobs) {
			kinds(k, 300*time.Millisecond, "crash")
			k.SegmentSize = 32 << 10
		}, with(func(p *plant) {
			p.dies = func(h *host) {
				if n := len(h.disk.segments); n > 1 && h.disk.flight == nil {
					h.disk.segments = h.disk.segments[:n-1]
				}
			}
		})},
		{"two lives of a host are taken for one", "linearizable lease", 72, func(k *Knobs) {
			kinds(k, time.Second, "crash")
			k.Clients, k.Think = 2, 60*time.Millisecond
		}, with(func(p *plant) { p.reborn = true })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for s := c.from; s < c.from+100; s++ {
				r := rand.New(rand.NewPCG(s, 2))
				k := Draw(r)
				k.Hosts = 3
				c.knobs(&k)
				got := run(s, k, r, c.plant, nil)
				if got.Err == nil {
					continue
				}
				check, _, _ := strings.Cut(got.Err.Error(), ":")
				if !strings.Contains(" "+c.checks+" ", " "+check+" ") {
					t.Fatalf("seed %d: found by another check: %v", s, got.Err)
				}
				t.Logf("seed %d: %.300v", s, got.Err)
				return
			}
			t.Error("nobody notices it")
		})
	}
}
