package wall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Options say how the wallboard runs.
type Options struct {
	Client api.Client // required; the fleet behind it may come and go
	Where  string     // where the fleet is looked for, for people
	// In, Out and Environ are the terminal; nil are the process's own.
	In      io.Reader
	Out     io.Writer
	Environ []string
	// Theme is dark, light, 16 or none; empty goes by the terminal.
	Theme theme.Palette
	ASCII bool
	// Now is the clock; nil is the wall clock.
	Now func() time.Time
	// Program is added to the terminal program's options, for tests and SSH.
	Program []tea.ProgramOption
	// Messages come from outside of the terminal: its size where it is no device of
	// this host, and tea.QuitMsg.
	Messages <-chan tea.Msg
}

const (
	// staleAfter is how old data may be before the board says nothing else.
	staleAfter = 10 * time.Second
	// moveEvery is how often the picture moves by a column.
	moveEvery = 10 * time.Minute
	moveMost  = 3
	// eventsMost is how many events the lanes may need.
	eventsMost = 1024
	// sizeMost bounds what a terminal may claim to be.
	widthMost, heightMost = 1000, 400
)

// Run shows the wallboard until the person leaves it or ctx ends.
func Run(ctx context.Context, o Options) error {
	if o.Client == nil {
		return errors.New("wall: no client: there is nothing to show")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program := []tea.ProgramOption{tea.WithFPS(5)}
	if o.In != nil {
		program = append(program, tea.WithInput(o.In))
	}
	if o.Out != nil {
		program = append(program, tea.WithOutput(o.Out))
	}
	if o.Environ != nil {
		program = append(program, tea.WithEnvironment(o.Environ))
	}
	err := feed.Play(ctx, newBoard(ctx, o), o.Messages, append(program, o.Program...)...)
	if err != nil {
		return fmt.Errorf("wall: %w", err)
	}
	return nil
}

type tickMsg time.Time

// board is the wallboard's model.
type board struct {
	o      Options
	ctx    context.Context // of the program: it ends Watch
	w, h   int
	theme  *theme.Theme
	chosen bool

	line    feed.Line
	tries   int
	updates <-chan api.Update
	lost    error
	arrived time.Time
	moved   int64
	x       page.Context

	canvas *widget.Canvas
	view   tea.View
	dirty  bool
}

func newBoard(ctx context.Context, o Options) *board {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &board{o: o, ctx: ctx, canvas: widget.New(0, 0), dirty: true, chosen: o.Theme != ""}
	p := o.Theme
	if p == "" {
		p = theme.Dark
	}
	b.theme = theme.New(p, o.ASCII)
	b.x = page.Context{Live: true, ReadOnly: true, Now: o.Now()}
	return b
}

// Init implements tea.Model.
func (b *board) Init() tea.Cmd {
	cmds := []tea.Cmd{b.line.Dial(b.ctx, b.o.Client, 0), tick()}
	if !b.chosen {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

func tick() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// Update implements tea.Model.
func (b *board) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		b.w, b.h, b.dirty = min(m.Width, widthMost), min(m.Height, heightMost), true
	case tea.BackgroundColorMsg:
		if !b.chosen && !m.IsDark() {
			b.retheme(theme.Light)
		}
	case tea.EnvMsg:
		if !b.chosen && m.Getenv("NO_COLOR") != "" {
			b.chosen = true
			b.retheme(theme.None)
		}
	case tea.ColorProfileMsg:
		b.profile(m.Profile)
	case tea.KeyPressMsg:
		if k := m.String(); k == "q" || k == "ctrl+c" || k == "esc" {
			return b, tea.Quit
		}
	case feed.Connected:
		if m.Conn == b.line.Conn {
			b.updates = m.Updates
			return b, feed.Next(b.updates, b.line.Conn)
		}
	case feed.Updated:
		if m.Conn != b.line.Conn {
			return b, nil
		}
		b.tries, b.lost = 0, nil
		if forget, again := b.line.Take(m.Update); forget {
			if b.x.Events = nil; again {
				b.take(api.Update{Status: m.Status})
				return b, b.line.Dial(b.ctx, b.o.Client, 0)
			}
		}
		b.take(m.Update)
		return b, feed.Next(b.updates, b.line.Conn)
	case feed.Lost:
		if m.Conn != b.line.Conn || b.ctx.Err() != nil {
			return b, nil
		}
		b.line.Conn++
		b.tries++
		b.lost, b.dirty = m.Err, true
		return b, feed.Again(b.tries)
	case feed.Retry:
		return b, b.line.Dial(b.ctx, b.o.Client, b.last())
	case tickMsg:
		b.x.Now, b.dirty = b.o.Now(), true
		if n := b.o.Now().Unix() / int64(moveEvery.Seconds()); n != b.moved {
			b.moved = n
			return b, tea.Batch(tick(), tea.ClearScreen)
		}
		return b, tick()
	}
	return b, nil
}

func (b *board) retheme(p theme.Palette) { b.theme, b.dirty = theme.New(p, b.o.ASCII), true }

func (b *board) profile(p colorprofile.Profile) {
	if b.chosen {
		return
	}
	switch p {
	case colorprofile.ANSI:
		b.chosen = true
		b.retheme(theme.Sixteen)
	case colorprofile.ASCII, colorprofile.NoTTY:
		b.chosen = true
		b.retheme(theme.None)
	case colorprofile.Unknown, colorprofile.ANSI256, colorprofile.TrueColor:
	}
}

func (b *board) last() api.Seq {
	if n := len(b.x.Events); n > 0 {
		return b.x.Events[n-1].Seq
	}
	return 0
}

// take takes an Update. Figures are drawn once a second; a change of the
// message is drawn at once.
func (b *board) take(u api.Update) {
	if u.Status == nil {
		return
	}
	before := b.message()
	if b.x.Status != nil && u.Status.Started.After(b.x.Status.Started) {
		b.x.Events = nil // another life of the fleet counts its events anew
	}
	last := b.last()
	for _, e := range u.Events {
		if e.Seq > last {
			b.x.Events = append(b.x.Events, e)
		}
	}
	if extra := len(b.x.Events) - eventsMost; extra > 0 {
		b.x.Events = append(b.x.Events[:0:0], b.x.Events[extra:]...)
	}
	b.x.Status, b.arrived, b.x.Now = u.Status, b.o.Now(), b.o.Now()
	b.dirty = b.dirty || b.message() != before || feed.Drill(u.Status) != nil
}

// View implements tea.Model.
func (b *board) View() tea.View {
	if !b.dirty {
		return b.view
	}
	b.dirty = false
	v := tea.View{AltScreen: true, WindowTitle: "holdfast " + b.message()}
	if b.w > 0 && b.h > 0 {
		b.canvas.Reset(b.w, b.h)
		b.draw(b.canvas)
		v.Content = b.canvas.Encode(b.theme)
	}
	b.view = v
	return v
}
