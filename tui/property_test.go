package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// pictures are fleets of every size and temper.
func pictures() map[string]*api.Status {
	return map[string]*api.Status{
		"empty": fixture.Empty(), "small": fixture.Picture(), "well": fixture.Well(), "drilling": fixture.Drilling(), "failed": fixture.Failed(),
		"hostile": fixture.Hostile(), "long": fixture.Long(3), "huge": fixture.Of(112), "huge and long": fixture.Long(112),
	}
}

// checkFrame holds what is true of every frame: exactly the rows, none wider
// than the columns, and nothing that a terminal would obey but colours.
func checkFrame(t interface {
	Helper()
	Fatalf(string, ...any)
}, content string, w, h int, what string,
) {
	t.Helper()
	lines := strings.Split(content, "\n")
	if len(lines) != h {
		t.Fatalf("%s at %dx%d: %d lines", what, w, h, len(lines))
	}
	for y, l := range lines {
		if n := ansi.StringWidth(l); n > w {
			t.Fatalf("%s at %dx%d: line %d is %d wide: %q", what, w, h, y, n, ansi.Strip(l))
		}
		for rest := l; ; {
			i := strings.IndexFunc(rest, func(r rune) bool { return r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 })
			if i < 0 {
				break
			}
			end := strings.IndexByte(rest[i:], 'm')
			if !strings.HasPrefix(rest[i:], "\x1b[") || end < 0 || strings.Trim(rest[i+2:i+end], "0123456789;") != "" {
				t.Fatalf("%s at %dx%d: line %d sends %q to the terminal", what, w, h, y, rest[i:min(len(rest), i+12)])
			}
			rest = rest[i+end+1:]
		}
	}
}

// TestEveryFrameFits: for every size, picture and sequence of keys.
func TestEveryFrameFits(t *testing.T) {
	all := pictures()
	names := []string{"empty", "small", "well", "drilling", "failed", "hostile", "long", "huge", "huge and long"}
	var presses []string
	for _, b := range keys.Table() {
		presses = append(presses, b.Keys...)
	}
	presses = append(presses, "x", "w", "left", "right", "delete", "ctrl+w", "ctrl+k", "ctrl+y")
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "picture")
		w, h := rapid.IntRange(60, 300).Draw(rt, "w"), rapid.IntRange(15, 80).Draw(rt, "h")
		r := newRig(t, w, h, all[name], func(o *Options) { o.Theme = rapid.SampledFrom(theme.Palettes()).Draw(rt, "theme") })
		r.press(rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"}).Draw(rt, "page"))
		checkFrame(rt, r.a.View().Content, w, h, name)
		for _, k := range rapid.SliceOfN(rapid.SampledFrom(presses), 0, 8).Draw(rt, "keys") {
			r.press(k)
			checkFrame(rt, r.a.View().Content, w, h, name+" after "+k)
		}
		other := rapid.SampledFrom(names).Draw(rt, "next picture")
		r.see(all[other])
		w, h = rapid.IntRange(1, 120).Draw(rt, "next w"), rapid.IntRange(1, 50).Draw(rt, "next h")
		r.send(tea.WindowSizeMsg{Width: w, Height: h})
		checkFrame(rt, r.a.View().Content, w, h, other)
	})
}

// TestEveryPageFits goes through the sizes in steps that meet every layout.
func TestEveryPageFits(t *testing.T) {
	for name, s := range map[string]*api.Status{"small": fixture.Picture(), "long": fixture.Long(3), "drilling": fixture.Drilling(), "empty": fixture.Empty()} {
		r := newRig(t, 60, 20, s)
		for w := 60; w <= 300; w += 24 {
			for h := 15; h <= 80; h += 13 {
				r.send(tea.WindowSizeMsg{Width: w, Height: h})
				for _, page := range []string{"1", "2", "3", "4", "5", "6"} {
					r.press(page)
					checkFrame(t, r.a.View().Content, w, h, name+" page "+page)
				}
			}
		}
	}
}

// TestSizesThatNoTerminalHas must not take memory or panic.
func TestSizesThatNoTerminalHas(t *testing.T) {
	r := newRig(t, 60000, 60000, fixture.Picture())
	if n := len(r.a.View().Content); n > 4<<20 {
		t.Errorf("a frame of a terminal that lies has %d bytes", n)
	}
	for _, size := range [][2]int{{0, 0}, {-1, -5}, {1, 400}, {1000, 1}} {
		r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		_ = r.a.View()
	}
}

// TestGlyphsAreOneCellWide: a wide one would push all that follows off the grid.
func TestGlyphsAreOneCellWide(t *testing.T) {
	for _, g := range theme.Glyphs() {
		if n := ansi.StringWidth(string(g)); n != 1 {
			t.Errorf("%q measures %d cells", g, n)
		}
		cell := uv.NewCell(ansi.GraphemeWidth, string(g))
		if cell.Width != 1 {
			t.Errorf("%q is a cell %d wide for the renderer", g, cell.Width)
		}
		if a := theme.ASCIIGlyph(g); a < 0x20 || a > 0x7e || a == '?' {
			t.Errorf("%q has no glyph of ASCII of its own", g)
		}
	}
}

// TestHostileTextIsHarmless: what comes from outside never reaches the terminal
// as anything but text.
func TestHostileTextIsHarmless(t *testing.T) {
	for _, page := range []string{"1", "2", "3", "4", "5", "6"} {
		r := newRig(t, 120, 36, fixture.Hostile())
		r.press(page)
		content := r.a.View().Content
		checkFrame(t, content, 120, 36, "hostile "+page)
		if strings.Contains(content, "\x1b]") || strings.ContainsAny(content, "\u202e\u200d\x07\r\t") {
			t.Errorf("page %s lets a control through", page)
		}
	}
}
