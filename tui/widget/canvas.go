package widget

import (
	"strings"
	"unicode"

	"github.com/clipperhouse/displaywidth"

	"github.com/holdfast-edge/holdfast/tui/theme"
)

// Cell is one place on the screen. The rune 0 is the right half of a wide one.
type Cell struct {
	Rune  rune
	Token theme.Token
}

// Canvas is a rectangle of cells to draw on. A part of it, made with Sub, draws
// on the same cells and cannot draw outside itself.
type Canvas struct {
	W, H int
	x, y int // of this part on the whole
	grid *grid
}

type grid struct {
	w, h   int
	cells  []Cell
	hits   []Hit
	cursor [2]int
	shown  bool
}

// Hit is a rectangle that a mouse can meet and what it means.
type Hit struct {
	X, Y, W, H int
	What       string
}

// New returns a blank canvas.
func New(w, h int) *Canvas {
	c := &Canvas{W: max(w, 0), H: max(h, 0), grid: &grid{}}
	c.Reset(w, h)
	return c
}

// Reset makes the canvas blank, of the size given, and keeps its memory.
func (c *Canvas) Reset(w, h int) {
	c.W, c.H = max(w, 0), max(h, 0)
	c.x, c.y = 0, 0
	g := c.grid
	g.w, g.h, g.shown = c.W, c.H, false
	g.hits = g.hits[:0]
	n := c.W * c.H
	if cap(g.cells) < n {
		g.cells = make([]Cell, n)
	}
	g.cells = g.cells[:n]
	for i := range g.cells {
		g.cells[i] = Cell{Rune: ' '}
	}
}

// Sub returns the part of c from x, y, cut to what c has.
func (c *Canvas) Sub(x, y, w, h int) *Canvas {
	x, y = min(max(x, 0), c.W), min(max(y, 0), c.H)
	return &Canvas{W: max(min(w, c.W-x), 0), H: max(min(h, c.H-y), 0), x: c.x + x, y: c.y + y, grid: c.grid}
}

// Put sets one cell. Outside the canvas it does nothing.
func (c *Canvas) Put(x, y int, k theme.Token, r rune) {
	if x < 0 || y < 0 || x >= c.W || y >= c.H {
		return
	}
	c.grid.cells[(c.y+y)*c.grid.w+c.x+x] = Cell{r, k}
}

// At returns a cell, blank outside the canvas.
func (c *Canvas) At(x, y int) Cell {
	if x < 0 || y < 0 || x >= c.W || y >= c.H {
		return Cell{Rune: ' '}
	}
	return c.grid.cells[(c.y+y)*c.grid.w+c.x+x]
}

// Fill sets a rectangle.
func (c *Canvas) Fill(x, y, w, h int, k theme.Token, r rune) {
	for j := y; j < y+h; j++ {
		for i := x; i < x+w; i++ {
			c.Put(i, j, k, r)
		}
	}
}

// Recolour gives every cell the token: what is behind a dialog.
func (c *Canvas) Recolour(k theme.Token) {
	for y := range c.H {
		row := c.grid.cells[(c.y+y)*c.grid.w+c.x:][:c.W]
		for i := range row {
			row[i].Token = k
		}
	}
}

// Text writes s from x and returns the column after it. It is cut at the edge.
func (c *Canvas) Text(x, y int, k theme.Token, s string) int {
	return c.text(x, y, c.W-x, k, s, false)
}

// Cut writes s into w cells, with an ellipsis when it does not fit, and
// returns the column after what it wrote.
func (c *Canvas) Cut(x, y, w int, k theme.Token, s string) int {
	w = min(w, c.W-x)
	if w <= 0 {
		return x
	}
	return c.text(x, y, w, k, s, true)
}

// Right writes s so that it ends before x+w. What does not fit is left out
// whole: a number is never cut.
func (c *Canvas) Right(x, y, w int, k theme.Token, s string) {
	n := Width(s)
	if n > w {
		c.Put(x+w-1, y, theme.Dim, '…')
		return
	}
	c.Text(x+w-n, y, k, s)
}

func (c *Canvas) text(x, y, w int, k theme.Token, s string, mark bool) int {
	if y < 0 || y >= c.H || w <= 0 {
		return x
	}
	end := x + w
	for i, r := range s {
		r, n := clean(r)
		if n == 0 {
			continue
		}
		if x+n > end || mark && x+n == end && more(s[i:]) {
			if mark {
				c.Put(end-1, y, k, '…')
				for ; x < end-1; x++ {
					c.Put(x, y, k, ' ')
				}
				return end
			}
			return x
		}
		c.Put(x, y, k, r)
		if n == 2 {
			c.Put(x+1, y, k, 0)
		}
		x += n
	}
	return x
}

