package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/dialog"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// words carries out a line of the palette: a page, a thing, a setting of this
// console, or a command, whose plan is shown first.
func (a *app) words(words []string) tea.Cmd {
	a.dirty = true
	first, rest := words[0], words[1:]
	if n := slices.Index(a.pageNames(), first); n >= 0 && len(rest) == 0 {
		a.visit(n, id.Ref{})
		return nil
	}
	switch {
	case first == "q" || first == "quit":
		return tea.Quit
	case first == "at" && len(rest) == 1:
		a.goAt(rest[0])
	case first == "live":
		a.pause(false)
	case first == "help":
		a.overlay = dialog.NewHelp(keys.In(a.scopes()), a.refusal)
	case first == "explain":
		t := a.target()
		if len(rest) == 1 {
			ref, err := id.ParseRef(rest[0])
			if err != nil {
				a.say(theme.Warn, err.Error())
				return nil
			}
			t = ref
		}
		a.overlay = dialog.NewExplain(&a.x, t)
	case first == "who":
		a.say(theme.Text, a.who())
	case first == "ro":
		a.x.ReadOnly = true
		a.say(theme.Text, "this session only looks from now on")
	case first == "ascii":
		a.retheme(a.theme.Palette, !a.theme.ASCII)
	case first == "theme" && len(rest) == 1:
		if p, ok := theme.ParsePalette(rest[0]); ok {
			a.chosen = true
			a.retheme(p, a.theme.ASCII)
		} else {
			a.say(theme.Warn, "the themes are dark, light, 16, none")
		}
	case first == "mouse" && len(rest) == 1:
		a.mouse = rest[0] == "on"
		a.say(theme.Text, "mouse "+rest[0])
	case first == "filter":
		a.x.Filter = page.ParseFilter(strings.Join(rest, " "))
	case len(rest) == 1 && slices.Contains([]string{"site", "pool", "host", "backend"}, first),
		len(rest) == 1 && first == "drill" && rest[0] != "abort" && rest[0] != "list":
		a.goTo(id.To(id.Kind(first), rest[0]))
	default:
		c, err := keys.Parse(words)
		if err != nil {
			a.say(theme.Warn, strings.Join(words, " ")+": "+err.Error())
			return nil
		}
		a.ask(c)
	}
	return nil
}

// who says who else looks.
func (a *app) who() string {
	switch {
	case a.opt.Others == nil:
		return "this console is not shared: who else looks is known over SSH only"
	case len(a.others) == 0:
		return "nobody else looks"
	}
	return "also here: " + strings.Join(a.others, "; ")
}
