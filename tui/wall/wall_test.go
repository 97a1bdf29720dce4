package wall

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/internal/shot"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

var update = flag.Bool("update", false, "write the golden files")

// rig is the board with a clock that stands still, and no program.
type rig struct {
	b     *board
	clock time.Time
}

func newRig(w, h int, s *api.Status) *rig {
	r := &rig{clock: fixture.At}
	r.b = newBoard(context.Background(), Options{Where: "/run/holdfast", Theme: theme.Dark, Now: func() time.Time { return r.clock }})
	r.send(tea.WindowSizeMsg{Width: w, Height: h})
	if s != nil {
		r.see(s, fixture.Events()...)
	}
	r.send(tickMsg(r.clock))
	return r
}

func (r *rig) send(msg tea.Msg) tea.Cmd {
	_, cmd := r.b.Update(msg)
	return cmd
}

func (r *rig) see(s *api.Status, events ...api.Event) {
	r.send(feed.Updated{Update: api.Update{Status: s, Events: events}, Conn: r.b.line.Conn})
}

// after lets time pass.
func (r *rig) after(d time.Duration) tea.Cmd {
	r.clock = r.clock.Add(d)
	return r.send(tickMsg(r.clock))
}

func (r *rig) frame() string {
	buf := uv.NewScreenBuffer(r.b.w, r.b.h)
	uv.NewStyledString(r.b.View().Content).Draw(buf, buf.Bounds())
	return shot.Text(buf, r.b.w, r.b.h)
}

func TestFrames(t *testing.T) {
	for name, do := range map[string]func(w, h int) *rig{
		"down":   func(w, h int) *rig { return newRig(w, h, fixture.Picture()) },
		"well":   func(w, h int) *rig { return newRig(w, h, fixture.Well()) },
		"agents": func(w, h int) *rig { return newRig(w, h, fixture.Broken()) },
		"drill":  func(w, h int) *rig { return newRig(w, h, drilling()) },
		"stale":  func(w, h int) *rig { r := newRig(w, h, fixture.Well()); r.after(14 * time.Second); return r },
		"waiting": func(w, h int) *rig {
			r := newRig(w, h, nil)
			r.send(feed.Lost{Err: errors.New("no fleet runs from /run/holdfast")})
			return r
		},
	} {
		var all strings.Builder
		for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 50}, {30, 6}} {
			fmt.Fprintf(&all, "==== %dx%d\n%s\n", size[0], size[1], do(size[0], size[1]).frame())
		}
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(all.String()), 0o644)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != all.String() {
			t.Errorf("%s is not as it was (%v); look at it, and write it with go test ./tui/wall -update when it is meant:\n%s", path, err, all.String())
		}
	}
}

// drilling is a well fleet with a drill under way.
func drilling() *api.Status {
	s := fixture.Well()
	s.Drills = fixture.Drilling().Drills
	return s
}

func TestFirstWord(t *testing.T) {
	warn := fixture.Picture()
	warn.Problems = warn.Problems[1:]
	for want, s := range map[string]*api.Status{"ALL OK": fixture.Well(), "1 DOWN": fixture.Picture(), "1 WARN": warn, "DRILL": drilling(), "STALE": nil} {
		r := newRig(120, 36, s)
		if got := r.b.message(); got != want {
			t.Errorf("the board says %q, want %q", got, want)
		}
	}
}

// TestOldDataIsStale: an old green board is worse than none.
func TestOldDataIsStale(t *testing.T) {
	r := newRig(120, 36, fixture.Well())
	for _, c := range []struct {
		pass time.Duration
		says string
		word string
	}{
		{2 * time.Second, "data 2.0 s old", "ALL OK"}, {3 * time.Second, " data 5 s old ", "ALL OK"}, {6 * time.Second, " data 11 s old ", "STALE"},
	} {
		r.after(c.pass)
		if got := r.b.message(); got != c.word || !strings.Contains(r.frame(), c.says) {
			t.Errorf("after %s more it says %q, want %q and %q in\n%s", c.pass, got, c.word, c.says, r.frame())
		}
	}
	r.see(fixture.Well())
	if got := r.b.message(); got != "ALL OK" || !r.b.dirty {
		t.Errorf("new data, and the board says %q, dirty %t", got, r.b.dirty)
	}
}

// TestItWaitsAndConnectsAgain, for ever, with longer pauses.
func TestItWaitsAndConnectsAgain(t *testing.T) {
	r := newRig(120, 36, nil)
	for i := range 20 {
		if cmd := r.send(feed.Lost{Err: errors.New("no fleet"), Conn: r.b.line.Conn}); cmd == nil {
			t.Fatalf("try %d was the last", i+1)
		}
		if cmd := r.send(feed.Retry{}); cmd == nil {
			t.Fatalf("retry %d connects to nothing", i+1)
		}
	}
	if f := r.frame(); !strings.Contains(f, "20 tries so far") || !strings.Contains(f, "/run/holdfast") {
		t.Errorf("the board does not say that it waits:\n%s", f)
	}
	r.see(fixture.Well())
	if got := r.b.message(); got != "ALL OK" || r.b.tries != 0 {
		t.Errorf("the fleet is there and the board says %q", got)
	}
}

// TestItMovesAgainstBurnIn by a column every ten minutes, with a clear screen.
func TestItMovesAgainstBurnIn(t *testing.T) {
	r := newRig(120, 36, fixture.Well())
	column := func() int { return strings.Index(strings.Split(r.frame(), "\n")[0], "edge") }
	seen := map[int]bool{}
	for range moveMost {
		seen[column()] = true
		r.after(moveEvery)
		r.see(fixture.Well())
	}
	if len(seen) != moveMost {
		t.Errorf("the picture stood at columns %v, want %d of them", seen, moveMost)
	}
}

// TestKeysDoNothingButLeave: it is read-only.
func TestKeysDoNothingButLeave(t *testing.T) {
	r := newRig(120, 36, fixture.Picture())
	before := r.frame()
	for c := '!'; c <= '~'; c++ {
		cmd := r.send(tea.KeyPressMsg{Code: c, Text: string(c)})
		if (cmd != nil) != (c == 'q') {
			t.Errorf("key %q asks for something: %t", c, cmd != nil)
		}
	}
	if r.frame() != before {
		t.Error("a key changed the board")
	}
}

func TestEveryFrameFits(t *testing.T) {
	all := []*api.Status{nil, fixture.Empty(), fixture.Well(), fixture.Picture(), fixture.Hostile(), fixture.Long(3), fixture.Of(112), drilling()}
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 300).Draw(t, "w"), rapid.IntRange(1, 100).Draw(t, "h")
		r := newRig(w, h, all[rapid.IntRange(0, len(all)-1).Draw(t, "picture")])
		r.after(time.Duration(rapid.IntRange(0, 4000).Draw(t, "seconds")) * time.Second)
		lines := strings.Split(r.b.View().Content, "\n")
		if len(lines) != h {
			t.Fatalf("%dx%d: %d lines", w, h, len(lines))
		}
		for y, l := range lines {
			if n := ansi.StringWidth(l); n > w {
				t.Fatalf("%dx%d: line %d is %d wide", w, h, y, n)
			}
			if strings.ContainsAny(strings.ReplaceAll(l, "\x1b[", ""), "\x1b\x07\r\t") {
				t.Fatalf("%dx%d: line %d has a control: %q", w, h, y, l)
			}
		}
	})
}
