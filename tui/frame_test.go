package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// scene is a frame to be seen: a picture, and what a person did.
type scene struct {
	name    string
	picture func() *api.Status
	options func(*Options)
	do      func(*rig)
}

func press(names ...string) func(*rig) { return func(r *rig) { r.press(names...) } }

// selectBackend goes to a backend by the palette's words.
func selectBackend(r *rig, name string) { r.a.goTo(id.To(id.KindBackend, name)) }

// scenes are every page, every dialog and every state of the console.
func scenes() []scene {
	return []scene{
		{name: "overview"},
		{name: "overview-well", picture: fixture.Well},
		{name: "overview-sites", do: press("tab", "down")},
		{name: "pools", do: press("2")},
		{name: "pools-open", do: press("2", "enter", "down")},
		{name: "pools-staged", do: press("2", "enter", "+", "-", "-", "-", "down", "-", "-", "-", "-", "-")},
		{name: "backends", do: press("3")},
		{name: "backends-marked", do: press("3", "down", "space", "space", "-")},
		{name: "drills", do: press("4")},
		{name: "drills-never", do: press("4", "down")},
		{name: "drills-live", picture: fixture.Drilling, do: press("4")},
		{name: "drills-failed", picture: fixture.Failed, do: press("4")},
		{name: "events", do: press("5")},
		{name: "events-cause", do: press("5", "down", "down", "down")},
		{name: "faults", do: press("6")},
		{name: "abort", picture: fixture.Drilling, do: press("2", "X")},
		{name: "help", do: press("?")},
		{name: "help-search", do: func(r *rig) { r.press("3", "?", "/"); r.typed("drain") }},
		{name: "explain", do: press("3", "e")},
		{name: "palette", do: func(r *rig) { r.press(":"); r.typed("frc dn shop") }},
		{name: "palette-wrong", do: func(r *rig) { r.press(":"); r.typed("drain everything"); r.press("enter") }},
		{name: "plan-drain", do: func(r *rig) { selectBackend(r, "mail-frankfurt-1"); r.press("D") }},
		{name: "plan-kill", do: func(r *rig) { selectBackend(r, "shop-tokyo-1"); r.press("K"); r.typed("shop-tok") }},
		{name: "plan-weights", do: press("2", "enter", "down", "-", "-", "-", "A")},
		{name: "plan-drill", do: func(r *rig) {
			calm := fixture.Well()
			r.see(calm)
			r.press("4", "R")
			r.typed("lose-backend")
		}},
		{name: "plan-void", do: func(r *rig) {
			selectBackend(r, "mail-frankfurt-1")
			r.press("D")
			next := fixture.Picture()
			b, _ := next.Backend("mail-frankfurt-2")
			b.Phase, b.State = api.PhaseOut, api.StateDown
			r.see(next)
		}},
		{name: "filter", do: func(r *rig) { r.press("3", "/"); r.typed("site:osaka !mail") }},
		{name: "filter-none", do: func(r *rig) { r.press("3", "/"); r.typed("nothing-like-it"); r.press("enter") }},
		{name: "past", do: func(r *rig) { later(r); r.press("<") }},
		{name: "paused", do: press("p")},
		{name: "stale", do: func(r *rig) { r.clock = r.clock.Add(14 * time.Second); r.send(tickMsg(r.clock)) }},
		{name: "lost", do: func(r *rig) {
			r.send(feed.Lost{Err: errors.New("dial: connection refused"), Conn: 0})
			r.clock = r.clock.Add(4 * time.Second)
			r.send(tickMsg(r.clock))
		}},
		{name: "acted", do: func(r *rig) {
			selectBackend(r, "mail-frankfurt-1")
			r.press("D", "shift+tab")
			r.run(r.press("enter"))
		}},
		{name: "read-only", options: func(o *Options) { o.ReadOnly = true }, do: press("3", "D")},
		{name: "empty", picture: fixture.Empty},
		{name: "agents", picture: fixture.Broken},
		{name: "agents-well", picture: fixture.Agents},
		{name: "agents-hosts", picture: fixture.Broken, do: press("7")},
		{name: "agents-alone", picture: fixture.Alone, do: press("2", "s", "D")},
		{name: "hostile", picture: fixture.Hostile},
		{name: "hostile-backends", picture: fixture.Hostile, do: press("3", "e")},
	}
}

