package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Hosts is a fleet of agents by its machines: how each agent is and what its clock
// says, which groups agree on facts, and how the sites reach each other. A fleet
// that is one process has no such page.
type Hosts struct {
	hosts  Rows[api.Host]
	groups Rows[api.Group]
	links  Rows[api.Link]
	pane   int
	seen   int
}

// NewHosts returns the page.
func NewHosts() *Hosts {
	return &Hosts{
		hosts: Rows[api.Host]{
			Tag: "host", Name: func(h *api.Host) string { return h.Name }, Ref: func(h *api.Host) id.Ref { return id.To(id.KindHost, h.Name) },
			Subject: func(h *api.Host) Subject {
				return Subject{State: h.State, Word: string(h.Agent.State), Site: h.Site, Text: []string{h.Name, h.Site, string(h.Agent.State), h.Reason, h.Agent.Version}}
			},
		},
		groups: Rows[api.Group]{
			Tag: "group", Name: func(g *api.Group) string { return g.Name }, Ref: func(g *api.Group) id.Ref { return id.To(id.KindGroup, g.Name) },
			Subject: func(g *api.Group) Subject {
				return Subject{State: g.State, Word: string(g.State), Site: g.Site, Text: []string{g.Name, g.Leader, g.Reason}}
			},
		},
		links: Rows[api.Link]{
			Tag: "link", Name: func(l *api.Link) string { return l.Name }, Ref: func(l *api.Link) id.Ref { return id.To(id.KindLink, l.Name) },
			Subject: func(l *api.Link) Subject {
				return Subject{State: l.State, Word: string(l.State), Text: []string{l.Name, l.Reason}}
			},
		},
	}
}

// Name implements Page.
func (*Hosts) Name() string { return "hosts" }

// Title implements Page.
func (*Hosts) Title() (long, short string) { return "Hosts", "Host" }

// Scopes implements Page.
func (*Hosts) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (*Hosts) Crumb(*Context) string { return "" }

// Close implements Page.
func (*Hosts) Close(*Context) bool { return false }

// Words implements Page.
func (p *Hosts) Words(*Context) []string {
	return []string{"get", []string{"hosts", "groups", "links"}[p.pane]}
}

func (p *Hosts) make(x *Context) {
	p.hosts.Make(x, x.Status.Hosts, "", nil)
	p.groups.Make(x, x.Status.Groups, "", nil)
	p.links.Make(x, x.Status.Links, "", nil)
}

// Target implements Page.
func (p *Hosts) Target(x *Context) id.Ref {
	p.make(x)
	switch p.pane {
	case 1:
		return p.groups.Target()
	case 2:
		return p.links.Target()
	}
	return p.hosts.Target()
}

// Open implements Page.
func (p *Hosts) Open(x *Context, ref id.Ref) bool {
	p.make(x)
	switch {
	case ref.Kind == id.KindHost && p.hosts.Select(ref.Name):
		p.pane = 0
	case ref.Kind == id.KindGroup && p.groups.Select(ref.Name):
		p.pane = 1
	case ref.Kind == id.KindLink && p.links.Select(ref.Name):
		p.pane = 2
	default:
		return false
	}
	return true
}

// Click implements Page.
func (p *Hosts) Click(_ *Context, what string) bool {
	switch {
	case p.hosts.Click(what):
		p.pane = 0
	case p.groups.Click(what):
		p.pane = 1
	case p.links.Click(what):
		p.pane = 2
	default:
		return false
	}
	return true
}

// Do implements Page.
func (p *Hosts) Do(x *Context, a keys.Action) bool {
	p.make(x)
	switch a {
	case keys.Pane:
		p.pane = (p.pane + 1) % 3
		return true
	case keys.PaneBack:
		p.pane = (p.pane + 2) % 3
		return true
	}
	switch p.pane {
	case 1:
		return p.groups.Do(a, 5)
	case 2:
		return p.links.Do(a, 5)
	}
	return p.hosts.Do(a, p.seen)
}

// Draw implements Page.
func (p *Hosts) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	stack(c, []block{
		{least: 4, want: 2 + max(len(p.hosts.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawHosts(x, c) }},
		{least: 3, want: clip(len(p.groups.items), 2), rank: 1, draw: func(c *widget.Canvas) { p.drawGroups(c) }},
		{least: 3, want: clip(len(p.links.items), 2), rank: 2, draw: func(c *widget.Canvas) { p.drawLinks(c) }},
	})
}

func (p *Hosts) drawHosts(x *Context, c *widget.Canvas) {
	c.Rule(0, "HOSTS", p.hosts.Count(), Coordination(x.Status))
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "HOST", Width: p.hosts.NameWidth(nameMost)},
		{Head: "SITE", Width: 8, Grow: 1, GrowMax: 16, Drop: 3},
		{Head: "  AGENT", Width: theme.LookWidth},
		{Head: "REPORT", Width: 7, Right: true, Drop: 1},
		{Head: "CLOCK", Width: 8, Right: true, Drop: 2},
		{Head: "RTT", Width: 7, Right: true, Drop: 4},
		{Head: "VERSION", Width: 10, Drop: 6},
		{Head: "JOURNAL", Width: theme.LookWidth, Drop: 5},
		{Head: "BECAUSE", Width: 20, Grow: 5},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = max(c.H-2, 1)
	p.hosts.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 0, func(h *api.Host, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfState(h.State))
			case 1:
				c.Cut(at, 0, w, theme.Title, h.Name)
			case 2:
				c.Cut(at, 0, w, theme.Dim, h.Site)
			case 3:
				c.Say(at, 0, theme.OfAgent(h.Agent.State))
			case 4:
				drawAge(x, c, at, w, h.AsOf)
			case 5:
				drawOffset(c, at, w, &h.Agent)
			case 6:
				if h.Agent.RTT > 0 {
					c.Right(at, 0, w, theme.Text, widget.Took(h.Agent.RTT))
				}
			case 7:
				c.Cut(at, 0, w, theme.Dim, h.Agent.Version)
			case 8:
				if h.Agent.Journal != "" && h.Agent.Journal != api.StateUnknown {
					c.Say(at, 0, theme.OfState(h.Agent.Journal))
				}
			case 9:
				c.Cut(at, 0, w, theme.Text, h.Reason)
			}
		})
	})
}

