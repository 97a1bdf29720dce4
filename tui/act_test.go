package tui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

// TestConfirmationIsTyped: in production a kill is locked until its name is
// typed, by hand.
func TestConfirmationIsTyped(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	selectBackend(r, "mail-frankfurt-1")
	r.press("K")
	r.has("KILL mail-frankfurt-1", "PROD", "Cancel", "locked until it matches", "holdfast fault kill backend/mail-frankfurt-1")
	r.press("enter")
	if r.a.overlay != nil || len(r.client.requests) > 0 {
		t.Fatal("enter on a new dialog did not cancel")
	}
	r.press("K")
	r.send(tea.PasteMsg{Content: "mail-frankfurt-1"})
	r.run(r.press("tab", "tab", "tab", "enter"))
	if len(r.client.requests) > 0 {
		t.Fatal("a pasted name confirmed")
	}
	r.press("esc", "K")
	r.typed("mail-frankfurt-2")
	r.run(r.press("enter"))
	if len(r.client.requests) > 0 || r.a.overlay == nil {
		t.Fatal("another name confirmed")
	}
	r.press("backspace")
	r.typed("1")
	r.run(r.press("enter"))
	if len(r.client.requests) != 1 {
		t.Fatalf("%d requests after the name was typed, want 1", len(r.client.requests))
	}
	req := r.client.requests[0]
	want := api.InjectFault{Kind: api.FaultKill, Target: id.To(id.KindBackend, "mail-frankfurt-1")}
	if req.Command != want || req.Confirm != "mail-frankfurt-1" || req.By.Name != "mina" || req.By.From != "console" {
		t.Errorf("asked %+v", req)
	}
}

// TestPlanIsVoidWhenThePictureChanges: nobody confirms what is not so any more.
func TestPlanIsVoidWhenThePictureChanges(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	selectBackend(r, "mail-frankfurt-1")
	r.press("K")
	r.typed("mail-frankfurt-1")
	same := fixture.Picture()
	b, _ := same.Backend("mail-frankfurt-1")
	b.Traffic.Requests, b.Traffic.Active = 9, 3 // rates move all the time
	r.see(same)
	r.lacks("plan void")
	changed := fixture.Picture()
	b, _ = changed.Backend("mail-frankfurt-2")
	b.Phase, b.State = api.PhaseOut, api.StateDown
	r.see(changed)
	r.has("plan void", "serve in mail-frankfurt 3 of 3 → 2 of 3")
	r.run(r.press("enter"))
	if len(r.client.requests) > 0 {
		t.Error("a void plan was asked for")
	}
}

func TestReasonGoesWithTheAct(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	selectBackend(r, "mail-frankfurt-1")
	r.press("D", "tab")
	r.typed("new kernel")
	r.send(tea.PasteMsg{Content: ", ticket '7'"}) // a reason may be pasted
	r.has(`--why 'new kernel, ticket '\''7'\'''`)
	r.press("tab")
	r.run(r.press("enter"))
	if len(r.client.requests) != 1 || r.client.requests[0].Why != "new kernel, ticket '7'" {
		t.Fatalf("asked %+v", r.client.requests)
	}
	r.has("✓ done", "Z takes it back")
}

func TestWeightsAreStagedAndAppliedTogether(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("2", "enter", "down", "space", "space") // marks shop-tokyo-1 and -2
	r.press("-", "-", "_")
	if len(r.client.requests) > 0 {
		t.Fatal("staging asked for something")
	}
	r.has("STAGED  2 here, nothing applied yet", "weight 100 → 79")
	r.press("A", "shift+tab")
	r.run(r.press("enter"))
	want := api.SetWeights{Weights: []api.Weight{{Backend: "shop-tokyo-1", Weight: 79}, {Backend: "shop-tokyo-2", Weight: 79}}}
	if len(r.client.requests) != 1 {
		t.Fatalf("%d requests", len(r.client.requests))
	}
	if got, ok := r.client.requests[0].Command.(api.SetWeights); !ok || len(got.Weights) != 2 || got.Weights[0] != want.Weights[0] || got.Weights[1] != want.Weights[1] {
		t.Errorf("asked %+v", r.client.requests[0].Command)
	}
	r.lacks("STAGED")
	after := fixture.Picture()
	for _, n := range []string{"shop-tokyo-1", "shop-tokyo-2"} {
		b, _ := after.Backend(n)
		b.Weight, b.Asked.Weight = 79, 79
	}
	r.see(after)
	r.run(r.press("Z"))
	back, ok := r.client.requests[len(r.client.requests)-1].Command.(api.SetWeights)
	if !ok || len(back.Weights) != 2 || back.Weights[0].Weight != 100 {
		t.Errorf("Z asked %+v", r.client.requests[len(r.client.requests)-1].Command)
	}
}

func TestAbortIsXThenYFromEveryPage(t *testing.T) {
	for _, page := range []string{"1", "2", "3", "4", "5", "6"} {
		r := newRig(t, 120, 36, fixture.Drilling())
		r.press(page)
		r.has("DRILL T+00:08 · X aborts")
		r.press("X")
		r.has("ABORT", "the fault is reverted")
		r.run(r.press("y"))
		if len(r.client.requests) != 1 || r.client.requests[0].Command != (api.AbortDrill{}) {
			t.Errorf("page %s: X y asked %+v", page, r.client.requests)
		}
		r.press("X")
		r.run(r.press("n"))
		if len(r.client.requests) != 1 || r.a.overlay != nil {
			t.Errorf("page %s: another key than y aborted", page)
		}
	}
}

