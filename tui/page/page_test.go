package page_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/page"
)

func TestChainGoesFromTheFirstCause(t *testing.T) {
	x := &page.Context{Status: fixture.Picture(), Events: fixture.Events()}
	chain := x.Chain(42)
	want := []string{"fault kill asked for", "killed", "fails its probes", "is out, its share moved to 2 others"}
	if len(chain) != len(want) {
		t.Fatalf("%d events, want %d", len(chain), len(want))
	}
	for i, e := range chain {
		if e.Text != want[i] {
			t.Errorf("event %d is %q, want %q", i, e.Text, want[i])
		}
	}
}

// TestChainEnds: a loop of causes must not be, and must not hang the console.
func TestChainEnds(t *testing.T) {
	var events []api.Event
	for i := range 100 {
		events = append(events, api.Event{Seq: api.Seq(i + 1), Cause: api.Seq(i)})
	}
	events[9].Cause = 10
	x := &page.Context{Status: fixture.Picture(), Events: events}
	if n := len(x.Chain(10)); n != 1 {
		t.Errorf("an event that is its own cause makes a chain of %d", n)
	}
	if n := len(x.Chain(100)); n != page.ChainMax {
		t.Errorf("a long chain has %d, want %d", n, page.ChainMax)
	}
	if n := len(x.Chain(1000)); n != 0 {
		t.Errorf("an event that is not kept makes a chain of %d", n)
	}
}

func TestFilterMatch(t *testing.T) {
	s := page.Subject{State: api.StateDegraded, Word: "drain", Site: "osaka", Pool: "api-osaka", Host: "osaka-b", Lane: "pool", Text: []string{"api-osaka-2", "mina drains it"}}
	for filter, want := range map[string]bool{
		"": true, "API": true, "!api": false, "state:warn": true, "state:drain": true, "state:down": false, "!state:down": true,
		"site:osaka pool:api host:osaka-b lane:pool": true, "site:tokyo": false, "mina !kenji": true, "drain": true, "nosuch:thing": false, "!": true, ":": false,
	} {
		if got := page.ParseFilter(filter).Match(s); got != want {
			t.Errorf("filter %q matches: %t, want %t", filter, got, want)
		}
	}
}
