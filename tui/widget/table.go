package widget

import "github.com/holdfast-edge/holdfast/tui/theme"

// Column of a table. Columns with Drop 0 are always there; the others leave in
// the order of Drop, largest first, when the table is too narrow.
type Column struct {
	Head  string
	Width int
	Right bool
	Drop  int
	// Grow lets the column take what is left over, in this proportion.
	Grow int
	// GrowMax is the widest it may get; 0: no limit.
	GrowMax int
}

// gap is the number of cells between two columns.
const gap = 2

// Fit returns the width of each column in a table w wide; 0 for those that
// left.
func Fit(columns []Column, w int) []int {
	widths := make([]int, len(columns))
	total := -gap
	for i, col := range columns {
		widths[i] = col.Width
		total += col.Width + gap
	}
	for total > w {
		out := -1
		for i, col := range columns {
			if widths[i] > 0 && col.Drop > 0 && (out < 0 || col.Drop > columns[out].Drop) {
				out = i
			}
		}
		if out < 0 {
			break
		}
		total -= widths[out] + gap
		widths[out] = 0
	}
	for i := len(columns) - 1; total > w && i >= 0; i-- { // nothing more can leave: cut the last ones
		cut := min(total-w, widths[i])
		widths[i] -= cut
		total -= cut
	}
	for left := w - total; left > 0; {
		parts := 0
		for i, col := range columns {
			if widths[i] > 0 && col.Grow > 0 && (col.GrowMax == 0 || widths[i] < col.GrowMax) {
				parts += col.Grow
			}
		}
		if parts == 0 {
			break
		}
		given := 0
		for i, col := range columns {
			if widths[i] == 0 || col.Grow == 0 || col.GrowMax > 0 && widths[i] >= col.GrowMax || given >= left {
				continue
			}
			more := min(max(left*col.Grow/parts, 1), left-given)
			if col.GrowMax > 0 {
				more = min(more, col.GrowMax-widths[i])
			}
			widths[i] += more
			given += more
		}
		left -= given
	}
	return widths
}

// Heads draws the heads of a table from x.
func (c *Canvas) Heads(x, y int, columns []Column, widths []int) {
	for i, col := range columns {
		if widths[i] == 0 {
			continue
		}
		if col.Right {
			c.Right(x, y, widths[i], theme.Dim, col.Head)
		} else {
			c.Cut(x, y, widths[i], theme.Dim, col.Head)
		}
		x += widths[i] + gap
	}
}

// Row calls draw for every column that is there.
func Row(x int, widths []int, draw func(column, x, w int)) {
	for i, w := range widths {
		if w > 0 {
			draw(i, x, w)
			x += w + gap
		}
	}
}

// List is which row of a table is selected and which are seen. The selection
// is kept by id, so that it stays on its thing when the order changes.
type List struct {
	Sel   string
	at    int
	top   int
	Marks map[string]bool
}

// Sync tells the list what there is and how many rows are seen. It returns the
// index of the selected one, -1 without any, and the first that is seen.
func (l *List) Sync(n, rows int, key func(int) string) (sel, top int) {
	if n == 0 {
		l.Sel, l.at, l.top = "", 0, 0
		return -1, 0
	}
	if l.at >= n || l.at < 0 || key(l.at) != l.Sel {
		found := false
		if l.Sel != "" {
			for i := range n {
				if key(i) == l.Sel {
					l.at, found = i, true
					break
				}
			}
		}
		if !found {
			l.at = min(max(l.at, 0), n-1)
			l.Sel = key(l.at)
		}
	}
	rows = max(rows, 1)
	l.top = min(l.top, l.at, max(n-rows, 0))
	l.top = max(l.top, l.at-rows+1, 0)
	return l.at, l.top
}

// Find returns the index of the selected one as Sync does, and leaves what is
// seen as it is.
func (l *List) Find(n int, key func(int) string) int {
	top := l.top
	sel, _ := l.Sync(n, max(n, 1), key)
	l.top = top
	return sel
}

// Move goes by rows. Sync must have been called with the same things.
func (l *List) Move(by, n int, key func(int) string) {
	if n == 0 {
		return
	}
	l.at = min(max(l.at+by, 0), n-1)
	l.Sel = key(l.at)
}

// Mark marks the selected row or takes the mark away.
func (l *List) Mark() {
	if l.Sel == "" {
		return
	}
	if l.Marks == nil {
		l.Marks = map[string]bool{}
	}
	if l.Marks[l.Sel] {
		delete(l.Marks, l.Sel)
	} else {
		l.Marks[l.Sel] = true
	}
}