func TestActsAreOffInThePastAndReadOnly(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	later(r)
	r.press("3", "<")
	r.has("PAUSED", "the past", "acts are off", "shop-tokyo-3")
	for _, k := range []string{"D", "K", "Z"} {
		r.press(k)
		if r.a.overlay != nil {
			t.Errorf("%s opened a plan on the past", k)
		}
	}
	r.has("this is the past")
	r.press(":")
	r.typed("drain backend/api-tokyo-1")
	r.press("enter")
	if r.a.overlay != nil {
		t.Error("the palette opened a plan on the past")
	}
	r.press(">", ">")
	r.lacks("PAUSED")

	r = newRig(t, 120, 36, fixture.Picture(), func(o *Options) { o.ReadOnly = true })
	r.press("3", "-")
	if len(r.a.x.Staged) > 0 {
		t.Error("a read-only session staged a weight")
	}
	for _, b := range keys.Table() {
		if b.Mutates {
			r.press(b.Keys[0])
		}
	}
	if r.a.overlay != nil || len(r.client.requests) > 0 {
		t.Error("a read-only session may act")
	}
	r.has("RO", "this session may only look")
}

func TestPalette(t *testing.T) {
	line := func(s string) *rig {
		r := newRig(t, 120, 36, fixture.Picture())
		r.press(":")
		r.typed(s)
		r.press("enter")
		return r
	}
	line("drain backend/api-tokyo-1 --for 2m").has("DRAIN api-tokyo-1", "--for 2m0s")
	line("weight backend/api-tokyo-1=40 backend/api-tokyo-2=60").has("SET WEIGHT 2 backends", "weight 100 → 40")
	line("holdfast fault slow backend/api-tokyo-1 --delay 200ms").has("SLOW api-tokyo-1")
	line("drain api-tokyo-1x").has("▲")
	line("nonsense").has("not known here")
	line("pool mail-osaka").has("pools › mail-osaka")
	line("explain backend/shop-tokyo-3").has("WHY backend/shop-tokyo-3", "WHAT LED HERE")
	line("filter state:down").has("filter state:down")
	line("force down backend/shop-tokyo-3").has("FORCE DOWN shop-tokyo-3")
	line("at noon").has("write a time of day")
	line("at -1h").has("PAUSED", "the oldest picture that is kept")
	line("at 12:04:31").has("PAUSED", "the past")
	if r := line("backends"); r.a.at != 2 {
		t.Error(":backends does not go there")
	}
	if r := line("theme light"); r.a.theme.Palette != "light" {
		t.Error(":theme light does nothing")
	}
	r := line("ro")
	r.press("3", "D")
	if r.a.overlay != nil {
		t.Error(":ro does not hold")
	}
	r = newRig(t, 120, 36, fixture.Picture())
	r.press(":")
	r.typed("drn be shop-tok")
	r.press("tab")
	r.has(":drain backend/shop-tokyo-1")
}

// TestAnswers: what the fleet says to an act is said in words.
func TestAnswers(t *testing.T) {
	ask := func(receipt api.Receipt, err error) *rig {
		r := newRig(t, 160, 36, fixture.Picture())
		r.client.receipt, r.client.err = receipt, err
		selectBackend(r, "mail-frankfurt-1")
		r.press("D", "shift+tab")
		r.run(r.press("enter"))
		return r
	}
	ask(api.Receipt{}, errors.New("the fleet is gone")).has("✗ drain backend/mail-frankfurt-1: the fleet is gone")
	ask(api.Receipt{}, context.DeadlineExceeded).has("no answer in 10s", "look whether it happened")
	ask(api.Receipt{Refusals: []api.Refusal{{Reason: api.ReasonBusy}}}, nil).has("▲ refused", api.ReasonBusy.Sentence())
	r := ask(api.Receipt{ID: "r9", OK: true, Done: "it drains"}, nil)
	r.has("✓ it drains")
	r.clock = r.clock.Add(undoFor + time.Second)
	r.see(fixture.Picture())
	r.lacks("Z takes it back", "✓ it drains")
	r.see(fixture.Picture(), api.Event{Seq: 99, At: r.clock, Subject: id.To(id.KindBackend, "mail-frankfurt-1"), Lane: api.LanePool, State: api.StateOK, Text: "is empty", Reason: "no flow is left", Receipt: "r9"})
	r.has("backend/mail-frankfurt-1 is empty because no flow is left")
}

// TestFleetGoesAndComesBack: what is old is called old, and acts are off until
// it is new again.
func TestFleetGoesAndComesBack(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.has("live 0.0 s")
	conn := r.a.line.Conn
	if cmd := r.send(feed.Lost{Err: errors.New("connection refused"), Conn: conn}); cmd == nil {
		t.Error("the console does not try again")
	}
	r.clock = r.clock.Add(7 * time.Second)
	r.send(tickMsg(r.clock))
	r.has("STALE 7 s")
	r.press("3", "D")
	if r.a.overlay != nil {
		t.Error("an act on a fleet that does not answer")
	}
	r.has("the fleet does not answer")
	r.send(feed.Updated{Update: api.Update{Status: fixture.Well()}, Conn: conn}) // late, of the connection that is lost
	r.has("STALE")
	if cmd := r.send(feed.Retry{}); cmd == nil {
		t.Error("the console does not connect again")
	}
	fresh := fixture.Well()
	fresh.Started = fixture.At.Add(5 * time.Second)
	fresh.Seq = 2
	r.see(fresh, api.Event{Seq: 1, At: fresh.Started, Subject: id.To(id.KindFleet, "edge"), Lane: api.LaneFleet, State: api.StateOK, Text: "started anew"})
	r.lacks("STALE")
	r.press("1")
	r.has("live 0.0 s", "started anew")
	if strings.Contains(r.frame(), "fault kill asked for") {
		t.Error("events of the fleet's earlier life are still counted")
	}
}
