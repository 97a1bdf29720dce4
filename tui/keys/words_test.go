package keys_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

// TestParseReadsWhatWordsWrites: the line that a plan shows is the command.
func TestParseReadsWhatWordsWrites(t *testing.T) {
	b := id.To(id.KindBackend, "shop-tokyo-1")
	for _, c := range []api.Command{
		api.SetWeights{Weights: []api.Weight{{Backend: "a", Weight: 0}, {Backend: "b", Weight: 100}}},
		api.Drain{Target: b},
		api.Drain{Target: id.To(id.KindHost, "tokyo-1"), For: 90 * time.Second},
		api.Undrain{Target: b},
		api.Force{Backend: b.Name, Health: api.Up},
		api.Force{Backend: b.Name, Health: api.Down},
		api.Unforce{Backend: b.Name},
		api.InjectFault{Kind: api.FaultKill, Target: b},
		api.InjectFault{Kind: api.FaultFreeze, Target: b, For: time.Minute},
		api.InjectFault{Kind: api.FaultSlow, Target: b, Delay: 500 * time.Millisecond},
		api.InjectFault{Kind: api.FaultRestart, Target: b},
		api.ClearFault{},
		api.ClearFault{ID: "f3"},
		api.StartDrill{Name: "lose-backend"},
		api.AbortDrill{},
		api.Rollback{Rev: 7},
		api.Rollback{Rev: 7, Base: 9},
	} {
		got, err := keys.Parse(c.Words())
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("Parse(%q) = %#v, %v; want %#v", c.Words(), got, err, c)
		}
	}
}

// TestEveryKeyOfATargetMakesACommandThatParses, so that what c copies is what
// the key does.
func TestEveryKeyOfATargetMakesACommandThatParses(t *testing.T) {
	s := fixture.Picture()
	for _, b := range keys.Table() {
		if b.Command == nil {
			continue
		}
		for _, on := range []id.Ref{id.To(id.KindBackend, "shop-tokyo-3"), id.To(id.KindFault, "f3"), id.To(id.KindDrill, "lose-backend"), id.To(id.KindHost, "tokyo-a")} {
			if scope, ok := keys.ScopeOf(on.Kind); !ok || scope != b.Scope && b.Scope != keys.Drilling {
				continue
			}
			c := b.Command(s, on)
			got, err := keys.Parse(c.Words())
			if err != nil || !reflect.DeepEqual(got, c) {
				t.Errorf("%s on %s: Parse(%q) = %#v, %v; want %#v", b.Show, on, c.Words(), got, err, c)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("drain", "backend/a", "--for", "1m")
	f.Add("weight", "a=1", "b=2", "")
	f.Add("fault", "slow", "a", "--delay=5s")
	f.Fuzz(func(_ *testing.T, a, b, c, d string) {
		if cmd, err := keys.Parse([]string{a, b, c, d}); err == nil {
			_ = cmd.Check(fixture.Empty())
		}
		_, _ = keys.Parse([]string{a, b})
	})
}
