package page

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Backends is every backend of the fleet in one list, and below it why the
// selected one is as it is and how it does.
type Backends struct {
	rows Rows[api.Backend]
	seen int // rows of the list, for half pages
}

// NewBackends returns the page.
func NewBackends() *Backends { return &Backends{rows: newBackendRows("backend")} }

// Name implements Page.
func (*Backends) Name() string { return "backends" }

// Title implements Page.
func (*Backends) Title() (long, short string) { return "Backends", "Back" }

// Scopes implements Page.
func (*Backends) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (p *Backends) Crumb(*Context) string { return p.rows.List.Sel }

// Close implements Page.
func (*Backends) Close(*Context) bool { return false }

// Words implements Page.
func (*Backends) Words(*Context) []string { return []string{"get", "backends"} }

// Marked lists the marked backends.
func (p *Backends) Marked() []string { return p.rows.Marked() }

func (p *Backends) make(x *Context) { p.rows.Make(x, x.Status.Backends, "", nil) }

// Target implements Page.
func (p *Backends) Target(x *Context) id.Ref {
	p.make(x)
	return p.rows.Target()
}

// Open implements Page. A host is opened as a filter for its backends.
func (p *Backends) Open(x *Context, ref id.Ref) bool {
	if ref.Kind == id.KindHost {
		x.Filter = ParseFilter("host:" + ref.Name)
		p.make(x)
		return len(p.rows.items) > 0
	}
	p.make(x)
	return ref.Kind == id.KindBackend && p.rows.Select(ref.Name)
}

// Click implements Page.
func (p *Backends) Click(_ *Context, what string) bool { return p.rows.Click(what) }

// Do implements Page.
func (p *Backends) Do(x *Context, a keys.Action) bool {
	p.make(x)
	if a == keys.Open {
		if b := p.rows.Selected(); b != nil {
			x.Goto(id.To(id.KindPool, b.Pool))
			return true
		}
		return false
	}
	return p.rows.Do(a, p.seen)
}

// Draw implements Page.
func (p *Backends) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	list := block{least: 5, want: 2 + max(len(p.rows.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawList(x, c) }}
	b := p.rows.Selected()
	if b == nil || x.Wide || c.H < 16 {
		p.drawList(x, c)
		return
	}
	detail := min(whyRows(x, b), c.H/3)
	plots := 0
	if c.H-detail >= 22 {
		plots = min(max((c.H-detail)/4, 6), 14)
	}
	list.want = min(list.want, c.H-detail-plots)
	list.least = list.want
	stack(c, []block{
		list,
		{least: 3, want: detail, rank: 1, draw: func(c *widget.Canvas) { drawWhy(x, c, b) }},
		{least: 5, want: plots, rank: 2, draw: func(c *widget.Canvas) { drawPlots(c, 0, c.H, b.Name, &b.Trend) }},
	})
}

func (p *Backends) drawList(x *Context, c *widget.Canvas) {
	c.Rule(0, "BACKENDS", p.rows.Count(), fmt.Sprintf("s sort: %s", p.rows.OrderName()))
	columns := backendColumns(x, false, p.rows.NameWidth(nameMost))
	widths := fitBackends(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = c.H - 2
	p.rows.Draw(c.Sub(0, 2, c.W, c.H-2), true, func(b *api.Backend, c *widget.Canvas, _ bool) {
		drawBackend(x, c, b, widths)
	})
}