// later brings a second picture a minute after the first.
func later(r *rig) {
	r.clock = r.clock.Add(time.Minute)
	next := fixture.Well()
	next.Seq, next.At = 43, r.clock
	r.see(next, api.Event{Seq: 43, At: r.clock, Subject: id.To(id.KindBackend, "shop-tokyo-3"), Lane: api.LanePool, State: api.StateOK, Text: "is back", Reason: "its probes pass", Cause: 42})
}

func (s scene) rig(t testing.TB, w, h int) *rig {
	t.Helper()
	picture := fixture.Picture
	if s.picture != nil {
		picture = s.picture
	}
	var change []func(*Options)
	if s.options != nil {
		change = append(change, s.options)
	}
	r := newRig(t, w, h, picture(), change...)
	if s.do != nil {
		s.do(r)
	}
	return r
}

// The sizes of the goldens: the least, a terminal's own, a laptop's, a screen's.
var sizes = [][2]int{{60, 20}, {80, 24}, {120, 36}, {200, 50}}

func TestFrames(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			var all strings.Builder
			for _, size := range sizes {
				r := s.rig(t, size[0], size[1])
				fmt.Fprintf(&all, "==== %dx%d\n%s\n", size[0], size[1], r.frame())
			}
			golden(t, s.name+".txt", all.String())
		})
	}
}

// TestFramesOfTinyTerminals: one honest line, and what needs a person.
func TestFramesOfTinyTerminals(t *testing.T) {
	var all strings.Builder
	for _, size := range [][2]int{{59, 14}, {40, 6}, {30, 2}, {12, 1}, {1, 1}} {
		r := newRig(t, size[0], size[1], fixture.Picture())
		fmt.Fprintf(&all, "==== %dx%d\n%s\n", size[0], size[1], r.frame())
		r.press("D") // no act on what is not seen
		if r.a.overlay != nil {
			t.Errorf("%v: a key that acts opened something on a strip", size)
		}
	}
	golden(t, "strip.txt", all.String())
}

func TestFrameBeforeTheFirstPicture(t *testing.T) {
	r := newRig(t, 80, 24, nil)
	waiting := r.frame()
	r.send(feed.Lost{Err: errors.New("no fleet runs from /x"), Conn: 0})
	golden(t, "waiting.txt", waiting+"\n====\n"+r.frame()+"\n")
	if cmd := r.press("q"); cmd == nil {
		t.Error("q does not quit while there is no picture")
	}
}

// TestThemesChangeNoText: meaning is never by colour alone.
func TestThemesChangeNoText(t *testing.T) {
	for _, s := range scenes() {
		var first string
		for _, p := range theme.Palettes() {
			r := s.rig(t, 120, 36)
			r.send(tea.WindowSizeMsg{Width: 120, Height: 36})
			r.a.retheme(p, false)
			text := r.frame()
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("%s: theme %s says another thing:\n%s", s.name, p, difference(first, text))
			}
		}
	}
}

// TestFrameOfEachTheme holds the colours themselves.
func TestFrameOfEachTheme(t *testing.T) {
	for _, p := range theme.Palettes() {
		r := newRig(t, 80, 24, fixture.Picture(), func(o *Options) { o.Theme = p })
		golden(t, "theme-"+string(p)+".txt", strings.ReplaceAll(r.a.View().Content, "\x1b", "␛")+"\n")
	}
}

func TestASCII(t *testing.T) {
	var all strings.Builder
	for _, s := range scenes() {
		r := s.rig(t, 120, 36)
		r.a.retheme(theme.None, true)
		frame := r.frame()
		if i := strings.IndexFunc(frame, func(c rune) bool { return c > 0x7e }); i >= 0 {
			t.Errorf("%s: --ascii lets %q through", s.name, []rune(frame[i:])[0])
		}
		if s.name == "overview" || s.name == "plan-kill" || s.name == "drills-live" {
			fmt.Fprintf(&all, "==== %s\n%s\n", s.name, frame)
		}
	}
	golden(t, "ascii.txt", all.String())
}
