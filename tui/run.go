package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// Options say how the console runs.
type Options struct {
	Client api.Client // required
	// In and Out are the terminal; nil are the process's own.
	In  io.Reader
	Out io.Writer
	// Environ is the terminal's environment; nil is the process's own.
	Environ []string
	Actor   api.Actor
	// ReadOnly sessions may only look. ReadOnlyWhy says whose and why, where it is
	// not the person's own wish.
	ReadOnly    bool
	ReadOnlyWhy string
	// May says why this person may not ask for a command; nil: they may for all.
	May func(api.Command) []api.Refusal
	// AskWhy has a dangerous command wait for its reason.
	AskWhy bool
	// Others says who else looks, one a line; nil: nobody can.
	Others func() []string
	// First is a line of the palette that is carried out with the first picture.
	First []string
	// Theme is dark, light, 16 or none; empty asks the terminal for its
	// background, and takes none when NO_COLOR is set.
	Theme theme.Palette
	// ASCII uses no glyph beyond ASCII.
	ASCII bool
	// Mouse takes the mouse from the terminal; selecting text then needs shift.
	Mouse bool
	// Page is the name of the first page; empty is the overview.
	Page string
	// Now is the clock; nil is the wall clock.
	Now func() time.Time
	// Program is added to the terminal program's options, for tests and SSH.
	Program []tea.ProgramOption
	// Messages come from outside of the terminal: its size where it is no device of
	// this host, and tea.QuitMsg.
	Messages <-chan tea.Msg
}

// ErrNoTerminal means that the console cannot be drawn here.
var ErrNoTerminal = errors.New("tui: the console needs a terminal")

// Supported returns why a console cannot be drawn, nil when it can. isTTY says
// whether both ends are a terminal.
func Supported(environ []string, isTTY bool) error {
	if !isTTY {
		return fmt.Errorf("%w: input or output is a pipe or a file; use holdfast get, or holdfast get --watch", ErrNoTerminal)
	}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); name == "TERM" && (value == "dumb" || value == "") {
			return fmt.Errorf("%w: TERM is %q, which cannot place text; use holdfast get --watch, or set TERM", ErrNoTerminal, value)
		}
	}
	return nil
}

// framesPerSecond is enough for a drill's clock, and kind to a thin line.
const framesPerSecond = 20

// Run shows the console until the person leaves it or ctx ends.
func Run(ctx context.Context, opt Options) error {
	if opt.Client == nil {
		return errors.New("tui: no client: there is nothing to show")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := newApp(ctx, opt)
	program := []tea.ProgramOption{tea.WithFPS(framesPerSecond)}
	if opt.In != nil {
		program = append(program, tea.WithInput(opt.In))
	}
	if opt.Out != nil {
		program = append(program, tea.WithOutput(opt.Out))
	}
	if opt.Environ != nil {
		program = append(program, tea.WithEnvironment(opt.Environ))
	}
	err := feed.Play(ctx, a, opt.Messages, append(program, opt.Program...)...)
	if err != nil {
		return fmt.Errorf("tui: %w", err)
	}
	return nil
}
