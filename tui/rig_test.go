package tui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/internal/shot"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

var update = flag.Bool("update", false, "write the golden files")

// asked is a client that remembers what it was asked for.
type asked struct {
	api.Client
	requests []api.Request
	receipt  api.Receipt
	err      error
}

func (c *asked) Do(_ context.Context, req api.Request) (api.Receipt, error) {
	c.requests = append(c.requests, req)
	return c.receipt, c.err
}

// rig is the console's model with a clock that stands still, and no program.
type rig struct {
	t      testing.TB
	a      *app
	client *asked
	clock  time.Time
}

func newRig(t testing.TB, w, h int, s *api.Status, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, client: &asked{receipt: api.Receipt{ID: "r1", OK: true, Done: "done", Seq: 43}}, clock: fixture.At}
	opt := Options{Client: r.client, Actor: api.Actor{Name: "mina"}, Theme: theme.Dark, Now: func() time.Time { return r.clock }}
	for _, f := range change {
		f(&opt)
	}
	r.a = newApp(t.Context(), opt)
	r.send(tea.WindowSizeMsg{Width: w, Height: h})
	if s != nil {
		r.see(s, fixture.Events()...)
	}
	return r
}

// send gives the model a message and carries out no command.
func (r *rig) send(msg tea.Msg) tea.Cmd {
	r.t.Helper()
	_, cmd := r.a.Update(msg)
	return cmd
}

// updated is the message of a picture on the first connection.
func updated(s *api.Status, events ...api.Event) tea.Msg {
	return feed.Updated{Update: api.Update{Status: s, Events: events}}
}

// see brings a picture.
func (r *rig) see(s *api.Status, events ...api.Event) {
	r.t.Helper()
	r.send(feed.Updated{Update: api.Update{Status: s, Events: events}, Conn: r.a.line.Conn})
	r.send(tickMsg(r.clock))
}

// run carries out a command and gives the model what comes of it.
func (r *rig) run(cmd tea.Cmd) {
	r.t.Helper()
	if cmd == nil {
		return
	}
	msg := cmd()
	if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[tea.Cmd]() { // a batch
		for i := range v.Len() {
			if c, ok := v.Index(i).Interface().(tea.Cmd); ok {
				r.run(c)
			}
		}
		return
	}
	if _, ok := msg.(receiptMsg); ok {
		r.send(msg)
	}
}

// key is the message of a key by the name that the table has for it.
func key(name string) tea.KeyPressMsg {
	named := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
		"home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace, "space": tea.KeySpace, "delete": tea.KeyDelete,
	}
	var k tea.Key
	rest := name
	for {
		if after, ok := strings.CutPrefix(rest, "ctrl+"); ok {
			k.Mod, rest = k.Mod|tea.ModCtrl, after
			continue
		}
		if after, ok := strings.CutPrefix(rest, "shift+"); ok {
			k.Mod, rest = k.Mod|tea.ModShift, after
			continue
		}
		break
	}
	if code, ok := named[rest]; ok {
		k.Code = code
		if rest == "space" {
			k.Text = " "
		}
		return tea.KeyPressMsg(k)
	}
	k.Code = []rune(rest)[0]
	if k.Mod == 0 {
		k.Text = rest
	}
	return tea.KeyPressMsg(k)
}

// press presses keys, one after the other, and returns the last command.
func (r *rig) press(names ...string) tea.Cmd {
	r.t.Helper()
	var cmd tea.Cmd
	for _, n := range names {
		m := key(n)
		if m.String() != n {
			r.t.Fatalf("key %q names itself %q", n, m.String())
		}
		cmd = r.send(m)
	}
	return cmd
}

// typed presses a key for each letter.
func (r *rig) typed(s string) {
	r.t.Helper()
	for _, c := range s {
		if c == ' ' {
			r.press("space")
			continue
		}
		r.press(string(c))
	}
}

// screen is the frame as a terminal that follows every word of it would show it.
func (r *rig) screen() uv.ScreenBuffer {
	buf := uv.NewScreenBuffer(r.a.w, r.a.h)
	uv.NewStyledString(r.a.View().Content).Draw(buf, buf.Bounds())
	return buf
}

// frame is the frame's text.
func (r *rig) frame() string {
	return shot.Text(r.screen(), r.a.w, r.a.h)
}

// has fails when the frame lacks one of the texts.
func (r *rig) has(texts ...string) {
	r.t.Helper()
	frame := r.frame()
	for _, s := range texts {
		if !strings.Contains(frame, s) {
			r.t.Errorf("the frame lacks %q:\n%s", s, frame)
		}
	}
}

// lacks fails when the frame has one of the texts.
func (r *rig) lacks(texts ...string) {
	r.t.Helper()
	frame := r.frame()
	for _, s := range texts {
		if strings.Contains(frame, s) {
			r.t.Errorf("the frame has %q:\n%s", s, frame)
		}
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "frames", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./tui -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was; look at the difference, and write it with -update when it is meant:\n%s", path, difference(string(want), got))
	}
}

// difference lists the lines that differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	shown := 0
	for i := range max(len(a), len(b)) {
		var p, q string
		if i < len(a) {
			p = a[i]
		}
		if i < len(b) {
			q = b[i]
		}
		if p != q {
			if shown++; shown > 12 {
				out.WriteString("…\n")
				break
			}
			fmt.Fprintf(&out, "%4d - %s\n     + %s\n", i+1, p, q)
		}
	}
	return out.String()
}
