package shot

// part is a rectangle in parts of a cell.
type part struct{ x, y, w, h float64 }

// Thin lines are a tenth of a cell's width, thick ones twice that; both are
// given in parts of a cell, whose height is about twice its width.
const (
	thinH, thinV   = 0.06, 0.13
	thickH, thickV = 0.13, 0.26
)

var shapes = map[string][]part{
	"─": {{0, 0.5 - thinH/2, 1, thinH}}, "━": {{0, 0.5 - thickH/2, 1, thickH}},
	"│": {{0.5 - thinV/2, 0, thinV, 1}}, "┃": {{0.5 - thickV/2, 0, thickV, 1}},
	"╸": {{0, 0.5 - thickH/2, 0.5, thickH}},
	"╭": corner(0.5, 0.5), "╮": corner(0, 0.5), "╰": corner(0.5, 0), "╯": corner(0, 0),
	"├": {{0.5 - thinV/2, 0, thinV, 1}, {0.5, 0.5 - thinH/2, 0.5, thinH}},
	"┤": {{0.5 - thinV/2, 0, thinV, 1}, {0, 0.5 - thinH/2, 0.5, thinH}},
	"▁": {{0, 7. / 8, 1, 1. / 8}}, "▂": {{0, 6. / 8, 1, 2. / 8}}, "▃": {{0, 5. / 8, 1, 3. / 8}}, "▄": {{0, 0.5, 1, 0.5}},
	"▅": {{0, 3. / 8, 1, 5. / 8}}, "▆": {{0, 2. / 8, 1, 6. / 8}}, "▇": {{0, 1. / 8, 1, 7. / 8}}, "█": {{0, 0, 1, 1}},
	"▀": {{0, 0, 1, 0.5}}, "▌": {{0, 0, 0.5, 1}}, "▏": {{0, 0, 1. / 8, 1}},
	"░": shade(0.18), "▓": {{0, 0, 1, 1}},
}

// corner is two short lines that meet in the middle; x and y say where the
// lines go from there.
func corner(x, y float64) []part {
	return []part{{x, 0.5 - thinH/2, 0.5, thinH}, {0.5 - thinV/2, y, thinV, 0.5}}
}

// shade is four dots of a size.
func shade(size float64) []part {
	var all []part
	for _, x := range []float64{0.16, 0.66} {
		for _, y := range []float64{0.22, 0.72} {
			all = append(all, part{x, y, size, size / 2})
		}
	}
	return all
}

// shape returns the rectangles of a glyph, nil for one that is text.
func shape(text string) []part { return shapes[text] }

// runs reports whether equal neighbours join to one rectangle.
func runs(parts []part) bool { return len(parts) == 1 && parts[0].x == 0 && parts[0].w == 1 }
