package shot

import (
	"image/color"
	"io"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
)

// Cells is a screen: what an emulator and a frame's buffer both are.
type Cells interface {
	CellAt(x, y int) *uv.Cell
}

// EndAnswers ends what reads an emulator's answers. The emulator's own Close
// writes, without a lock, what such a reader reads.
func EndAnswers(em interface{ InputPipe() io.Writer }) {
	if c, ok := em.InputPipe().(io.Closer); ok {
		_ = c.Close()
	}
}

// rgb is a colour without transparency.
type rgb struct{ r, g, b uint8 }

func of(c color.Color) rgb {
	r, g, b, _ := c.RGBA()
	return rgb{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
}

// mix is part of the way from a to b.
func mix(a, b rgb, part float64) rgb {
	one := func(a, b uint8) uint8 { return uint8(float64(a) + part*(float64(b)-float64(a)) + 0.5) }
	return rgb{one(a.r, b.r), one(a.g, b.g), one(a.b, b.b)}
}

// ground is the terminal behind the cells.
type ground struct{ fg, bg, edge rgb }

// The two grounds. A page of either kind can show either of them: the screen has
// a background and an edge of its own.
var (
	dark  = ground{fg: rgb{0xd0, 0xd0, 0xd0}, bg: rgb{0x1c, 0x1c, 0x1c}, edge: rgb{0x44, 0x44, 0x44}}
	light = ground{fg: rgb{0x30, 0x30, 0x30}, bg: rgb{0xff, 0xff, 0xff}, edge: rgb{0xc0, 0xc0, 0xc0}}
)

// look is how a cell is painted.
type look struct {
	fg, bg    rgb
	bold      bool
	underline bool
}

// look resolves reverse video and faintness, which a picture does not have.
func (g ground) look(s uv.Style) look {
	l := look{fg: g.fg, bg: g.bg, bold: s.Attrs&uv.AttrBold != 0, underline: s.Underline != 0}
	if s.Fg != nil {
		l.fg = of(s.Fg)
	}
	if s.Bg != nil {
		l.bg = of(s.Bg)
	}
	if s.Attrs&uv.AttrReverse != 0 {
		l.fg, l.bg = l.bg, l.fg
	}
	if s.Attrs&uv.AttrFaint != 0 {
		l.fg = mix(l.fg, l.bg, 0.45)
	}
	return l
}

// at is the text and the look of a cell.
func at(c Cells, g ground, x, y int) (string, look) {
	cell := c.CellAt(x, y)
	if cell == nil {
		return " ", look{fg: g.fg, bg: g.bg}
	}
	if cell.Width == 0 || cell.Content == "" {
		return "", g.look(cell.Style)
	}
	return cell.Content, g.look(cell.Style)
}

// Text is the screen as lines of text, without blanks at their ends.
func Text(c Cells, w, h int) string {
	lines := make([]string, h)
	for y := range h {
		var b strings.Builder
		for x := range w {
			cell := c.CellAt(x, y)
			switch {
			case cell == nil:
				b.WriteByte(' ')
			case cell.Width == 0: // the right half of a wide one
			case cell.Content == "":
				b.WriteByte(' ')
			default:
				b.WriteString(cell.Content)
			}
		}
		lines[y] = strings.TrimRight(b.String(), " ")
	}
	return strings.Join(lines, "\n")
}
