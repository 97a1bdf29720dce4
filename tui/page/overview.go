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

// Overview is the first page: what needs a person; where; what happened when;
// what the last drills measured; what is under way; what changed and why.
type Overview struct {
	needs Rows[api.Problem]
	sites Rows[api.Site]
	pane  int // 0 needs, 1 sites
}

// NewOverview returns the page.
func NewOverview() *Overview {
	return &Overview{
		needs: Rows[api.Problem]{
			Tag:     "needs",
			Name:    func(p *api.Problem) string { return p.Subject.String() },
			Ref:     func(p *api.Problem) id.Ref { return p.Subject },
			Subject: problemSubject,
		},
		sites: Rows[api.Site]{
			Tag:  "site",
			Name: func(s *api.Site) string { return s.Name },
			Ref:  func(s *api.Site) id.Ref { return id.To(id.KindSite, s.Name) },
			Subject: func(s *api.Site) Subject {
				return Subject{State: s.State, Word: theme.OfState(s.State).Word, Site: s.Name, Text: []string{s.Name, s.Title, s.Reason}}
			},
			Orders: []Order[api.Site]{{"worst", func(a, b *api.Site) int { return b.State.Severity() - a.State.Severity() }}, {"name", func(_, _ *api.Site) int { return 0 }}},
		},
	}
}

func problemSubject(p *api.Problem) Subject {
	return Subject{State: p.State, Word: theme.OfState(p.State).Word, Site: p.Site, Text: []string{p.Subject.String(), p.Text, p.Effect}}
}

// Name implements Page.
func (*Overview) Name() string { return "overview" }

// Title implements Page.
func (*Overview) Title() (long, short string) { return "Overview", "Over" }

// Scopes implements Page.
func (*Overview) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (*Overview) Crumb(*Context) string { return "" }

// Close implements Page.
func (*Overview) Close(*Context) bool { return false }

// Words implements Page.
func (*Overview) Words(*Context) []string { return []string{"get", "sites"} }

// Target implements Page.
func (p *Overview) Target(x *Context) id.Ref {
	p.make(x)
	if p.pane == 1 || len(p.needs.items) == 0 {
		return p.sites.Target()
	}
	return p.needs.Target()
}

// Open implements Page.
func (p *Overview) Open(x *Context, ref id.Ref) bool {
	p.make(x)
	switch ref.Kind {
	case id.KindSite:
		p.pane = 1
		return p.sites.Select(ref.Name)
	case id.KindFleet:
		return true
	case id.KindHost, id.KindListener, id.KindPool, id.KindBackend, id.KindClients, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup:
	}
	return false
}

// Click implements Page.
func (p *Overview) Click(_ *Context, what string) bool {
	if p.needs.Click(what) {
		p.pane = 0
		return true
	}
	if p.sites.Click(what) {
		p.pane = 1
		return true
	}
	return false
}

// Do implements Page.
func (p *Overview) Do(x *Context, a keys.Action) bool {
	p.make(x)
	switch a {
	case keys.Pane, keys.PaneBack:
		p.pane = 1 - p.pane
		return true
	case keys.Open:
		if t := p.Target(x); !t.IsZero() {
			x.Goto(t)
			return true
		}
		return false
	}
	if p.pane == 1 || len(p.needs.items) == 0 {
		return p.sites.Do(a, 10)
	}
	return p.needs.Do(a, 10)
}

func (p *Overview) make(x *Context) {
	p.needs.Make(x, x.Status.Problems, "", nil)
	p.sites.Make(x, x.Status.Sites, "", nil)
}