// more reports whether something visible follows the first rune of s.
func more(s string) bool {
	first := true
	for _, r := range s {
		if first {
			first = false
			continue
		}
		if _, n := clean(r); n > 0 {
			return true
		}
	}
	return false
}

// clean returns what is shown for a rune, and its width. Controls become a
// question mark, so that no escape sequence reaches the terminal; what joins
// with its neighbours is dropped or replaced, so that widths add up.
func clean(r rune) (rune, int) {
	switch {
	case r >= 0x20 && r < 0x7f:
		return r, 1
	case r < 0x20 || r >= 0x7f && r < 0xa0 || r == unicode.ReplacementChar:
		return '?', 1
	case r < 0x300 && r != 0xad:
		return r, 1
	case r >= 0x2500 && r < 0x2600 && r != 0x25fd && r != 0x25fe: // boxes, blocks, shapes
		return r, 1
	case unicode.In(r, unicode.M, unicode.Cf, unicode.Sk):
		return 0, 0
	case r >= 0x1100 && r < 0x1200, r >= 0xa960 && r < 0xa980, r >= 0xd7b0 && r < 0xd800, // jamo join
		r >= 0x1f1e6 && r < 0x1f200, // flags are pairs
		!unicode.IsPrint(r):
		return '?', 1
	}
	n := displaywidth.Rune(r)
	if n == 0 {
		return 0, 0
	}
	return r, min(n, 2)
}

// Width is the number of cells that s takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		_, w := clean(r)
		n += w
	}
	return n
}

// Hit remembers that the rectangle means what.
func (c *Canvas) Hit(x, y, w, h int, what string) {
	c.grid.hits = append(c.grid.hits, Hit{c.x + x, c.y + y, min(w, c.W-x), min(h, c.H-y), what})
}

// ClearHits forgets all hits: what is behind a dialog cannot be clicked.
func (c *Canvas) ClearHits() { c.grid.hits = c.grid.hits[:0] }

// HitAt returns what is at a place of the whole screen, the latest drawn first.
func (c *Canvas) HitAt(x, y int) string {
	for i := len(c.grid.hits) - 1; i >= 0; i-- {
		h := c.grid.hits[i]
		if x >= h.X && x < h.X+h.W && y >= h.Y && y < h.Y+h.H {
			return h.What
		}
	}
	return ""
}

// Cursor puts the terminal's cursor, so that a screen reader and a braille line
// follow the selection.
func (c *Canvas) Cursor(x, y int) {
	if x < 0 || y < 0 || x >= c.W || y >= c.H {
		return
	}
	c.grid.cursor, c.grid.shown = [2]int{c.x + x, c.y + y}, true
}

// CursorAt returns where the cursor is on the whole screen.
func (c *Canvas) CursorAt() (x, y int, shown bool) {
	return c.grid.cursor[0], c.grid.cursor[1], c.grid.shown
}

// Encode returns the canvas as the terminal reads it: exactly H lines.
func (c *Canvas) Encode(t *theme.Theme) string {
	var b strings.Builder
	b.Grow(c.W*c.H + c.W*c.H/2)
	for y := range c.H {
		if y > 0 {
			b.WriteByte('\n')
		}
		row := c.grid.cells[(c.y+y)*c.grid.w+c.x:][:c.W]
		end := len(row)
		for end > 0 && row[end-1].Rune == ' ' && theme.Plain(row[end-1].Token) {
			end--
		}
		last, styled := theme.Text, false
		for _, cell := range row[:end] {
			if cell.Token != last && (cell.Rune != ' ' || !theme.Plain(cell.Token) || !theme.Plain(last)) {
				b.WriteString(t.Prefix(cell.Token))
				last, styled = cell.Token, cell.Token != theme.Text
			}
			switch {
			case cell.Rune == 0:
				if t.ASCII {
					b.WriteByte(' ')
				}
			case t.ASCII:
				b.WriteByte(byte(theme.ASCIIGlyph(cell.Rune)))
			case cell.Rune < 0x80:
				b.WriteByte(byte(cell.Rune))
			default:
				b.WriteRune(cell.Rune)
			}
		}
		if styled {
			b.WriteString("\x1b[m")
		}
	}
	return b.String()
}

// Plain returns the canvas as text, without colours, trailing blanks kept off.
func (c *Canvas) Plain() string {
	var b strings.Builder
	for y := range c.H {
		if y > 0 {
			b.WriteByte('\n')
		}
		var line strings.Builder
		for x := range c.W {
			if r := c.At(x, y).Rune; r != 0 {
				line.WriteRune(r)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
	}
	return b.String()
}
