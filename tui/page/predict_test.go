package page_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/page"
)

func TestSharesFollowWeights(t *testing.T) {
	s := fixture.Well()
	shares, serving, ok := page.Shares(s, "shop-tokyo", page.Change{Weights: map[string]int{"shop-tokyo-1": 50, "shop-tokyo-2": 0}})
	if !ok || serving != 2 || shares["shop-tokyo-1"] != 50.0/150 || shares["shop-tokyo-2"] != 0 || shares["shop-tokyo-3"] != 100.0/150 {
		t.Errorf("shares %v, %d serve, ok %t", shares, serving, ok)
	}
}

// TestBackupsServeWhenNobodyElseDoes: a plan must not say that users get errors
// when a backup would answer.
func TestBackupsServeWhenNobodyElseDoes(t *testing.T) {
	s := fixture.Well()
	spare, _ := s.Backend("shop-tokyo-3")
	spare.Backup, spare.Phase = true, api.PhaseStandby
	if shares, serving, _ := page.Shares(s, "shop-tokyo", page.Change{}); serving != 2 || shares["shop-tokyo-3"] != 0 {
		t.Errorf("a backup that is not needed gets %v of the flows; %d serve", shares["shop-tokyo-3"], serving)
	}
	gone := map[string]bool{"shop-tokyo-1": true, "shop-tokyo-2": true}
	if shares, serving, ok := page.Shares(s, "shop-tokyo", page.Change{Gone: gone}); !ok || serving != 1 || shares["shop-tokyo-3"] != 1 {
		t.Errorf("with all others gone the backup gets %v; %d serve, ok %t", shares["shop-tokyo-3"], serving, ok)
	}
	gone["shop-tokyo-3"] = true
	if _, _, ok := page.Shares(s, "shop-tokyo", page.Change{Gone: gone}); ok {
		t.Error("somebody would serve of nobody")
	}
}

func TestEffectOfCommands(t *testing.T) {
	s := fixture.Picture()
	backend := func(n string) id.Ref { return id.To(id.KindBackend, n) }
	for _, c := range []struct {
		command    api.Command
		gone, join []string
	}{
		{api.Drain{Target: backend("shop-osaka-1")}, []string{"shop-osaka-1"}, nil},
		{api.Drain{Target: id.To(id.KindHost, "osaka-a")}, []string{"api-osaka-1", "mail-osaka-1", "shop-osaka-1"}, nil},
		{api.Undrain{Target: backend("api-osaka-2")}, nil, []string{"api-osaka-2"}},
		{api.Undrain{Target: backend("shop-tokyo-3")}, nil, nil}, // it is down: the end of a drain brings nothing back
		{api.Force{Backend: "shop-osaka-1", Health: api.Down}, []string{"shop-osaka-1"}, nil},
		{api.Force{Backend: "shop-tokyo-3", Health: api.Up}, nil, []string{"shop-tokyo-3"}},
		{api.InjectFault{Kind: api.FaultKill, Target: backend("shop-osaka-1")}, []string{"shop-osaka-1"}, nil},
		{api.InjectFault{Kind: api.FaultSlow, Target: backend("shop-osaka-1")}, nil, nil},
		{api.StartDrill{Name: "lose-backend"}, nil, nil},
	} {
		got := page.Effect(c.command, s)
		for _, want := range c.gone {
			if !got.Gone[want] {
				t.Errorf("%s: %s should go", c.command.Sentence(), want)
			}
		}
		for _, want := range c.join {
			if !got.Join[want] {
				t.Errorf("%s: %s should join", c.command.Sentence(), want)
			}
		}
		if len(got.Gone) != len(c.gone) || len(got.Join) != len(c.join) {
			t.Errorf("%s: goes %v, joins %v", c.command.Sentence(), got.Gone, got.Join)
		}
	}
}
