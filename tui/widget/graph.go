package widget

import (
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/tui/theme"
)

var eighths = [9]rune{' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}

// Tail returns the newest n values, oldest first.
func Tail(values []float32, n int) []float32 {
	if n < 0 {
		n = 0
	}
	if len(values) > n {
		return values[len(values)-n:]
	}
	return values
}

// Top is the largest of values, 0 without any.
func Top(values []float32) float64 {
	top := 0.0
	for _, v := range values {
		if f := float64(v); f > top && !math.IsInf(f, 0) {
			top = f
		}
	}
	return top
}

// Spark draws the newest w values as one row, the newest at the right. The
// scale begins at zero: a small change of a large number looks small.
func (c *Canvas) Spark(x, y, w int, values []float32) {
	values = Tail(values, w)
	top := Top(values)
	x += w - len(values)
	for i, v := range values {
		level := 1
		if top > 0 && v > 0 {
			level = 1 + int(float64(v)/top*7+0.5)
		}
		c.Put(x+i, y, theme.Spark, eighths[min(max(level, 1), 8)])
	}
}

// Area draws the newest w values h rows high, the newest at the right, with
// top as the height of the whole; the largest is used when top is 0. Values
// above limit are drawn as a warning; 0 is no limit.
func (c *Canvas) Area(x, y, w, h int, values []float32, top, limit float64) {
	values = Tail(values, w)
	if top <= 0 {
		top = Top(values)
	}
	x += w - len(values)
	for i, v := range values {
		full := 0
		if top > 0 && v > 0 {
			full = max(int(float64(v)/top*float64(h*8)+0.5), 1)
		}
		k := theme.Spark
		if limit > 0 && float64(v) > limit {
			k = theme.Warn
		}
		for row := range h {
			level := min(max(full-(h-1-row)*8, 0), 8)
			if level > 0 {
				c.Put(x+i, y+row, k, eighths[level])
			}
		}
	}
}

// Bar draws part of w as a thick line and the rest as a thin one.
func (c *Canvas) Bar(x, y, w int, k theme.Token, part float64) {
	if math.IsNaN(part) {
		part = 0
	}
	half := int(min(max(part, 0), 1)*float64(2*w) + 0.5)
	for i := range w {
		switch {
		case half >= 2*i+2:
			c.Put(x+i, y, k, '━')
		case half == 2*i+1:
			c.Put(x+i, y, k, '╸')
		default:
			c.Put(x+i, y, theme.Faint, '─')
		}
	}
}

// Strip draws probe results: '.' pass, '^' slow, 'X' fail, '_' not yet; the
// newest w of them, the newest at the right.
func (c *Canvas) Strip(x, y, w int, s string) {
	if len(s) > w {
		s = s[len(s)-w:]
	}
	x += w - len(s)
	for i := range len(s) {
		k, r := theme.Dim, '·'
		switch s[i] {
		case '^':
			k, r = theme.Warn, '▵'
		case 'X':
			k, r = theme.Crit, '✗'
		case '_':
			k, r = theme.Faint, '░'
		case '.':
		default:
			k, r = theme.Warn, '?'
		}
		c.Put(x+i, y, k, r)
	}
}

// Mark is one event on a lane.
type Mark struct {
	At    time.Time
	Rune  rune
	Token theme.Token
	Rank  int // the higher one is seen when two meet in a column
}

// Lane draws marks on w columns that end at now, each column long.
func (c *Canvas) Lane(x, y, w int, now time.Time, column time.Duration, marks []Mark) {
	c.Fill(x, y, w, 1, theme.Faint, '·')
	ranks := make([]int, w)
	for _, m := range marks {
		back := int(now.Sub(m.At) / column)
		if now.Before(m.At) {
			back = 0
		}
		col := w - 1 - back
		if col < 0 || col >= w || m.Rank+1 < ranks[col] {
			continue
		}
		ranks[col] = m.Rank + 1
		c.Put(x+col, y, m.Token, m.Rune)
	}
}

// Rule draws ── TITLE  extra ───── right, the head of a section.
func (c *Canvas) Rule(y int, title, extra, right string) {
	c.Fill(0, y, c.W, 1, theme.Faint, '─')
	x := 2
	if title != "" {
		c.Put(x, y, theme.Faint, ' ')
		x = c.Cut(x+1, y, c.W-4, theme.Title, title)
		if extra != "" && x+4 < c.W {
			c.Text(x, y, theme.Dim, "  ")
			x = c.Cut(x+2, y, c.W-x-4, theme.Dim, extra)
		}
		c.Put(x, y, theme.Faint, ' ')
	}
	if n := Width(right); right != "" && x+n+5 < c.W {
		c.Put(c.W-n-3, y, theme.Faint, ' ')
		c.Text(c.W-n-2, y, theme.Dim, right)
		c.Put(c.W-2, y, theme.Faint, ' ')
	}
}

// Say draws a state: glyph and word. A badge is filled.
func (c *Canvas) Say(x, y int, l theme.Look) int {
	c.Put(x, y, l.Token, l.Glyph)
	c.Put(x+1, y, l.Token, ' ')
	c.Text(x+2, y, l.Token, l.Word)
	return x + 2 + theme.WordWidth
}

// Box draws a frame and blanks what is inside it.
func (c *Canvas) Box(x, y, w, h int, k theme.Token) {
	c.Fill(x, y, w, h, theme.Text, ' ')
	c.Fill(x+1, y, w-2, 1, k, '─')
	c.Fill(x+1, y+h-1, w-2, 1, k, '─')
	c.Fill(x, y+1, 1, h-2, k, '│')
	c.Fill(x+w-1, y+1, 1, h-2, k, '│')
	c.Put(x, y, k, '╭')
	c.Put(x+w-1, y, k, '╮')
	c.Put(x, y+h-1, k, '╰')
	c.Put(x+w-1, y+h-1, k, '╯')
}
