package tui

import (
	"reflect"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

func TestNoKeyTwiceInAScope(t *testing.T) {
	seen := map[string]string{}
	for _, b := range keys.Table() {
		for _, k := range b.Keys {
			at := string(b.Scope) + " " + k
			if other, ok := seen[at]; ok {
				t.Errorf("%s is both %q and %q", at, other, b.Words)
			}
			seen[at] = b.Words
		}
		if b.Show == "" || b.Words == "" || b.Help == "" || strings.HasSuffix(b.Help, ".") {
			t.Errorf("%v lacks its words, or its help ends in a full stop", b.Keys)
		}
	}
}

// TestCapitalsActAndLowerCaseLooks holds the one rule of the table.
func TestCapitalsActAndLowerCaseLooks(t *testing.T) {
	for _, b := range keys.Table() {
		for _, k := range b.Keys {
			capital := len(k) == 1 && k[0] >= 'A' && k[0] <= 'Z'
			if b.Mutates && !capital {
				t.Errorf("%s (%s) acts and is no capital", k, b.Words)
			}
			if capital && !b.Mutates && b.Action != keys.Last {
				t.Errorf("%s (%s) is a capital and does not act", k, b.Words)
			}
		}
	}
}

// situation is where a key can mean something.
type situation struct {
	scope   keys.Scope
	picture func() *api.Status
	where   func(*rig)
}

func situations() map[keys.Scope]situation {
	at := func(do ...string) func(*rig) { return func(r *rig) { r.press(do...) } }
	return map[keys.Scope]situation{
		keys.Global:    {keys.Global, fixture.Picture, at("3", "2")},
		keys.Rows:      {keys.Rows, fixture.Picture, at("3", "down", "down")},
		keys.Pools:     {keys.Pools, fixture.Picture, at("2")},
		keys.Staging:   {keys.Staging, fixture.Picture, at("3", "down", "down", "-")},
		keys.OnBackend: {keys.OnBackend, fixture.Picture, at("3", "down", "down")},
		keys.OnFault:   {keys.OnFault, fixture.Picture, at("6", "tab")},
		keys.OnDrill:   {keys.OnDrill, fixture.Well, at("4")},
		keys.Drilling:  {keys.Drilling, fixture.Drilling, at("3")},
	}
}

// TestEveryKeyDoesSomething: each key of the table changes the frame, opens
// something, or asks for something, where its scope holds.
func TestEveryKeyDoesSomething(t *testing.T) {
	on := situations()
	for _, b := range keys.Table() {
		if b.Scope == keys.OnHost {
			continue // no page selects a host yet; the palette's drain host/NAME does
		}
		s, ok := on[b.Scope]
		if !ok {
			t.Errorf("scope %q has no situation in this test", b.Scope)
			continue
		}
		for _, k := range b.Keys {
			if b.Action == keys.Screen && (k > "6" || k == "2") {
				continue // pages to come, and the page that is there
			}
			r := newRig(t, 120, 30, s.picture())
			s.where(r)
			prepare(r, b)
			if found, ok := keys.Find(k, r.a.scopes()); !ok || found.Words != b.Words {
				t.Errorf("%s (%s, %s) is not found where it should hold; it is %q", k, b.Words, b.Scope, found.Words)
				continue
			}
			before, overlay, paused, at, order := r.frame(), r.a.overlay, r.a.paused, r.a.at, r.a.history
			cmd := r.press(k)
			same := r.frame() == before && reflect.TypeOf(r.a.overlay) == reflect.TypeOf(overlay) && r.a.paused == paused && r.a.at == at && len(r.a.history) == len(order)
			if same && cmd == nil {
				t.Errorf("%s (%s, %s) does nothing", k, b.Words, b.Scope)
			}
			if strings.HasPrefix(r.a.note.text, b.Show+" "+b.Words+":") {
				t.Errorf("%s (%s, %s) is refused where it should work:\n%s", k, b.Words, b.Scope, r.frame())
			}
		}
	}
}

// prepare makes the one thing true that a key needs.
func prepare(r *rig, b keys.Binding) {
	change := func(f func(*api.Backend)) {
		next := fixture.Picture()
		be, _ := next.Backend(r.a.target().Name)
		f(be)
		r.see(next)
	}
	switch b.Action {
	case keys.HistFwd:
		r.press("[")
	case keys.Earlier:
		later(r)
	case keys.Later:
		later(r)
		r.press("<")
	case keys.Last, keys.PageDown:
		r.press("g")
	case keys.First, keys.PageUp:
		r.press("end")
	case keys.Reverse:
		r.press("s")
	case keys.Back:
		r.press("2", "enter")
	case keys.Pane, keys.PaneBack:
		r.press("2")
	case keys.Undo:
		r.press("3", "down", "down", "down", "D", "shift+tab")
		r.run(r.press("enter"))
	}
	switch b.Words {
	case "end drain":
		change(func(be *api.Backend) { be.Asked.Drain = true })
	case "to probes":
		change(func(be *api.Backend) { be.Asked.Forced = api.Down })
	case "force up", "force down":
		change(func(be *api.Backend) { be.Asked.Forced = "" })
	case "clear fault":
		if b.Scope == keys.OnBackend {
			r.press("g")
		}
	}
}

// TestTypeAheadStaysInTheDialog: keys typed before a dialog is seen go into it,
// and never to the page below.
func TestTypeAheadStaysInTheDialog(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	selectBackend(r, "mail-frankfurt-1")
	for _, k := range []string{"K", "G", "j", "D", "q", "2", "enter"} { // in one go, as a paste without brackets would come
		r.press(k)
	}
	if r.a.overlay == nil {
		t.Fatal("the dialog closed")
	}
	if r.a.at != 2 || r.a.target().Name != "mail-frankfurt-1" || len(r.client.requests) > 0 {
		t.Errorf("keys reached the page: page %d, %s selected, %d requests", r.a.at, r.a.target(), len(r.client.requests))
	}
}

func TestCapitalsSayWhyTheyDoNothing(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Well())
	r.press("2", "K")
	r.has("kill: only on a backend")
	r.press("3", "C")
	r.has("C clear fault:", "there is no such fault")
}

