package dialog

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Help lists the keys that hold, and runs the one that is chosen.
type Help struct {
	all   []keys.Binding
	why   func(keys.Binding) string
	seen  []keys.Binding
	list  widget.List
	find  Line
	looks bool // typing goes into the search
}

// NewHelp returns the help of the bindings. why says why one would be refused.
func NewHelp(all []keys.Binding, why func(keys.Binding) string) *Help {
	h := &Help{all: all, why: why}
	h.filter()
	return h
}

func (h *Help) filter() {
	h.seen = h.seen[:0]
	want := strings.ToLower(h.find.String())
	for _, b := range h.all {
		if want == "" || strings.Contains(strings.ToLower(b.Show+" "+b.Words+" "+b.Help+" "+string(b.Scope)), want) {
			h.seen = append(h.seen, b)
		}
	}
}

func (h *Help) key(i int) string {
	return string(h.seen[i].Scope) + h.seen[i].Show + string(h.seen[i].Action)
}

// Key implements Dialog.
func (h *Help) Key(k Key) Answer {
	n := len(h.seen)
	h.list.Find(n, h.key)
	switch {
	case k.Name == "esc" && h.looks:
		h.looks = false
		h.find.Set("")
		h.filter()
	case k.Name == "esc" || k.Name == "ctrl+c" || !h.looks && (k.Name == "?" || k.Name == "q"):
		return Answer{Close: true}
	case k.Name == "enter":
		i := h.list.Find(n, h.key)
		if i < 0 {
			return Answer{}
		}
		b := h.seen[i]
		if why := h.why(b); why != "" {
			return Answer{Close: true, Say: b.Show + " " + b.Words + ": " + why}
		}
		return Answer{Close: true, Run: &b}
	case k.Name == "up" || !h.looks && k.Name == "k":
		h.list.Move(-1, n, h.key)
	case k.Name == "down" || !h.looks && k.Name == "j":
		h.list.Move(1, n, h.key)
	case k.Name == "pgup":
		h.list.Move(-10, n, h.key)
	case k.Name == "pgdown":
		h.list.Move(10, n, h.key)
	case k.Name == "/" && !h.looks:
		h.looks = true
	case h.looks:
		h.find.Key(k)
		h.filter()
	}
	return Answer{}
}

// Paste implements Dialog.
func (h *Help) Paste(string) {}

// See implements Dialog.
func (h *Help) See(*api.Status, time.Time) {}

// Draw implements Dialog.
func (h *Help) Draw(all *widget.Canvas) {
	c := centred(all, min(100, all.W-2), min(len(h.all)+4, all.H-2))
	c.Box(0, 0, c.W, c.H, theme.Title)
	c.Text(2, 0, theme.Title, fmt.Sprintf(" KEYS HERE AND NOW  %d ", len(h.seen)))
	c.Cut(2, c.H-1, c.W-4, theme.Dim, " enter runs · / searches · CAPITALS act, lower case looks · esc closes ")
	y := 1
	if h.looks {
		x := c.Text(2, 1, theme.Title, "/")
		h.find.Draw(c, x, 1, c.W-x-2, theme.Text, true)
		y++
	}
	body := c.Sub(1, y, c.W-2, c.H-y-1)
	sel, top := h.list.Sync(len(h.seen), body.H, h.key)
	for i := 0; i < body.H && top+i < len(h.seen); i++ {
		b := h.seen[top+i]
		why := h.why(b)
		k, text := theme.Text, b.Help
		if why != "" {
			k, text = theme.Faint, why
		}
		if top+i == sel {
			body.Put(0, i, theme.Accent, '▌')
			if !h.looks {
				body.Cursor(0, i)
			}
		}
		show := theme.Title
		if why != "" {
			show = theme.Faint
		}
		body.Cut(2, i, 9, show, b.Show)
		body.Cut(12, i, 15, k, b.Words)
		scope := 0
		if body.W > 84 {
			scope = 20
			body.Right(body.W-scope-1, i, scope, theme.Dim, string(b.Scope))
		}
		body.Cut(28, i, body.W-28-scope-2, dimOf(k), text)
	}
}

func dimOf(k theme.Token) theme.Token {
	if k == theme.Text {
		return theme.Dim
	}
	return k
}
