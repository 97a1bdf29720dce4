package dialog

import (
	"time"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Key is a key as the terminal library names it, and what it types.
type Key struct {
	Name string // "enter", "ctrl+y", "a"
	Text string // what it types; empty for keys that type nothing
}

// Answer is what a dialog asks of the root.
type Answer struct {
	Close bool
	Copy  string        // for the clipboard
	Do    *api.Request  // to be asked for
	Run   *keys.Binding // to be carried out as if its key was pressed
	Words []string      // a line of the palette
	Say   string        // for the status line
}

// Dialog is something that lies over a page.
type Dialog interface {
	// Key takes a key.
	Key(k Key) Answer
	// Paste takes pasted text; most dialogs ignore it.
	Paste(s string)
	// See takes a newer picture.
	See(s *api.Status, now time.Time)
	// Draw draws it over the whole screen.
	Draw(c *widget.Canvas)
}

// LineMax bounds a line of input in runes.
const LineMax = 512

// Line is one line of text that is edited.
type Line struct {
	text []rune
	at   int
}

// String returns the text.
func (l *Line) String() string { return string(l.text) }

// Set replaces the text; the cursor goes to its end.
func (l *Line) Set(s string) {
	l.text, l.at = nil, 0
	l.Insert(s)
}

// Insert puts text at the cursor. Control characters are left out.
func (l *Line) Insert(s string) {
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError || len(l.text) >= LineMax {
			continue
		}
		l.text = append(l.text[:l.at], append([]rune{r}, l.text[l.at:]...)...)
		l.at++
	}
}

// Key edits. It reports whether the key meant anything.
func (l *Line) Key(k Key) bool {
	switch k.Name {
	case "left", "ctrl+b":
		l.at = max(l.at-1, 0)
	case "right", "ctrl+f":
		l.at = min(l.at+1, len(l.text))
	case "home", "ctrl+a":
		l.at = 0
	case "end", "ctrl+e":
		l.at = len(l.text)
	case "backspace", "ctrl+h":
		if l.at > 0 {
			l.text = append(l.text[:l.at-1], l.text[l.at:]...)
			l.at--
		}
	case "delete", "ctrl+d":
		if l.at < len(l.text) {
			l.text = append(l.text[:l.at], l.text[l.at+1:]...)
		}
	case "ctrl+u":
		l.text, l.at = l.text[l.at:], 0
	case "ctrl+k":
		l.text = l.text[:l.at]
	case "ctrl+w":
		i := l.at
		for i > 0 && l.text[i-1] == ' ' {
			i--
		}
		for i > 0 && l.text[i-1] != ' ' {
			i--
		}
		l.text, l.at = append(l.text[:i], l.text[l.at:]...), i
	default:
		if k.Text == "" {
			return false
		}
		l.Insert(k.Text)
	}
	return true
}

// Draw draws the line into w cells and puts the cursor; the part with the
// cursor is seen.
func (l *Line) Draw(c *widget.Canvas, x, y, w int, k theme.Token, focus bool) {
	from := 0
	for widget.Width(string(l.text[from:l.at])) >= w && from < l.at {
		from++
	}
	c.Cut(x, y, w, k, string(l.text[from:]))
	if focus {
		c.Cursor(x+widget.Width(string(l.text[from:l.at])), y)
	}
}

// centred returns the rectangle of a dialog of the size on the canvas.
func centred(c *widget.Canvas, w, h int) *widget.Canvas {
	w, h = min(w, c.W), min(h, c.H)
	return c.Sub((c.W-w)/2, (c.H-h)/2, w, h)
}
