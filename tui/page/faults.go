package page

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Faults is what is broken on purpose, and below it the backends that can be
// broken: those whose process is the fleet's own.
type Faults struct {
	faults  Rows[api.Fault]
	targets Rows[api.Backend]
	pane    int // 0 the faults, 1 the targets
	seen    int
}

// NewFaults returns the page.
func NewFaults() *Faults {
	return &Faults{
		faults: Rows[api.Fault]{
			Tag:  "fault",
			Name: func(f *api.Fault) string { return f.ID },
			Ref:  func(f *api.Fault) id.Ref { return id.To(id.KindFault, f.ID) },
			Subject: func(f *api.Fault) Subject {
				return Subject{State: f.State, Word: string(f.State), Text: []string{f.ID, string(f.Kind), f.Target.String(), f.By, f.Reason}}
			},
		},
		targets: newBackendRows("target"),
		pane:    1,
	}
}

// Name implements Page.
func (*Faults) Name() string { return "faults" }

// Title implements Page.
func (*Faults) Title() (long, short string) { return "Faults", "Fault" }

// Scopes implements Page.
func (*Faults) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (*Faults) Crumb(*Context) string { return "" }

// Close implements Page.
func (*Faults) Close(*Context) bool { return false }

// Words implements Page.
func (*Faults) Words(*Context) []string { return []string{"get", "faults"} }

// Marked lists the marked backends.
func (p *Faults) Marked() []string {
	if p.pane == 1 {
		return p.targets.Marked()
	}
	return nil
}

func (p *Faults) make(x *Context) {
	p.faults.Make(x, x.Status.Faults, "", nil)
	p.targets.Make(x, x.Status.Backends, "", func(b *api.Backend) bool { return b.PID != 0 || faultOn(x.Status, b.Name) != nil })
}

func faultOn(s *api.Status, backend string) *api.Fault {
	for i := range s.Faults {
		if f := &s.Faults[i]; f.Target.Kind == id.KindBackend && f.Target.Name == backend {
			return f
		}
	}
	return nil
}

// Target implements Page.
func (p *Faults) Target(x *Context) id.Ref {
	p.make(x)
	if p.pane == 0 {
		if t := p.faults.Target(); !t.IsZero() {
			return t
		}
	}
	return p.targets.Target()
}

// Open implements Page.
func (p *Faults) Open(x *Context, ref id.Ref) bool {
	p.make(x)
	if ref.Kind == id.KindFault && p.faults.Select(ref.Name) {
		p.pane = 0
		return true
	}
	if ref.Kind == id.KindBackend && p.targets.Select(ref.Name) {
		p.pane = 1
		return true
	}
	return false
}

// Click implements Page.
func (p *Faults) Click(_ *Context, what string) bool {
	switch {
	case p.faults.Click(what):
		p.pane = 0
	case p.targets.Click(what):
		p.pane = 1
	default:
		return false
	}
	return true
}

// Do implements Page.
func (p *Faults) Do(x *Context, a keys.Action) bool {
	p.make(x)
	switch a {
	case keys.Pane, keys.PaneBack:
		p.pane = 1 - p.pane
		return true
	case keys.Open:
		t := p.Target(x)
		if t.Kind == id.KindFault {
			if f := p.faults.Selected(); f != nil {
				t = f.Target
			}
		}
		if t.IsZero() {
			return false
		}
		x.Goto(t)
		return true
	}
	if p.pane == 0 && len(p.faults.items) > 0 {
		return p.faults.Do(a, p.seen)
	}
	return p.targets.Do(a, p.seen)
}

// Draw implements Page.
func (p *Faults) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	stack(c, []block{
		{least: 2, want: 2 + max(len(p.faults.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawFaults(x, c) }},
		{least: 4, want: c.H, rank: 1, draw: func(c *widget.Canvas) { p.drawTargets(x, c) }},
	})
}