// Draw implements Page.
func (p *Overview) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	s := x.Status
	side := (*widget.Canvas)(nil)
	if c.W >= 160 {
		w := min(c.W*2/5, 90)
		side = c.Sub(c.W-w, 0, w, c.H)
		c.Fill(c.W-w-1, 0, 1, c.H, theme.Faint, '│')
		c = c.Sub(0, 0, c.W-w-1, c.H)
	}
	running := underWay(x)
	laneRows := len(laneNames) + 3
	if c.W < 110 && c.H < 30 {
		laneRows = LaneRows(c.W) // several lanes in a row, nothing blank
	}
	blocks := []block{
		{least: 1 + min(max(len(p.needs.items), 1), max(c.H/5, 3)), want: 1 + max(len(p.needs.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawNeeds(x, c) }},
		{least: 2 + min(max(len(s.Sites), 1), 3), want: 2 + max(len(s.Sites), 1), rank: 1, draw: func(c *widget.Canvas) { p.drawSites(x, c) }},
		{least: 3, want: laneRows, rank: 3, draw: func(c *widget.Canvas) {
			if c.W < 110 {
				DrawLanes(x, c)
				return
			}
			left := c.W * 3 / 5
			DrawLanes(x, c.Sub(0, 0, left-1, c.H))
			c.Fill(left-1, 0, 1, c.H, theme.Faint, '│')
			DrawMeasured(x, c.Sub(left, 0, c.W-left, c.H))
		}},
		{least: 2, want: clip(len(running), 1), rank: 2, draw: func(c *widget.Canvas) { drawUnderWay(x, c, running) }},
	}
	if c.W < 110 {
		blocks = append(blocks, block{least: 2, want: clip(min(len(s.Drills), 4), 2), rank: 4, draw: func(c *widget.Canvas) { DrawMeasured(x, c) }})
	}
	clients := block{least: 3, want: clip(len(s.Clients), 2), rank: 6, draw: func(c *widget.Canvas) { drawClients(x, c) }}
	latest := block{least: 3, want: 6, rank: 5, draw: func(c *widget.Canvas) { drawLatest(x, c) }}
	if side != nil {
		stack(side, []block{latest})
		stack(c, append(blocks, clients))
		return
	}
	stack(c, append(blocks, clients, latest))
}

// clip is the height of a block with n rows and heads; none without rows.
func clip(n, heads int) int {
	if n == 0 {
		return 0
	}
	return n + heads
}

func (p *Overview) drawNeeds(x *Context, c *widget.Canvas) {
	open := len(x.Status.Problems)
	extra := ""
	if open > 0 {
		extra = fmt.Sprintf("%s open", p.needs.Count())
	}
	c.Rule(0, "NEEDS YOU", extra, "worst first")
	if open == 0 {
		c.Put(1, 1, theme.OK, '●')
		c.Cut(3, 1, c.W-4, theme.Dim, "nothing: all is as it should be")
		return
	}
	name := 0
	for _, q := range p.needs.items {
		name = max(name, min(widget.Width(q.Subject.Name), nameMost))
	}
	columns := []widget.Column{
		{Width: theme.LookWidth},
		{Width: 8, Drop: 5},
		{Width: name},
		{Width: 24, Grow: 5},
		{Width: 26, Grow: 3, Drop: 3},
		{Width: 8, Drop: 2},
		{Width: 10, Drop: 6},
	}
	widths := widget.Fit(columns, c.W-2)
	seen := c.Sub(0, 1, c.W, c.H-1)
	p.needs.Draw(seen, p.pane == 0 || len(p.sites.items) == 0, func(q *api.Problem, c *widget.Canvas, _ bool) {
		look := theme.OfState(q.State)
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, look)
			case 1:
				c.Cut(at, 0, w, theme.Title, string(q.Subject.Kind))
			case 2:
				c.Cut(at, 0, w, theme.Title, q.Subject.Name)
			case 3:
				c.Cut(at, 0, w, theme.Text, q.Text)
			case 4:
				c.Cut(at, 0, w, theme.Dim, q.Effect)
			case 5:
				c.Cut(at, 0, w, theme.Text, Clock(q.Since))
			case 6:
				c.Cut(at, 0, w, theme.Dim, "→ "+PageOf(x.Status, q.Subject.Kind))
			}
		})
	})
	if hidden := len(p.needs.items) - seen.H; hidden > 0 {
		c.Rule(0, "NEEDS YOU", extra, fmt.Sprintf("%d more · ! walks them", hidden))
	}
}