func TestUndoOfNothing(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("Z")
	r.has("nothing to take back")
}

func TestHelpRunsAKey(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("?", "/")
	r.typed("go to the next problem")
	r.press("enter")
	if r.a.overlay != nil || r.a.at != 2 && r.a.at != 1 {
		t.Errorf("help did not run the key: overlay %v, page %d", r.a.overlay, r.a.at)
	}
}

func TestHelpListsEveryKeyThatHolds(t *testing.T) {
	r := newRig(t, 200, 80, fixture.Picture())
	r.press("3", "?")
	frame := r.frame()
	for _, b := range keys.In(r.a.scopes()) {
		if !strings.Contains(frame, b.Words) {
			t.Errorf("help lacks %s", b.Words)
		}
	}
}

func TestNextProblemWalksThemAll(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	seen := map[id.Ref]bool{}
	for range r.a.x.Status.Problems {
		r.press("!")
		seen[r.a.target()] = true
	}
	for _, p := range r.a.x.Status.Problems {
		if !seen[p.Subject] {
			t.Errorf("! did not go to %s", p.Subject)
		}
	}
}

func TestHistory(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("2", "5", "3", "[", "[")
	if r.a.at != 1 {
		t.Errorf("[ [ goes to page %d, want pools", r.a.at+1)
	}
	r.press("]")
	if r.a.at != 4 {
		t.Errorf("] goes to page %d, want events", r.a.at+1)
	}
	r.press("`")
	if r.a.at != 1 {
		t.Errorf("` goes to page %d, want pools", r.a.at+1)
	}
}

func TestCopyAsCommand(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("3", "down", "down", "-", "c")
	r.has("copied: holdfast weight backend/api-frankfurt-1=90")
	r.press("u", "c")
	r.has("copied: holdfast get backends")
	r.press("y")
	r.has("copied: backend/api-frankfurt-1")
}

func TestMouse(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture(), func(o *Options) { o.Mouse = true })
	if r.a.View().MouseMode == tea.MouseModeNone {
		t.Error("the mouse was asked for and is not taken")
	}
	click := func(text string) {
		for y, l := range strings.Split(r.frame(), "\n") {
			if i := strings.Index(l, text); i >= 0 {
				r.send(tea.MouseClickMsg{X: len([]rune(l[:i])), Y: y, Button: tea.MouseLeft})
				return
			}
		}
		t.Fatalf("%q is not seen", text)
	}
	click("Backends")
	if r.a.at != 2 {
		t.Errorf("a click on a tab goes to page %d", r.a.at+1)
	}
	click("api-osaka-3")
	if r.a.target().Name != "api-osaka-3" {
		t.Errorf("a click on a row selects %s", r.a.target())
	}
	before := r.a.target()
	r.send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	if r.a.target() == before {
		t.Error("the wheel moves nothing")
	}
	click("K kill")
	if r.a.overlay != nil {
		t.Error("the mouse pressed a key that acts")
	}
	r.press("K")
	click("Kill")
	if r.a.overlay == nil || len(r.client.requests) > 0 {
		t.Error("the mouse pressed the acting button of a dialog")
	}
	if off := newRig(t, 80, 24, fixture.Picture()); off.a.View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse is taken unasked: text cannot be selected")
	}
}

func TestFilter(t *testing.T) {
	for filter, want := range map[string]string{
		"osaka-3 shop": "shop-osaka-3", "state:down": "shop-tokyo-3", "site:osaka pool:mail !-1 !-2": "mail-osaka-3", "host:tokyo-c shop": "shop-tokyo-3", "drain": "api-osaka-2",
	} {
		r := newRig(t, 120, 36, fixture.Picture())
		r.press("3", "/")
		r.typed(filter)
		r.press("enter")
		r.has("BACKENDS  1 of 27", want)
		r.press("esc")
		r.has("BACKENDS  27")
	}
	r := newRig(t, 120, 36, fixture.Picture())
	r.press("3", "/")
	r.send(tea.PasteMsg{Content: "shop-osaka\x1b[2J"})
	r.has("shop-osaka[2J")
	if strings.Contains(r.a.View().Content, "\x1b[2J") {
		t.Error("a paste brought an escape sequence in")
	}
}
