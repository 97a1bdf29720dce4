package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/dialog"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// app is the console's model. Everything that it knows is here; pages keep only
// what is selected.
type app struct {
	opt Options
	ctx context.Context // of the program: it ends Watch and Do, nothing else

	w, h    int
	theme   *theme.Theme
	chosen  bool // the palette was asked for, so the terminal's background does not choose
	mouse   bool
	pages   []page.Page
	at      int
	last    int
	history []place
	histAt  int
	x       page.Context

	line    feed.Line
	updates <-chan api.Update
	tries   int
	lost    error
	live    *api.Status
	arrived time.Time
	started time.Time
	missed  uint64
	events  []api.Event
	past    past
	paused  bool

	overlay dialog.Dialog
	filter  *dialog.Line
	note    note
	undo    undo
	waiting map[string]string // receipts whose result is awaited, and what was asked
	others  []string          // who else looks
	blurred time.Time

	canvas *widget.Canvas
	view   tea.View
	dirty  bool
	drawn  int // frames, for tests
}

// place is where history goes back to.
type place struct {
	page int
	ref  id.Ref
}

// note is the sentence in the status line.
type note struct {
	text  string
	token theme.Token
	until time.Time
}

// noteFor is how long a sentence stays.
const noteFor = 10 * time.Second

func newApp(ctx context.Context, opt Options) *app {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	a := &app{opt: opt, ctx: ctx, pages: newPages(), mouse: opt.Mouse, canvas: widget.New(0, 0), dirty: true, waiting: map[string]string{}}
	palette := opt.Theme
	a.chosen = palette != ""
	if palette == "" {
		palette = theme.Dark
	}
	a.theme = theme.New(palette, opt.ASCII)
	for i, p := range a.pages {
		if p.Name() == opt.Page {
			a.at = i
		}
	}
	a.history = []place{{page: a.at}}
	a.x = page.Context{
		Live: true, ReadOnly: opt.ReadOnly, Staged: map[string]int{}, Now: opt.Now(),
		Goto: a.goTo, Ask: a.ask, Say: func(s string) { a.say(theme.Text, s) },
	}
	return a
}

// Init implements tea.Model.
func (a *app) Init() tea.Cmd {
	cmds := []tea.Cmd{a.line.Dial(a.ctx, a.opt.Client, 0), a.tick()}
	if !a.chosen {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// tick asks for the next moment at which something may look different: ten
// times a second on a drill's page while it runs, once a second otherwise.
func (a *app) tick() tea.Cmd {
	every := time.Second
	if feed.Drill(a.x.Status) != nil && a.pages[a.at].Name() == "drills" {
		every = 100 * time.Millisecond
	}
	return tea.Tick(every, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// Update implements tea.Model.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.w, a.h, a.dirty = min(m.Width, widthMost), min(m.Height, heightMost), true
	case tea.BackgroundColorMsg:
		if !a.chosen {
			p := theme.Light
			if m.IsDark() {
				p = theme.Dark
			}
			a.retheme(p, a.theme.ASCII)
		}
	case tea.ColorProfileMsg:
		a.profile(m.Profile)
	case tea.EnvMsg:
		if !a.chosen && m.Getenv("NO_COLOR") != "" {
			a.chosen = true
			a.retheme(theme.None, a.theme.ASCII)
		}
	case feed.Connected:
		if m.Conn != a.line.Conn {
			return a, nil
		}
		a.updates = m.Updates
		return a, feed.Next(a.updates, a.line.Conn)
	case feed.Updated:
		if m.Conn != a.line.Conn {
			return a, nil
		}
		a.tries, a.lost = 0, nil
		if forget, again := a.line.Take(m.Update); forget {
			if a.forget(m.Status); again {
				return a, a.line.Dial(a.ctx, a.opt.Client, 0)
			}
		}
		if a.take(m.Update) {
			a.adopt()
		}
		if first := a.opt.First; len(first) > 0 && a.x.Status != nil {
			a.opt.First = nil
			return a, tea.Batch(a.words(first), feed.Next(a.updates, a.line.Conn))
		}
		return a, feed.Next(a.updates, a.line.Conn)
	case feed.Lost:
		if m.Conn != a.line.Conn || a.ctx.Err() != nil {
			return a, nil
		}
		a.line.Conn++
		a.tries++
		a.lost, a.dirty = m.Err, true
		return a, feed.Again(a.tries)
	case feed.Retry:
		from := api.Seq(0)
		if n := len(a.events); n > 0 {
			from = a.events[n-1].Seq
		}
		return a, a.line.Dial(a.ctx, a.opt.Client, from)
	case tickMsg:
		if a.note.text != "" && !a.opt.Now().Before(a.note.until) {
			a.note = note{}
		}
		a.adopt()
		return a, a.tick()
	case receiptMsg:
		return a, a.answered(m)
	case tea.BlurMsg:
		a.blurred = a.opt.Now()
	case tea.FocusMsg:
		a.blurred, a.dirty = time.Time{}, true
	case tea.PasteMsg:
		a.paste(m.Content)
	case tea.KeyPressMsg:
		a.dirty = true
		return a, a.key(m)
	case tea.MouseClickMsg:
		a.dirty = true
		return a, a.click(m)
	case tea.MouseWheelMsg:
		a.dirty = true
		return a, a.wheel(m)
	}
	return a, nil
}

// restAfter is how long a terminal may be out of focus before numbers stop
// being drawn. Alarms are drawn all the same.
const restAfter = time.Minute

// adopt shows the newest picture, unless the console looks at the past.
func (a *app) adopt() {
	now := a.opt.Now()
	if a.opt.Others != nil {
		if all := a.opt.Others(); !slices.Equal(all, a.others) {
			a.others, a.dirty = all, true
		}
	}
	resting := !a.blurred.IsZero() && now.Sub(a.blurred) > restAfter
	if !a.paused && a.live != nil {
		if resting && a.x.Status != nil && a.x.Status.Seq == a.live.Seq && a.x.Status.State == a.live.State {
			return
		}
		a.x.Status, a.x.Events, a.x.Now, a.x.Live = a.live, a.events, now, true
		if a.overlay != nil {
			a.overlay.See(a.live, now)
		}
	}
	a.dirty = true
}

// profile follows what the terminal can do: without colours the theme has
// none, with sixteen it takes the sixteen.
func (a *app) profile(p colorprofile.Profile) {
	if a.chosen {
		return
	}
	switch p {
	case colorprofile.ANSI:
		a.chosen = true
		a.retheme(theme.Sixteen, a.theme.ASCII)
	case colorprofile.ASCII, colorprofile.NoTTY:
		a.chosen = true
		a.retheme(theme.None, a.theme.ASCII)
	case colorprofile.ANSI256, colorprofile.TrueColor, colorprofile.Unknown:
	}
}

func (a *app) retheme(p theme.Palette, ascii bool) {
	a.theme, a.dirty = theme.New(p, ascii), true
}

// say puts a sentence into the status line.
func (a *app) say(k theme.Token, s string) {
	a.note, a.dirty = note{s, k, a.opt.Now().Add(noteFor)}, true
}