// PageOf is the name of the page that shows a kind of thing.
func PageOf(s *api.Status, k id.Kind) string {
	switch k {
	case id.KindHost:
		if s.Agents() {
			return "hosts"
		}
		return "backends"
	case id.KindLink, id.KindGroup:
		return "hosts"
	case id.KindBackend:
		return "backends"
	case id.KindPool, id.KindListener, id.KindClients:
		return "pools"
	case id.KindDrill:
		return "drills"
	case id.KindFault:
		return "faults"
	case id.KindFleet, id.KindSite:
	}
	return "overview"
}

func (p *Overview) drawSites(x *Context, c *widget.Canvas) {
	c.Rule(0, "SITES", p.sites.Count(), "last 16 min")
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "SITE", Width: 8, Grow: 1, GrowMax: 22},
		{Head: "HOSTS", Width: 5, Right: true, Drop: 4},
		{Head: "POOLS", Width: 5, Right: true, Drop: 2},
		{Head: "BACKENDS", Width: 8, Right: true, Drop: 3},
		{Head: "REQ/S", Width: 8, Grow: 2, GrowMax: 32, Drop: 5},
		{Width: 7, Right: true},
		{Head: "P99 ms", Width: 8, Grow: 2, GrowMax: 32, Drop: 7},
		{Width: 5, Right: true, Drop: 1},
		{Head: "ERR %", Width: 5, Right: true, Drop: 1},
	}
	widths := widget.Fit(columns, c.W-2)
	if widths[5] == 0 {
		columns[6].Head = "REQ/S"
	}
	if widths[7] == 0 {
		columns[8].Head = "P99"
	}
	c.Heads(1, 1, columns, widths)
	p.sites.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 1 || len(p.needs.items) == 0, func(s *api.Site, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfState(s.State))
			case 1:
				end := c.Cut(at, 0, w, theme.Title, s.Name)
				if room := at + w - end - 2; room >= widget.Width(s.Title) {
					c.Text(end+2, 0, theme.Dim, s.Title)
				}
			case 2:
				ofAll(c, at, w, s.Counts.HostsUp, s.Counts.Hosts)
			case 3:
				ofAll(c, at, w, s.Counts.PoolsUp, s.Counts.Pools)
			case 4:
				ofAll(c, at, w, s.Counts.BackendsUp, s.Counts.Backends)
			case 5:
				c.Spark(at, 0, w, s.Trend.Requests15)
			case 6:
				c.Right(at, 0, w, theme.Text, widget.Rate(s.Traffic.Requests))
			case 7:
				c.Spark(at, 0, w, s.Trend.P9915)
			case 8:
				c.Right(at, 0, w, theme.Text, widget.Millis(s.Traffic.P99))
			case 9:
				drawErrors(c, at, w, s.Traffic.ErrorsPct)
			}
		})
	})
}

// ofAll draws up/all, loud when some are missing.
func ofAll(c *widget.Canvas, x, w, up, all int) {
	k := theme.Text
	if up < all {
		k = theme.Warn
		if up == 0 {
			k = theme.Crit
		}
	}
	c.Right(x, 0, w, k, fmt.Sprintf("%d/%d", up, all))
}

// drawErrors draws a share of errors in percent.
func drawErrors(c *widget.Canvas, x, w int, pct float64) {
	k := theme.Text
	switch {
	case pct >= 5:
		k = theme.Crit
	case pct >= 0.1:
		k = theme.Warn
	}
	c.Right(x, 0, w, k, widget.Percent(pct))
}

