package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// fleet is a picture with two pools: a has two backends that serve, b one that
// serves and one that is forced up though its probes fail.
func fleet() *api.Status {
	backend := func(name, pool, host string) api.Backend {
		return api.Backend{
			Name: name, Pool: pool, Host: host, Weight: 100, PID: 4711, Phase: api.PhaseServing,
			Health: api.Combine(api.Up, ""), Asked: api.Asked{Weight: 100},
		}
	}
	s := &api.Status{
		Fleet:     "shop",
		Sites:     []api.Site{{Name: "tokyo"}},
		Hosts:     []api.Host{{Name: "h-1"}, {Name: "h-2"}, {Name: "h-3"}},
		Listeners: []api.Listener{{Name: "web"}},
		Pools:     []api.Pool{{Name: "a"}, {Name: "b"}},
		Clients:   []api.Clients{{Name: "users"}},
		Drills:    []api.Drill{{Name: "freeze", Phase: api.DrillPassed}, {Name: "lose", Phase: api.DrillIdle}},
		Backends:  []api.Backend{backend("a-1", "a", "h-1"), backend("a-2", "a", "h-2"), backend("b-1", "b", "h-1"), backend("b-2", "b", "h-2")},
	}
	b2 := &s.Backends[3]
	b2.Phase, b2.Health, b2.Asked.Forced = api.PhaseOut, api.Combine(api.Down, ""), ""
	return s
}

func backendRef(name string) id.Ref { return id.To(id.KindBackend, name) }