func (p *Faults) drawFaults(x *Context, c *widget.Canvas) {
	c.Rule(0, "IN FORCE", fmt.Sprint(len(x.Status.Faults)), "C takes one back")
	if len(x.Status.Faults) == 0 {
		c.Put(1, 1, theme.OK, '●')
		c.Cut(3, 1, c.W-4, theme.Dim, "nothing is broken on purpose")
		return
	}
	columns := []widget.Column{
		{Head: "  ", Width: theme.LookWidth},
		{Head: "ID", Width: 5},
		{Head: "TARGET", Width: 16, Grow: 3, GrowMax: 8 + nameMost},
		{Head: "FAULT", Width: 14, Grow: 1, GrowMax: 28},
		{Head: "BY", Width: 8, Grow: 1, GrowMax: 20, Drop: 2},
		{Head: "SINCE", Width: 8, Drop: 1},
		{Head: "UNTIL", Width: 19, Drop: 3},
		{Head: "REASON", Width: 12, Grow: 2, Drop: 4},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.faults.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 0, func(f *api.Fault, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.Look{Glyph: '▲', Word: "fault", Token: theme.Warn})
			case 1:
				c.Cut(at, 0, w, theme.Title, f.ID)
			case 2:
				c.Cut(at, 0, w, theme.Title, f.Target.String())
			case 3:
				c.Cut(at, 0, w, theme.Text, faultWords(f))
			case 4:
				c.Cut(at, 0, w, theme.Dim, f.By)
			case 5:
				c.Cut(at, 0, w, theme.Dim, Clock(f.Since))
			case 6:
				c.Cut(at, 0, w, theme.Dim, untilWords(x, f))
			case 7:
				c.Cut(at, 0, w, theme.Dim, f.Reason)
			}
		})
	})
}

// untilWords says when a fault ends.
func untilWords(x *Context, f *api.Fault) string {
	if f.Until.IsZero() {
		return "until it is cleared"
	}
	return "ends in " + widget.Age(f.Until.Sub(x.Now))
}

func (p *Faults) drawTargets(x *Context, c *widget.Canvas) {
	c.Rule(0, "WHAT CAN BE BROKEN", p.targets.Count(), "K kill · F freeze · S slow · T restart")
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "BACKEND", Width: p.targets.NameWidth(nameMost)},
		{Head: "POOL", Width: 12, Grow: 1, GrowMax: 24, Drop: 2},
		{Head: "PID", Width: 7, Right: true},
		{Head: "FLOWS", Width: 6, Right: true, Drop: 3},
		{Head: "REQ/S", Width: 7, Right: true},
		{Head: "P99 ms", Width: 6, Right: true, Drop: 4},
		{Head: "FAULT", Width: 12, Grow: 1},
		{Head: "OTHERS THAT SERVE", Width: 19, Drop: 1},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = c.H - 2
	serving := crews(x.Status)
	p.targets.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 1 || len(p.faults.items) == 0, func(b *api.Backend, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfBackend(b))
			case 1:
				c.Cut(at, 0, w, theme.Title, b.Name)
			case 2:
				c.Cut(at, 0, w, theme.Dim, b.Pool)
			case 3:
				if b.PID == 0 {
					c.Right(at, 0, w, theme.Crit, "dead")
				} else {
					c.Right(at, 0, w, theme.Text, fmt.Sprint(b.PID))
				}
			case 4:
				c.Right(at, 0, w, theme.Text, widget.Count(b.Traffic.Active))
			case 5:
				c.Right(at, 0, w, theme.Text, widget.Rate(b.Traffic.Requests))
			case 6:
				c.Right(at, 0, w, theme.Text, widget.Millis(b.Traffic.P99))
			case 7:
				if f := faultOn(x.Status, b.Name); f != nil {
					c.Cut(at, 0, w, theme.Warn, "▲ "+faultWords(f))
				}
			case 8:
				drawOthers(c, at, w, serving[b.Pool].without(b))
			}
		})
	})
}

// drawOthers says how many would be left if this backend went.
func drawOthers(c *widget.Canvas, at, w, left int) {
	switch left {
	case 0:
		c.Cut(at, 0, w, theme.Crit, "none: users feel it")
	case 1:
		c.Cut(at, 0, w, theme.Warn, "1")
	default:
		c.Cut(at, 0, w, theme.Text, fmt.Sprint(left))
	}
}
