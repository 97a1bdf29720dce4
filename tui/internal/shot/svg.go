package shot

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The measures of the picture in pixels. A cell of 14 pixel text in the usual
// monospace fonts is 0.6 em wide.
const (
	cellW, cellH = 8.4, 18.0
	fontSize     = 14
	baseline     = 13.5
	margin       = 14.0
	radius       = 8
)

// SVG draws w by h cells. title is what a reader who cannot see the picture is
// told.
func SVG(c Cells, w, h int, lightGround bool, title string) string {
	g := dark
	if lightGround {
		g = light
	}
	d := drawing{classes: map[string]string{}, fg: g.fg}
	for y := range h {
		d.row(c, g, w, y)
	}
	width, height := float64(w)*cellW+2*margin, float64(h)*cellH+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img">`+"\n", num(width), num(height), num(width), num(height))
	fmt.Fprintf(&b, "<title>%s</title>\n<style>text{font:%dpx ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',Consolas,monospace;fill:%s;white-space:pre}", escape(title), fontSize, hex(g.fg))
	b.WriteString(d.css.String())
	b.WriteString("</style>\n")
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%s" height="%s" rx="%d" fill="%s" stroke="%s"/>`+"\n", num(width-1), num(height-1), radius, hex(g.bg), hex(g.edge))
	fmt.Fprintf(&b, `<g transform="translate(%s %s)">`+"\n", num(margin), num(margin))
	b.WriteString(d.back.String())
	b.WriteString(d.front.String())
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// drawing is what is collected while going over the cells.
type drawing struct {
	fg          rgb
	css         strings.Builder
	classes     map[string]string // declaration to class
	back, front strings.Builder
}

// class names a declaration, once for all its uses.
func (d *drawing) class(declaration string) string {
	name, ok := d.classes[declaration]
	if !ok {
		name = fmt.Sprintf("c%d", len(d.classes))
		d.classes[declaration] = name
		fmt.Fprintf(&d.css, ".%s{%s}", name, declaration)
	}
	return name
}

// row draws one line of cells: runs of background, then shapes and words.
func (d *drawing) row(c Cells, g ground, w, y int) {
	type cell struct {
		text string
		look look
	}
	cells := make([]cell, w)
	for x := range w {
		cells[x].text, cells[x].look = at(c, g, x, y)
	}
	for x := 0; x < w; {
		end := x + 1
		for end < w && cells[end].look.bg == cells[x].look.bg {
			end++
		}
		if bg := cells[x].look.bg; bg != g.bg {
			d.rect(&d.back, bg, float64(x), float64(y), float64(end-x), 1)
		}
		x = end
	}
	for x := 0; x < w; {
		text, l := cells[x].text, cells[x].look
		if text == "" || text == " " {
			x++
			continue
		}
		end := x + 1
		if parts := shape(text); parts != nil {
			// A run of the same shape is one rectangle, so that no seam shows.
			for end < w && cells[end].text == text && cells[end].look == l && runs(parts) {
				end++
			}
			for _, p := range parts {
				if runs(parts) {
					p.w = float64(end - x)
				}
				d.rect(&d.front, l.fg, float64(x)+p.x, float64(y)+p.y, p.w, p.h)
			}
			x = end
			continue
		}
		var word strings.Builder
		word.WriteString(text)
		for end < w && cells[end].look == l && cells[end].text != " " && shape(cells[end].text) == nil {
			word.WriteString(cells[end].text)
			end++
		}
		d.word(word.String(), x, y, end-x, l)
		x = end
	}
}

func (d *drawing) rect(b *strings.Builder, k rgb, x, y, w, h float64) {
	fmt.Fprintf(b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", d.class("fill:"+hex(k)), num(x*cellW), num(y*cellH), num(w*cellW), num(h*cellH))
}

func (d *drawing) word(s string, x, y, cells int, l look) {
	var css string
	if l.fg != d.fg {
		css = "fill:" + hex(l.fg)
	}
	if l.bold {
		css += ";font-weight:700"
	}
	if l.underline {
		css += ";text-decoration:underline"
	}
	class := ""
	if css = strings.TrimPrefix(css, ";"); css != "" {
		class = fmt.Sprintf(` class="%s"`, d.class(css))
	}
	length := ""
	if utf8.RuneCountInString(s) > 1 {
		length = fmt.Sprintf(` textLength="%s" lengthAdjust="spacingAndGlyphs"`, num(float64(cells)*cellW))
	}
	fmt.Fprintf(&d.front, `<text%s x="%s" y="%s"%s>%s</text>`+"\n", class, num(float64(x)*cellW), num(float64(y)*cellH+baseline), length, escape(s))
}

// num writes a number as short as its hundredths allow.
func num(f float64) string {
	s := fmt.Sprintf("%.2f", f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func hex(c rgb) string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// escape makes text safe inside an element. Controls have no place in XML.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffe || r == 0xffff:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