// Every command against a picture: why it would be refused, or nothing.
func TestCheck(t *testing.T) {
	forced := func(s *api.Status) {
		s.Backends[3].Asked.Forced, s.Backends[3].Health, s.Backends[3].Phase = api.Up, api.Combine(api.Down, api.Up), api.PhaseServing
		s.Backends[2].Phase = api.PhaseOut
	}
	faulty := func(s *api.Status) {
		s.Faults = []api.Fault{{ID: "f1", Kind: api.FaultKill, Target: backendRef("a-1")}}
		s.Backends[0].PID = 0
	}
	standby := func(s *api.Status) {
		s.Backends[3].Phase, s.Backends[3].Backup, s.Backends[3].Health = api.PhaseStandby, true, api.Combine(api.Up, "")
	}
	drilling := func(s *api.Status) { s.Drills[1].Phase = api.DrillReverting }
	revised := func(s *api.Status) { s.Rev, s.RevFirst = 7, 3 }
	weights := func(pairs ...any) api.SetWeights {
		var c api.SetWeights
		for i := 0; i < len(pairs); i += 2 {
			c.Weights = append(c.Weights, api.Weight{Backend: pairs[i].(string), Weight: pairs[i+1].(int)})
		}
		return c
	}
	type no struct {
		reason  api.Reason
		target  string
		warning bool
		says    string
	}
	for _, c := range []struct {
		name   string
		change func(*api.Status)
		cmd    api.Command
		want   []no
	}{
		{"no weight", nil, weights(), []no{{api.ReasonNothingToDo, "", false, "at least one backend"}}},
		{"a weight", nil, weights("a-1", 50), nil},
		{"the same weight", nil, weights("a-1", 100), []no{{api.ReasonNothingToDo, "backend/a-1", false, "already"}}},
		{"one of two is the same", nil, weights("a-1", 100, "a-2", 1), nil},
		{"a weight of nobody", nil, weights("a-9", 50), []no{{api.ReasonNoSuchTarget, "backend/a-9", false, "holdfast get backends"}}},
		{"weights out of range", nil, weights("a-1", -1, "a-2", 101), []no{{api.ReasonOutOfRange, "backend/a-1", false, "weight -1; 0 to 100"}, {api.ReasonOutOfRange, "backend/a-2", false, "weight 101"}}},
		{"one backend twice", nil, weights("a-1", 5, "a-1", 6), []no{{api.ReasonOutOfRange, "backend/a-1", false, "it stands twice"}}},
		{"one to 0", nil, weights("a-1", 0), nil},
		{"all to 0", nil, weights("a-1", 0, "a-2", 0), []no{{api.ReasonLastServing, "pool/a", true, "no backend of the pool"}}},
		{"the last to 0", nil, weights("b-1", 0), []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"one that does not serve to 0", nil, weights("b-2", 0), nil},
		{"what was asked counts", func(s *api.Status) { s.Backends[0].Asked.Weight = 7 }, weights("a-1", 100), nil},

		{"drain", nil, api.Drain{Target: backendRef("a-1"), For: time.Minute}, nil},
		{"drain the last", nil, api.Drain{Target: backendRef("b-1")}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"drain a host", nil, api.Drain{Target: id.To(id.KindHost, "h-1")}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"drain a host without backends", nil, api.Drain{Target: id.To(id.KindHost, "h-3")}, []no{{api.ReasonNothingToDo, "host/h-3", false, "no backend runs on it"}}},
		{"drain twice", func(s *api.Status) { s.Backends[0].Asked.Drain = true }, api.Drain{Target: backendRef("a-1")}, []no{{api.ReasonNothingToDo, "backend/a-1", false, "drains already"}}},
		{"drain a pool", nil, api.Drain{Target: id.To(id.KindPool, "a")}, []no{{api.ReasonWrongKind, "pool/a", false, "a backend or a host"}}},
		{"drain nothing", nil, api.Drain{}, []no{{api.ReasonWrongKind, "", false, ""}}},
		{"drain nobody", nil, api.Drain{Target: backendRef("x")}, []no{{api.ReasonNoSuchTarget, "backend/x", false, ""}}},
		{"drain no host", nil, api.Drain{Target: id.To(id.KindHost, "x")}, []no{{api.ReasonNoSuchTarget, "host/x", false, "holdfast get hosts"}}},
		{"drain for a negative time", nil, api.Drain{Target: backendRef("a-1"), For: -1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "up to 24h"}}},
		{"drain for too long", nil, api.Drain{Target: backendRef("a-1"), For: api.DrainForMax + 1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, ""}}},

		{"undrain", func(s *api.Status) { s.Backends[0].Asked.Drain = true }, api.Undrain{Target: backendRef("a-1")}, nil},
		{"undrain a host of which one drains", func(s *api.Status) { s.Backends[0].Asked.Drain = true }, api.Undrain{Target: id.To(id.KindHost, "h-1")}, nil},
		{"undrain what does not", nil, api.Undrain{Target: backendRef("a-1")}, []no{{api.ReasonNothingToDo, "backend/a-1", false, "does not drain"}}},
		{"undrain nobody", nil, api.Undrain{Target: backendRef("x")}, []no{{api.ReasonNoSuchTarget, "backend/x", false, ""}}},

		{"force down", nil, api.Force{Backend: "a-1", Health: api.Down}, nil},
		{"drain the last beside a backup", standby, api.Drain{Target: backendRef("b-1")}, nil},
		{"drain the last and its backup", func(s *api.Status) { standby(s); s.Backends[3].Host = "h-1" }, api.Drain{Target: id.To(id.KindHost, "h-1")}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"drain a backup that stands by", standby, api.Drain{Target: backendRef("b-2")}, nil},
		{"force the last down beside a backup", standby, api.Force{Backend: "b-1", Health: api.Down}, nil},
		{"force the last down", nil, api.Force{Backend: "b-1", Health: api.Down}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"force up", nil, api.Force{Backend: "a-1", Health: api.Up}, nil},
		{"force a broken one up", nil, api.Force{Backend: "b-2", Health: api.Up}, []no{{api.ReasonNotSteady, "backend/b-2", true, "users would get their errors"}}},
		{"force again", forced, api.Force{Backend: "b-2", Health: api.Up}, []no{{api.ReasonNothingToDo, "backend/b-2", false, "forced up already"}}},
		{"force to unknown", nil, api.Force{Backend: "a-1", Health: api.Unknown}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "force up or down"}}},
		{"force to nothing", nil, api.Force{Backend: "a-1"}, []no{{api.ReasonOutOfRange, "backend/a-1", false, ""}}},
		{"force nobody", nil, api.Force{Backend: "x", Health: api.Up}, []no{{api.ReasonNoSuchTarget, "backend/x", false, ""}}},

		{"unforce", func(s *api.Status) { s.Backends[0].Asked.Forced = api.Down }, api.Unforce{Backend: "a-1"}, nil},
		{"unforce the last that serves by force", forced, api.Unforce{Backend: "b-2"}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"unforce what is not", nil, api.Unforce{Backend: "a-1"}, []no{{api.ReasonNothingToDo, "backend/a-1", false, "nobody forced it"}}},
		{"unforce nobody", nil, api.Unforce{Backend: "x"}, []no{{api.ReasonNoSuchTarget, "backend/x", false, ""}}},

		{"kill", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1")}, nil},
		{"kill the last", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("b-1")}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"slow a little", nil, api.InjectFault{Kind: api.FaultSlow, Target: backendRef("b-1"), Delay: 100 * time.Millisecond}, nil},
		{"slow much", nil, api.InjectFault{Kind: api.FaultSlow, Target: backendRef("b-1"), Delay: time.Second}, []no{{api.ReasonLastServing, "pool/b", true, ""}}},
		{"slow without a delay", nil, api.InjectFault{Kind: api.FaultSlow, Target: backendRef("a-1")}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "--delay 0s; more than 0"}}},
		{"slow backwards", nil, api.InjectFault{Kind: api.FaultSlow, Target: backendRef("a-1"), Delay: -1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, ""}}},
		{"slow for ever", nil, api.InjectFault{Kind: api.FaultSlow, Target: backendRef("a-1"), Delay: api.FaultDelayMax + 1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, ""}}},
		{"kill with a delay", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1"), Delay: 1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "slow only"}}},
		{"no fault", nil, api.InjectFault{Kind: "melt", Target: backendRef("a-1")}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "the faults are kill, freeze, slow, restart"}}},
		{"kill a host", nil, api.InjectFault{Kind: api.FaultKill, Target: id.To(id.KindHost, "h-1")}, []no{{api.ReasonWrongKind, "host/h-1", false, "into backends"}}},
		{"kill nobody", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("x")}, []no{{api.ReasonNoSuchTarget, "backend/x", false, ""}}},
		{"kill for a negative time", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1"), For: -1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, "up to 24h"}}},
		{"kill for too long", nil, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1"), For: api.FaultForMax + 1}, []no{{api.ReasonOutOfRange, "backend/a-1", false, ""}}},
		{"kill somebody else's", func(s *api.Status) { s.Backends[0].PID = 0 }, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1")}, []no{{api.ReasonNotOurs, "backend/a-1", false, ""}}},
		{"kill what is killed", faulty, api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1")}, []no{{api.ReasonFaultInForce, "backend/a-1", false, "holdfast fault clear"}}},

		{"clear a fault", faulty, api.ClearFault{ID: "f1"}, nil},
		{"clear all", faulty, api.ClearFault{}, nil},
		{"clear another", faulty, api.ClearFault{ID: "f2"}, []no{{api.ReasonNoSuchFault, "fault/f2", false, "holdfast fault list"}}},
		{"clear nothing", nil, api.ClearFault{}, []no{{api.ReasonNothingToDo, "", false, "no fault is in force"}}},

		{"drill", nil, api.StartDrill{Name: "lose"}, nil},
		{"drill again", nil, api.StartDrill{Name: "freeze"}, nil},
		{"drill nothing", nil, api.StartDrill{Name: "x"}, []no{{api.ReasonNoSuchTarget, "drill/x", false, "holdfast get drills"}}},
		{"drill beside another", drilling, api.StartDrill{Name: "freeze"}, []no{{api.ReasonDrillRunning, "drill/lose", false, ""}}},
		{"drill with a fault", faulty, api.StartDrill{Name: "lose"}, []no{{api.ReasonNotSteady, "drill/lose", false, "a fault is in force"}}},
		{"abort", drilling, api.AbortDrill{}, nil},
		{"abort nothing", nil, api.AbortDrill{}, []no{{api.ReasonNoDrillRunning, "", false, ""}}},

		{"apply", nil, api.Apply{Name: "f.yaml", Text: "fleet: a"}, nil},
		{"apply nothing", nil, api.Apply{Name: "f.yaml"}, []no{{api.ReasonSpecInvalid, "", false, "empty"}}},
		{"apply too much", nil, api.Apply{Name: "f.yaml", Text: strings.Repeat("x", api.SpecSizeMax+1)}, []no{{api.ReasonOutOfRange, "", false, "2097152 are the limit"}}},
		{"apply in a drill", drilling, api.Apply{Name: "f.yaml", Text: "fleet: a"}, []no{{api.ReasonDrillRunning, "drill/lose", false, ""}}},
		{"apply to what is in force", revised, api.Apply{Name: "f.yaml", Text: "fleet: a", Base: 7}, nil},
		{"apply to what was in force", revised, api.Apply{Name: "f.yaml", Text: "fleet: a", Base: 6}, []no{{api.ReasonOtherRevision, "", false, "made from revision 6, and 7 is in force"}}},
		{"go back", revised, api.Rollback{Rev: 6}, nil},
		{"go back to the oldest, from what is in force", revised, api.Rollback{Rev: 3, Base: 7}, nil},
		{"go back from what was in force", revised, api.Rollback{Rev: 5, Base: 6}, []no{{api.ReasonOtherRevision, "", false, ""}}},
		{"go back to where it is", revised, api.Rollback{Rev: 7}, []no{{api.ReasonNothingToDo, "", false, "revision 7 is in force"}}},
		{"go back to what is to come", revised, api.Rollback{Rev: 8}, []no{{api.ReasonNoSuchRevision, "", false, "revision 7 is in force"}}},
		{"go back to nothing", revised, api.Rollback{}, []no{{api.ReasonNoSuchRevision, "", false, ""}}},
		{"go back too far", revised, api.Rollback{Rev: 2}, []no{{api.ReasonNoSuchRevision, "", false, "those before 3 are not kept"}}},
		{"go back in a drill", func(s *api.Status) { revised(s); drilling(s) }, api.Rollback{Rev: 6}, []no{{api.ReasonDrillRunning, "drill/lose", false, ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fleet()
			if c.change != nil {
				c.change(s)
			}
			got := c.cmd.Check(s)
			if len(got) != len(c.want) {
				t.Fatalf("%v, want %v", got, c.want)
			}
			for i, w := range c.want {
				g := got[i]
				if g.Reason != w.reason || g.Target.String() != w.target || g.Warning != w.warning || !strings.Contains(g.Detail, w.says) {
					t.Errorf("refusal %d is %+v, want %+v", i, g, w)
				}
				if text := g.String(); !strings.Contains(text, g.Reason.Sentence()) || !strings.HasPrefix(text, w.target) {
					t.Errorf("it reads %q", text)
				}
			}
		})
	}
}

// What must be typed: the target's name when users would notice, and for what
// breaks or replaces things in production.
func TestConfirmation(t *testing.T) {
	for _, c := range []struct {
		name       string
		cmd        api.Command
		calm, prod string
	}{
		{"harmless", api.SetWeights{Weights: []api.Weight{{Backend: "a-1", Weight: 5}}}, "", ""},
		{"takes the last one", api.SetWeights{Weights: []api.Weight{{Backend: "b-1", Weight: 0}}}, "b-1", "b-1"},
		{"drains the last one", api.Drain{Target: id.To(id.KindHost, "h-1")}, "h-1", "h-1"},
		{"sends users to a broken one", api.Force{Backend: "b-2", Health: api.Up}, "b-2", "b-2"},
		{"breaks one", api.InjectFault{Kind: api.FaultKill, Target: backendRef("a-1")}, "", "a-1"},
		{"breaks the last one", api.InjectFault{Kind: api.FaultKill, Target: backendRef("b-1")}, "b-1", "b-1"},
		{"mends", api.ClearFault{}, "", ""},
		{"drills", api.StartDrill{Name: "lose"}, "", "lose"},
		{"aborts", api.AbortDrill{}, "", ""},
		{"applies", api.Apply{Text: "x"}, "", "shop"},
		{"goes back", api.Rollback{Rev: 1}, "", "shop"},
	} {
		s := fleet()
		if got := api.Confirmation(c.cmd, s); got != c.calm {
			t.Errorf("%s: %q must be typed, want %q", c.name, got, c.calm)
		}
		s.Production = true
		if got := api.Confirmation(c.cmd, s); got != c.prod {
			t.Errorf("%s in production: %q must be typed, want %q", c.name, got, c.prod)
		}
	}
}

func TestStops(t *testing.T) {
	warning, hard := api.Refusal{Reason: api.ReasonLastServing, Warning: true}, api.Refusal{Reason: api.ReasonBusy}
	for _, c := range []struct {
		all          []api.Refusal
		plain, typed bool
	}{
		{nil, false, false}, {[]api.Refusal{warning}, true, false}, {[]api.Refusal{hard}, true, true}, {[]api.Refusal{warning, hard}, true, true},
	} {
		if a, b := api.Stops(c.all, false), api.Stops(c.all, true); a != c.plain || b != c.typed {
			t.Errorf("%v stops %t, confirmed %t", c.all, a, b)
		}
	}
}

// Targets, verbs and words agree: the palette, the wire and the shell name the
// same thing.
func TestCommandsNameThemselves(t *testing.T) {
	verbs := map[string]bool{}
	for _, c := range commands() {
		if verbs[c.Verb()] {
			t.Errorf("two commands are called %s", c.Verb())
		}
		verbs[c.Verb()] = true
		first, _, _ := strings.Cut(c.Verb(), "-")
		if c.Words()[0] != first {
			t.Errorf("%s begins %q in a shell", c.Verb(), c.Words()[0])
		}
		line := api.Shell(c)
		for _, r := range c.Targets() {
			if !strings.Contains(line, r.Name) || !strings.Contains(c.Sentence(), r.Name) {
				t.Errorf("%s is not in %q or %q", r, line, c.Sentence())
			}
		}
	}
}

// What a person typed into a name never becomes a second command.
func TestShellQuotes(t *testing.T) {
	for name, want := range map[string]string{
		"lose-backend": "holdfast drill run lose-backend",
		"a b":          "holdfast drill run 'a b'",
		"x; rm -rf /":  "holdfast drill run 'x; rm -rf /'",
		"it's":         `holdfast drill run 'it'\''s'`,
		"$(reboot)":    "holdfast drill run '$(reboot)'",
		"":             "holdfast drill run ''",
		"a\nb":         "holdfast drill run 'a\nb'",
		"*":            "holdfast drill run '*'",
		"~root":        "holdfast drill run '~root'",
	} {
		if got := api.Shell(api.StartDrill{Name: name}); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestLookups(t *testing.T) {
	s := fleet()
	s.Faults = []api.Fault{{ID: "f1"}}
	for ref, want := range map[id.Ref]bool{
		id.To(id.KindFleet, "shop"): true, id.To(id.KindFleet, "x"): false, id.To(id.KindSite, "tokyo"): true, id.To(id.KindHost, "h-2"): true,
		id.To(id.KindListener, "web"): true, id.To(id.KindPool, "b"): true, id.To(id.KindBackend, "b-2"): true, id.To(id.KindBackend, "b"): false,
		id.To(id.KindClients, "users"): true, id.To(id.KindDrill, "lose"): true, id.To(id.KindDrill, "zzz"): false, id.To(id.KindFault, "f1"): true,
		id.To(id.KindFault, "f2"): false, {}: false, id.To("volume", "x"): false,
	} {
		if s.Exists(ref) != want {
			t.Errorf("%s exists: %t, want %t", ref, !want, want)
		}
	}
	for phase, want := range map[api.Phase]bool{
		api.PhaseServing: true, api.PhaseRising: true, api.PhaseStandby: false, api.PhaseDraining: false, api.PhaseDrained: false,
		api.PhaseEjected: false, api.PhaseOut: false, api.PhaseIdle: false, "new": false,
	} {
		if b := (&api.Backend{Phase: phase, Weight: 1}); b.Serves() != want {
			t.Errorf("phase %q serves: %t", phase, !want)
		}
	}
	if (&api.Backend{Phase: api.PhaseServing}).Serves() {
		t.Error("a backend of weight 0 serves")
	}
}

// States are ordered by how soon they want a person, and what is unknown is
// never taken for well.
func TestStates(t *testing.T) {
	order := []api.State{api.StateOK, api.StateUnknown, api.StateDegraded, api.StateDown}
	for i, a := range order {
		for j, b := range order {
			if want := order[max(i, j)]; api.Worst(a, b) != want {
				t.Errorf("the worse of %s and %s is %s, want %s", a, b, api.Worst(a, b), want)
			}
		}
	}
	if !slices.IsSortedFunc(order, func(a, b api.State) int { return a.Severity() - b.Severity() }) || api.State("new").Severity() != api.StateUnknown.Severity() {
		t.Error("the order of severities is another")
	}
	for _, c := range []struct{ measured, forced, effective api.Measure }{
		{api.Up, "", api.Up}, {api.Down, api.Up, api.Up}, {api.Up, api.Down, api.Down}, {api.Unknown, "", api.Unknown},
	} {
		if h := api.Combine(c.measured, c.forced); h.Effective != c.effective || h.Measured != c.measured || h.Forced != c.forced {
			t.Errorf("%+v gives %+v", c, h)
		}
	}
}