// drawAge draws how old a host's report is.
func drawAge(x *Context, c *widget.Canvas, at, w int, asOf time.Time) {
	if asOf.IsZero() {
		c.Right(at, 0, w, theme.Warn, "never")
		return
	}
	age, k := max(x.Status.At.Sub(asOf), 0), theme.Text
	if age > 3*time.Second {
		k = theme.Warn
	}
	c.Right(at, 0, w, k, widget.Age(age))
}

// drawOffset draws how far a clock is off.
func drawOffset(c *widget.Canvas, at, w int, a *api.Agent) {
	if a.Measured.IsZero() {
		return
	}
	k := theme.Text
	if a.ClockOffset.Abs() > 250*time.Millisecond {
		k = theme.Warn
	}
	sign := "+"
	if a.ClockOffset < 0 {
		sign = "-"
	}
	c.Right(at, 0, w, k, sign+widget.Took(a.ClockOffset.Abs()))
}

func (p *Hosts) drawGroups(c *widget.Canvas) {
	c.Rule(0, "GROUPS", p.groups.Count(), "hosts that agree on facts")
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "GROUP", Width: p.groups.NameWidth(nameMost)},
		{Head: "VOTERS", Width: 6, Right: true},
		{Head: "NEED", Width: 4, Right: true, Drop: 2},
		{Head: "LEADER", Width: 10, Grow: 1, GrowMax: 20, Drop: 1},
		{Head: "TERM", Width: 6, Right: true, Drop: 4},
		{Head: "MEMBERS", Width: 20, Grow: 3, GrowMax: 48, Drop: 3},
		{Head: "BECAUSE", Width: 20, Grow: 5},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.groups.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 1, func(g *api.Group, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfState(g.State))
			case 1:
				c.Cut(at, 0, w, theme.Title, g.Name)
			case 2:
				ofAll(c, at, w, g.Active, g.Voters)
			case 3:
				c.Right(at, 0, w, theme.Text, fmt.Sprint(g.Need))
			case 4:
				if g.Leader == "" {
					c.Cut(at, 0, w, theme.Crit, "nobody")
					return
				}
				c.Cut(at, 0, w, theme.Text, g.Leader)
			case 5:
				c.Right(at, 0, w, theme.Dim, fmt.Sprint(g.Term))
			case 6:
				drawMembers(c, at, w, g)
			case 7:
				c.Cut(at, 0, w, theme.Text, g.Reason)
			}
		})
	})
}

// drawMembers draws who takes part in a group, those first who do not do as they
// should.
func drawMembers(c *widget.Canvas, at, w int, g *api.Group) {
	end := at + w
	for _, ill := range []bool{true, false} {
		for i := range g.Members {
			m := &g.Members[i]
			if (m.State != api.StateOK) != ill {
				continue
			}
			word := m.Host
			if m.Role != api.GroupVoter {
				word += " " + string(m.Role)
			}
			if m.Behind > 0 {
				word += fmt.Sprintf(" -%d", m.Behind)
			}
			look := theme.OfState(m.State)
			k := theme.Dim
			if ill {
				k = theme.Warn
				if m.State == api.StateDown {
					k = theme.Crit
				}
			}
			if at+4 > end {
				return
			}
			c.Put(at, 0, k, look.Glyph)
			at = c.Cut(at+1, 0, end-at-1, k, word) + 1
		}
	}
}

func (p *Hosts) drawLinks(c *widget.Canvas) {
	c.Rule(0, "LINKS", p.links.Count(), "between sites")
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "SITES", Width: 18, Grow: 1, GrowMax: 40},
		{Head: "RTT", Width: 7, Right: true, Drop: 2},
		{Head: "VIA", Width: 8, Grow: 1, GrowMax: 16, Drop: 1},
		{Head: "BECAUSE", Width: 20, Grow: 5},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.links.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 2, func(l *api.Link, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfState(l.State))
			case 1:
				c.Cut(at, 0, w, theme.Title, l.Sites[0]+" – "+l.Sites[1])
			case 2:
				if l.Latency > 0 {
					c.Right(at, 0, w, theme.Text, widget.Took(l.Latency))
				}
			case 3:
				c.Cut(at, 0, w, theme.Text, l.Via)
			case 4:
				c.Cut(at, 0, w, theme.Text, l.Reason)
			}
		})
	})
}

// Coordination says who keeps a picture of agents, and through whom one looks.
func Coordination(s *api.Status) string {
	if s.Coordinator.Host == "" {
		return ""
	}
	var b strings.Builder
	if s.Alone() {
		b.WriteString("no coordinator")
	} else {
		fmt.Fprintf(&b, "%s coordinates, epoch %d", s.Coordinator.Host, s.Coordinator.Epoch)
	}
	if s.Through != "" && (s.Alone() || s.Through != s.Coordinator.Host) {
		b.WriteString(" · seen through " + s.Through)
	}
	return b.String()
}