func drawClients(x *Context, c *widget.Canvas) {
	right := "built-in traffic, as it sees the fleet"
	if hidden := len(x.Status.Clients) - (c.H - 2); hidden > 0 {
		right = fmt.Sprintf("%d more", hidden)
	}
	c.Rule(0, "CLIENTS", fmt.Sprint(len(x.Status.Clients)), right)
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "NAME", Width: 12, Grow: 1, GrowMax: 24},
		{Head: "LISTENER", Width: 12, Drop: 3},
		{Head: "REQ/S", Width: 7, Right: true},
		{Head: "P99 ms", Width: 6, Right: true},
		{Head: "ERR %", Width: 5, Right: true},
		{Head: "LAST ERROR", Width: 24, Grow: 3, Drop: 2},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	for i := range min(len(x.Status.Clients), c.H-2) {
		t := &x.Status.Clients[i]
		line := c.Sub(1, 2+i, c.W-2, 1)
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				line.Say(at, 0, theme.OfState(t.State))
			case 1:
				line.Cut(at, 0, w, theme.Text, t.Name)
			case 2:
				line.Cut(at, 0, w, theme.Dim, t.Listener)
			case 3:
				line.Right(at, 0, w, theme.Text, widget.Rate(t.Traffic.Requests))
			case 4:
				line.Right(at, 0, w, theme.Text, widget.Millis(t.Traffic.P99))
			case 5:
				drawErrors(line, at, w, t.Traffic.ErrorsPct)
			case 6:
				if t.LastError == "" {
					line.Cut(at, 0, w, theme.Dim, "none")
					return
				}
				end := line.Cut(at, 0, min(8, w), theme.Dim, Clock(t.LastErrorAt))
				line.Cut(end+2, 0, w-10, theme.Text, t.LastError)
			}
		})
	}
}

func drawLatest(x *Context, c *widget.Canvas) {
	c.Rule(0, "LATEST", followWords(x), "5 opens all")
	if len(x.Events) == 0 {
		c.Cut(3, 1, c.W-4, theme.Dim, "no event yet")
		return
	}
	columns := []widget.Column{{Width: 8}, {Width: 7, Drop: 2}, {Width: 24, Grow: 3}, {Width: 20, Grow: 2, Drop: 1}}
	widths := widget.Fit(columns, c.W-3)
	for y := 1; y < c.H && y <= len(x.Events); y++ {
		e := &x.Events[len(x.Events)-y]
		line := c.Sub(1, y, c.W-2, 1)
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				line.Cut(at, 0, w, theme.Dim, Clock(e.At))
			case 1:
				line.Cut(at, 0, w, theme.Dim, string(e.Lane))
			case 2:
				end := line.Cut(at, 0, w, subjectToken(e.State), e.Subject.Name)
				line.Cut(end+1, 0, at+w-end-1, theme.Text, e.Text)
			case 3:
				drawBecause(line, at, w, e)
			}
		})
	}
}

// subjectToken colours a name only when its state wants a person.
func subjectToken(s api.State) theme.Token {
	switch s {
	case api.StateDown:
		return theme.Crit
	case api.StateDegraded:
		return theme.Warn
	case api.StateOK, api.StateUnknown:
	}
	return theme.Title
}

func drawBecause(c *widget.Canvas, x, w int, e *api.Event) {
	switch {
	case e.Reason != "":
		end := c.Cut(x, 0, w, theme.Dim, "because ")
		c.Cut(end, 0, x+w-end, theme.Text, strings.TrimPrefix(e.Reason, "because "))
	case e.By != "":
		end := c.Cut(x, 0, w, theme.Dim, "by ")
		c.Cut(end, 0, x+w-end, theme.Text, e.By)
	}
}

func followWords(x *Context) string {
	if x.Live {
		return "follows live"
	}
	return "up to " + Clock(x.Now)
}

// column is how long one column of the lanes is, for w columns of 15 minutes.
func column(w int) time.Duration {
	return max((15*time.Minute/time.Duration(max(w, 1)) + time.Second - 1).Truncate(time.Second), time.Second)
}
