package tui

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

// TestViewIsCached: a frame that did not change is not drawn again, however
// many messages come.
func TestViewIsCached(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	_ = r.a.View()
	before := r.a.drawn
	for range 100 {
		_ = r.a.View()
		r.send(keyRelease())
	}
	if r.a.drawn != before {
		t.Errorf("%d frames were drawn without any change", r.a.drawn-before)
	}
	r.press("2")
	_ = r.a.View()
	if r.a.drawn != before+1 {
		t.Errorf("%d frames were drawn for one key", r.a.drawn-before)
	}
}

func keyRelease() tea.Msg { return tea.KeyReleaseMsg{Code: 'a'} }

// TestFiguresAreDrawnOnceASecond: ten pictures a second make one frame a second;
// an event is drawn at once, and so is a drill.
func TestFiguresAreDrawnOnceASecond(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Picture())
	_ = r.a.View()
	before := r.a.drawn
	for i := range 100 {
		r.send(updated(moving(3, i)))
		_ = r.a.View()
		if i%10 == 9 {
			r.clock = r.clock.Add(time.Second)
			r.send(tickMsg(r.clock))
			_ = r.a.View()
		}
	}
	if got := r.a.drawn - before; got != 10 {
		t.Errorf("%d frames in ten seconds, want 10", got)
	}
	before = r.a.drawn
	s := fixture.Picture()
	r.send(updated(s, api.Event{Seq: 77, At: r.clock, Text: "x", Lane: api.LanePool}))
	_ = r.a.View()
	if r.a.drawn != before+1 {
		t.Error("an event waits for the clock")
	}
	r.send(updated(fixture.Drilling()))
	_ = r.a.View()
	if r.a.drawn != before+2 {
		t.Error("a drill waits for the clock")
	}
}

// TestRestingTerminalDrawsAlarmsOnly: nobody looks, so figures need not move.
func TestRestingTerminalDrawsAlarmsOnly(t *testing.T) {
	r := newRig(t, 120, 36, fixture.Well())
	r.send(tea.BlurMsg{})
	r.clock = r.clock.Add(2 * time.Minute)
	r.send(tickMsg(r.clock))
	_ = r.a.View()
	before := r.a.drawn
	for range 30 {
		r.clock = r.clock.Add(time.Second)
		r.send(updated(fixture.Well()))
		r.send(tickMsg(r.clock))
		_ = r.a.View()
	}
	if r.a.drawn != before {
		t.Errorf("%d frames for a terminal that nobody looks at", r.a.drawn-before)
	}
	down := fixture.Picture()
	down.Seq++
	r.send(updated(down, api.Event{Seq: 78, At: r.clock, State: api.StateDown, Text: "x", Lane: api.LaneHealth}))
	r.has("DOWN")
}

// frameOf is what one frame costs: compose, and the renderer's cells.
func frameOf(b *testing.B, page string, encodeOnly bool) {
	b.Helper()
	r := newRig(b, 200, 60, moving(112, 0)) // 1,008 backends
	r.press(page)
	var pictures []*api.Status
	for i := range 16 {
		pictures = append(pictures, moving(112, i))
	}
	out := uv.NewTerminalRenderer(&bytes.Buffer{}, []string{"TERM=xterm-256color"})
	out.SetColorProfile(colorprofile.ANSI256)
	out.SetFullscreen(true)
	out.Resize(200, 60)
	buf := uv.NewScreenBuffer(200, 60)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.a.live = pictures[i%len(pictures)]
		r.clock = r.clock.Add(time.Second)
		r.a.adopt()
		content := r.a.View().Content
		if encodeOnly {
			continue
		}
		buf.Clear()
		uv.NewStyledString(content).Draw(buf, buf.Bounds())
		out.Render(buf.RenderBuffer)
		if err := out.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/frame")
}

// BenchmarkFrame is a whole frame at 200x60 with 1,000 backends: a new picture,
// compose, and render. The promise is less than 2 ms.
func BenchmarkFrame(b *testing.B) {
	for i, page := range []string{"overview", "pools", "backends", "drills", "events", "faults"} {
		b.Run(page, func(b *testing.B) { frameOf(b, fmt.Sprint(i+1), false) })
	}
}

// BenchmarkCompose is the console's own part of BenchmarkFrame.
func BenchmarkCompose(b *testing.B) {
	for i, page := range []string{"overview", "pools", "backends"} {
		b.Run(page, func(b *testing.B) { frameOf(b, fmt.Sprint(i+1), true) })
	}
}

// BenchmarkKey is a key that moves the selection, with a picture that is known.
func BenchmarkKey(b *testing.B) {
	r := newRig(b, 200, 60, moving(112, 0))
	r.press("3")
	b.ReportAllocs()
	for b.Loop() {
		bind, _ := keys.Find("down", r.a.scopes())
		r.a.do(bind, "down")
		r.a.dirty = true
		_ = r.a.View()
	}
}
