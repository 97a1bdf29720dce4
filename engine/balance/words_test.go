package balance_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// What operators said of a backend is about its name: it outlives a move to
// another address, as the fleet's own memory of it does.
func TestWordsOutliveAnotherAddress(t *testing.T) {
	p := pool(2, func(*spec.Pool) {})
	b := balance.New()
	var out balance.Effects
	b.Step(1, balance.SetSpec{Pools: []spec.Pool{p}}, &out)
	name := p.Backends[0].Name
	b.Step(2, balance.SetWeight{Backend: name, Weight: 7}, &out)
	b.Step(3, balance.Drain{Backend: name, For: time.Minute}, &out)
	moved := p
	moved.Backends = append([]spec.Backend(nil), p.Backends...)
	moved.Backends[0].Port += 50
	b.Step(4, balance.SetSpec{Pools: []spec.Pool{moved}}, &out)
	for _, s := range b.Status() {
		if s.Backend == name && (s.Weight != 7 || s.DrainTo == instant.Never) {
			t.Errorf("after its move %s has weight %d and drains to %d; asked are 7 and a drain", name, s.Weight, s.DrainTo)
		}
	}
}

// A panicking pool uses backends that are out; one that is drained meanwhile
// must leave the table although its phase stays the same.
func TestDrainOfABackendThatIsOutReachesAPanickingTable(t *testing.T) {
	p := pool(2, func(p *spec.Pool) { p.Panic = 50 })
	b := balance.New()
	var out balance.Effects
	b.Step(1, balance.SetSpec{Pools: []spec.Pool{p}}, &out)
	for i := range p.Backends {
		b.Step(2, balance.SetHealth{Backend: p.Backends[i].Name, Health: api.Combine(api.Down, "")}, &out)
	}
	out.Reset()
	b.Step(3, balance.Drain{Backend: p.Backends[0].Name, For: time.Minute}, &out)
	if out.Table == nil {
		t.Fatal("the drain made no table")
	}
	for _, x := range out.Table.Backends {
		if x.Spec.Name == p.Backends[0].Name && x.Usable {
			t.Errorf("the table still uses %s, which drains", x.Spec.Name)
		}
	}
}
