package balance

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/maglev"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// A large pool whose backends come and go without a pause, each with its slow
// start, has its hash table built at a bounded rate; meanwhile no flow goes to one
// that is out, and when it is calm again flows go where they go in a table that was
// built in one piece.
func TestLargeHashTablesAreBuiltAtABoundedRate(t *testing.T) {
	const n = 150
	p := spec.Pool{Name: "p", Site: "s", Scheduler: spec.SCH, SlowStart: spec.Duration(time.Second)}
	for i := range n {
		p.Backends = append(p.Backends, spec.Backend{Name: fmt.Sprintf("b%03d", i), Address: "10.0.0.1", Port: 80 + i})
	}
	calm := func(down map[string]bool) *Balancer {
		b, out := New(), Effects{}
		b.Step(1, SetSpec{Pools: []spec.Pool{p}}, &out)
		for _, x := range p.Backends {
			h := api.Up
			if down[x.Name] {
				h = api.Down
			}
			b.Step(1, SetHealth{Backend: x.Name, Health: api.Combine(h, "")}, &out)
		}
		for b.Deadline() != instant.Never {
			b.Step(b.Deadline(), Wake{}, &out)
		}
		return b
	}
	r := rand.New(rand.NewPCG(1, 2))
	down := map[string]bool{}
	b := calm(down)
	now := instant.Instant(time.Minute)
	hashed, builds := b.table.Pools[0].hashed, 0
	check := func(exact *Table) {
		t.Helper()
		if h := b.table.Pools[0].hashed; h != hashed {
			hashed = h
			builds++
		}
		for k := range 200 {
			q := Query{Key: maglev.Mix(uint64(k)), Stick: None}
			i := b.table.Pick(0, q, nil)
			if i == None || down[p.Backends[i].Name] {
				t.Fatalf("at %s flow %d goes to %d", time.Duration(now), k, i)
			}
			if exact != nil && i != exact.Pick(0, q, nil) {
				t.Fatalf("flow %d goes to %d, in a table that was built in one piece to %d", k, i, exact.Pick(0, q, nil))
			}
		}
	}
	var out Effects
	const events = 1000
	for range events {
		now = now.Add(2 * time.Millisecond)
		name := p.Backends[r.IntN(n)].Name
		down[name] = !down[name]
		h := api.Up
		if down[name] {
			h = api.Down
		}
		b.Step(now, SetHealth{Backend: name, Health: api.Combine(h, "")}, &out)
		check(nil)
	}
	if most := int(events*2*time.Millisecond/hashEvery(n)) + 1; builds < 10 || builds > most {
		t.Errorf("%d hash tables were built in %d changes, want at most %d", builds, events, most)
	}
	for b.Deadline() != instant.Never {
		now = b.Deadline()
		b.Step(now, Wake{}, &out)
		check(nil)
	}
	check(calm(down).table)
}
