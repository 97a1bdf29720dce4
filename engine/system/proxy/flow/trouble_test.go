package flow_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
)

// two are Flows of one rr pool of b1 and b2 at a moment that stands still, and
// what they report.
func two(t *testing.T) (*flow.Flows, *[]balance.Outcomes) {
	t.Helper()
	s, err := spec.Parse("two.yaml", []byte(`
fleet: shop
sites:
  - {name: tokyo, hosts: [{name: h1, address: 127.0.0.1}]}
pools:
  - {name: shop, site: tokyo, scheduler: rr, backends: [{name: b1, host: h1, port: 9001}, {name: b2, host: h1, port: 9002}]}
listeners:
  - {name: web, site: tokyo, protocol: tcp, port: 8080, pool: shop}
`))
	if err != nil {
		t.Fatal(err)
	}
	b, out := balance.New(), balance.Effects{}
	b.Step(0, balance.SetSpec{Pools: s.Pools}, &out)
	for _, name := range []string{"b1", "b2"} {
		b.Step(0, balance.SetHealth{Backend: name, Health: api.Combine(api.Up, "")}, &out)
	}
	var reports []balance.Outcomes
	f := flow.New(flow.Options{Now: func() instant.Instant { return 1 }, Report: func(o balance.Outcomes) { reports = append(reports, o) }})
	f.Swap(out.Table)
	return f, &reports
}

// What a backend refuses goes elsewhere, and those that were kept away from it
// are reported with the one that was not.
func TestRefusedAndSpared(t *testing.T) {
	f, reports := two(t)
	want := []balance.Outcomes{{Backend: "b1", InARow: 1, Spared: 4, Reason: "refused"}}
	for n := range 10 {
		place, err := f.Acquire(t.Context(), f.Now(), flow.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n == 0 && place.Name != "b1", n > 0 && place.Name != "b2":
			t.Fatalf("flow %d goes to %s", n, place.Name)
		case n == 0:
			place.Done(flow.Outcome{Failed: true, Refused: true, Reason: "refused"})
			if !place.Refuses() {
				t.Error("its place does not know that it refuses")
			}
		default:
			place.Done(flow.Outcome{})
		}
		// Every second turn is b1's: the fourth one that it is spared is flow 8.
		if told := n >= 8; told != (len(*reports) > 0) {
			t.Fatalf("after flow %d the reports are %+v", n, *reports)
		}
	}
	if got := fmt.Sprint(*reports); got != fmt.Sprint(want) {
		t.Errorf("reported %s, want %v", got, want)
	}
}

// Where all refuse, they are tried nevertheless: one may be back.
func TestAllRefuse(t *testing.T) {
	f, _ := two(t)
	for n := range 6 {
		place, err := f.Acquire(t.Context(), f.Now(), flow.Ask{})
		if err != nil {
			t.Fatalf("flow %d: %v", n, err)
		}
		if n < 5 {
			place.Done(flow.Outcome{Failed: true, Refused: true, Reason: "refused"})
			continue
		}
		place.Done(flow.Outcome{})
		if place.Refuses() {
			t.Error("it refuses after a success")
		}
	}
}
