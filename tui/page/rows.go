package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Order is one way to sort a list.
type Order[T any] struct {
	Name string
	Less func(a, b *T) int
}

// Rows is a list of things of one kind with filter, order and selection. The
// rows are made again only when the picture, the filter or the order changed.
type Rows[T any] struct {
	Tag     string // tells this list's rows from another's under the mouse
	Name    func(*T) string
	Ref     func(*T) id.Ref
	Subject func(*T) Subject
	Orders  []Order[T]

	List    widget.List
	order   int
	reverse bool
	made    made
	items   []*T
	longest int // the widest name of the items
	total   int
}

type made struct {
	status  *api.Status
	filter  string
	order   int
	reverse bool
	hideOK  bool
	sub     string
}

// Make returns the rows that are to be seen. sub names a part of all, so that
// another part is made again.
func (r *Rows[T]) Make(x *Context, all []T, sub string, keep func(*T) bool) []*T {
	m := made{x.Status, x.Filter.Text, r.order, r.reverse, x.HideOK, sub}
	if r.made == m {
		return r.items
	}
	r.made, r.items, r.total, r.longest = m, r.items[:0], 0, 0
	for i := range all {
		t := &all[i]
		if keep != nil && !keep(t) {
			continue
		}
		r.total++
		if x.HideOK || len(x.Filter.terms) > 0 { // it costs too much to be made for nothing
			s := r.Subject(t)
			if x.HideOK && s.State == api.StateOK || !x.Filter.Match(s) {
				continue
			}
		}
		r.items = append(r.items, t)
		r.longest = max(r.longest, widget.Width(r.Name(t)))
	}
	if len(r.Orders) > 0 {
		less := r.Orders[r.order].Less
		sign := 1
		if r.reverse {
			sign = -1
		}
		slices.SortStableFunc(r.items, func(a, b *T) int {
			return sign * cmp.Or(less(a, b), strings.Compare(r.Name(a), r.Name(b)))
		})
	}
	return r.items
}

// NameWidth is the width of a column for the names: no name is cut that is at
// most most cells wide, and no cell is wasted on shorter ones.
func (r *Rows[T]) NameWidth(most int) int { return min(max(r.longest, 8), most) }

func (r *Rows[T]) key(i int) string { return r.Name(r.items[i]) }

// Selected is the selected thing, nil without any.
func (r *Rows[T]) Selected() *T {
	if i := r.List.Find(len(r.items), r.key); i >= 0 {
		return r.items[i]
	}
	return nil
}

// Target is the selected thing.
func (r *Rows[T]) Target() id.Ref {
	if t := r.Selected(); t != nil {
		return r.Ref(t)
	}
	return id.Ref{}
}

// Count writes how many there are, and how many of them are seen.
func (r *Rows[T]) Count() string {
	if len(r.items) == r.total {
		return fmt.Sprint(r.total)
	}
	return fmt.Sprintf("%d of %d", len(r.items), r.total)
}

// OrderName is the name of the order.
func (r *Rows[T]) OrderName() string {
	if len(r.Orders) == 0 {
		return ""
	}
	if r.reverse {
		return r.Orders[r.order].Name + ", reversed"
	}
	return r.Orders[r.order].Name
}

// Click selects the row that a mouse met, and reports whether it is one of
// this list.
func (r *Rows[T]) Click(what string) bool {
	name, ok := strings.CutPrefix(what, "row:"+r.Tag+":")
	if ok {
		r.List.Sel = name
	}
	return ok
}

// Select selects by name and reports whether the list has it.
func (r *Rows[T]) Select(name string) bool {
	for i := range r.items {
		if r.key(i) == name {
			r.List.Sel = name
			return true
		}
	}
	return false
}

// Do moves, sorts and marks.
func (r *Rows[T]) Do(a keys.Action, page int) bool {
	n := len(r.items)
	r.List.Find(n, r.key)
	switch a {
	case keys.Up:
		r.List.Move(-1, n, r.key)
	case keys.Down:
		r.List.Move(1, n, r.key)
	case keys.First:
		r.List.Move(-n, n, r.key)
	case keys.Last:
		r.List.Move(n, n, r.key)
	case keys.PageUp:
		r.List.Move(-max(page/2, 1), n, r.key)
	case keys.PageDown:
		r.List.Move(max(page/2, 1), n, r.key)
	case keys.Sort:
		if len(r.Orders) < 2 {
			return false
		}
		r.order = (r.order + 1) % len(r.Orders)
	case keys.Reverse:
		r.reverse = !r.reverse
	case keys.Mark:
		r.List.Mark()
		r.List.Move(1, n, r.key)
	default:
		return false
	}
	return true
}

// Draw draws the rows that fit, each by row, which is given the canvas of one
// line. The selected line has a bar at its left and, when focus is on this
// list, the cursor.
func (r *Rows[T]) Draw(c *widget.Canvas, focus bool, row func(t *T, c *widget.Canvas, selected bool)) {
	sel, top := r.List.Sync(len(r.items), c.H, r.key)
	for y := 0; y < c.H && top+y < len(r.items); y++ {
		t := r.items[top+y]
		line := c.Sub(1, y, c.W-2, 1)
		name := r.Name(t)
		row(t, line, top+y == sel)
		c.Hit(0, y, c.W, 1, "row:"+r.Tag+":"+name)
		if r.List.Marks[name] {
			c.Put(0, y, theme.Accent, '✓')
		}
		if top+y == sel {
			if focus {
				c.Put(0, y, theme.Accent, '▌')
				c.Cursor(0, y)
			} else {
				c.Put(0, y, theme.Faint, '▏') // another shape: not by colour alone
			}
		}
	}
	if len(r.items) > c.H && c.H > 0 { // how far down, at the right edge
		at := 0
		if len(r.items) > c.H {
			at = top * (c.H - 1) / (len(r.items) - c.H)
		}
		c.Put(c.W-1, at, theme.Dim, '┃')
	}
	if len(r.items) == 0 && c.H > 0 {
		what := "none"
		if r.total > 0 {
			what = "none of " + fmt.Sprint(r.total) + " fits the filter · esc clears it · . shows the healthy"
		}
		c.Cut(3, 0, c.W-4, theme.Dim, what)
	}
}

// Marked lists the marked things that are still there.
func (r *Rows[T]) Marked() []string {
	var all []string
	for i := range r.items {
		if r.List.Marks[r.key(i)] {
			all = append(all, r.key(i))
		}
	}
	return all
}
