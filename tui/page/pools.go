package page

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Pools is the list of pools, and the selected one with its backends: weights
// are staged here, shares are seen, and why a backend is out.
type Pools struct {
	pools    Rows[api.Pool]
	backends Rows[api.Backend]
	pane     int // 0 the pools, 1 the backends of the selected one
	seen     int
}

// besideFrom is the width from which a pool stands beside the list.
const besideFrom = 96

// NewPools returns the page.
func NewPools() *Pools {
	return &Pools{
		pools: Rows[api.Pool]{
			Tag:  "pool",
			Name: func(p *api.Pool) string { return p.Name },
			Ref:  func(p *api.Pool) id.Ref { return id.To(id.KindPool, p.Name) },
			Subject: func(p *api.Pool) Subject {
				return Subject{State: p.State, Word: theme.OfState(p.State).Word, Site: p.Site, Pool: p.Name, Text: []string{p.Name, p.Scheduler, p.Reason}}
			},
			Orders: []Order[api.Pool]{
				{"worst", func(a, b *api.Pool) int { return b.State.Severity() - a.State.Severity() }},
				{"name", func(_, _ *api.Pool) int { return 0 }},
				{"req/s", func(a, b *api.Pool) int { return cmp.Compare(b.Traffic.Requests, a.Traffic.Requests) }},
				{"errors", func(a, b *api.Pool) int { return cmp.Compare(b.Traffic.ErrorsPct, a.Traffic.ErrorsPct) }},
			},
		},
		backends: newBackendRows("member"),
	}
}

// Name implements Page.
func (*Pools) Name() string { return "pools" }

// Title implements Page.
func (*Pools) Title() (long, short string) { return "Pools", "Pools" }

// Scopes implements Page.
func (*Pools) Scopes() []keys.Scope { return []keys.Scope{keys.Pools, keys.Rows} }

// Crumb implements Page.
func (p *Pools) Crumb(*Context) string { return p.pools.List.Sel }

// Words implements Page.
func (p *Pools) Words(*Context) []string {
	if p.pane == 1 {
		return []string{"get", "backends"}
	}
	return []string{"get", "pools"}
}

// Marked lists the marked backends.
func (p *Pools) Marked() []string {
	if p.pane == 1 {
		return p.backends.Marked()
	}
	return nil
}

// Close implements Page.
func (p *Pools) Close(*Context) bool {
	if p.pane == 0 {
		return false
	}
	p.pane = 0
	return true
}

func (p *Pools) make(x *Context) *api.Pool {
	p.pools.Make(x, x.Status.Pools, "", nil)
	pool := p.pools.Selected()
	if pool == nil {
		p.backends.items, p.backends.made = nil, made{}
		p.pane = 0
		return nil
	}
	// The filter is for pools; within one, all its backends are seen.
	all := *x
	all.Filter, all.HideOK = Filter{}, false
	p.backends.Make(&all, x.Status.Backends, pool.Name, func(b *api.Backend) bool { return b.Pool == pool.Name })
	return pool
}

// Target implements Page.
func (p *Pools) Target(x *Context) id.Ref {
	p.make(x)
	if p.pane == 1 {
		return p.backends.Target()
	}
	return p.pools.Target()
}

// Open implements Page.
func (p *Pools) Open(x *Context, ref id.Ref) bool {
	pool := ref.Name
	switch ref.Kind {
	case id.KindListener, id.KindClients:
		pool = poolBehind(x.Status, ref)
	case id.KindBackend:
		b, ok := x.Status.Backend(ref.Name)
		if !ok {
			return false
		}
		pool = b.Pool
	case id.KindPool, id.KindFleet, id.KindSite, id.KindHost, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup:
	}
	p.make(x)
	if !p.pools.Select(pool) {
		return false
	}
	p.pane = 0
	if ref.Kind == id.KindBackend {
		p.make(x)
		p.pane = 1
		return p.backends.Select(ref.Name)
	}
	return true
}

// poolBehind is the pool of a listener, or of the listener that clients use.
func poolBehind(s *api.Status, ref id.Ref) string {
	listener := ref.Name
	if ref.Kind == id.KindClients {
		for i := range s.Clients {
			if s.Clients[i].Name == ref.Name {
				listener = s.Clients[i].Listener
			}
		}
	}
	if l, ok := s.Listener(listener); ok {
		return l.Pool
	}
	return ""
}

// Click implements Page.
func (p *Pools) Click(_ *Context, what string) bool {
	if p.pools.Click(what) {
		p.pane = 0
		return true
	}
	if p.backends.Click(what) {
		p.pane = 1
		return true
	}
	return false
}

// Do implements Page.
func (p *Pools) Do(x *Context, a keys.Action) bool {
	pool := p.make(x)
	switch a {
	case keys.Pane, keys.PaneBack:
		if pool != nil {
			p.pane = 1 - p.pane
		}
		return true
	case keys.Open:
		if pool == nil {
			return false
		}
		if p.pane == 0 {
			p.pane = 1
			return true
		}
		if b := p.backends.Selected(); b != nil {
			x.Goto(id.To(id.KindBackend, b.Name))
			return true
		}
		return false
	}
	if p.pane == 1 {
		return p.backends.Do(a, p.seen)
	}
	return p.pools.Do(a, p.seen)
}

// Draw implements Page.
func (p *Pools) Draw(x *Context, c *widget.Canvas) {
	pool := p.make(x)
	if pool == nil || x.Wide && p.pane == 0 || c.W < besideFrom && p.pane == 0 {
		p.drawPools(x, c)
		return
	}
	if c.W < besideFrom {
		p.drawPool(x, c, pool)
		return
	}
	w := min(max(c.W*34/100, 36), 56)
	c.Fill(w, 0, 1, c.H, theme.Faint, '│')
	left := c.Sub(0, 0, w, c.H)
	listeners := listenersOf(x.Status, pool.Name)
	stack(left, []block{
		{least: 4, want: 2 + max(len(p.pools.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawPools(x, c) }},
		{least: 3, want: 5, rank: 1, draw: func(c *widget.Canvas) { drawShares(x, c, pool) }},
		{least: 2, want: 1 + 2*len(listeners), rank: 2, draw: func(c *widget.Canvas) { drawListeners(c, listeners) }},
	})
	p.drawPool(x, c.Sub(w+1, 0, c.W-w-1, c.H), pool)
}

func (p *Pools) drawPools(x *Context, c *widget.Canvas) {
	c.Rule(0, "POOLS", p.pools.Count(), "s sort: "+p.pools.OrderName())
	columns := []widget.Column{
		{Head: "  STATE", Width: theme.LookWidth},
		{Head: "POOL", Width: p.pools.NameWidth(nameMost)},
		{Head: "SITE", Width: 10, Drop: 6},
		{Head: "UP", Width: 5, Right: true},
		{Head: "SCHED", Width: 5, Drop: 5},
		{Head: "REQ/S", Width: 6, Right: true, Drop: 1},
		{Head: "P99 ms", Width: 6, Right: true, Drop: 2},
		{Head: "ERR %", Width: 5, Right: true, Drop: 3},
		{Head: "OUT WITHIN", Width: 10, Right: true, Drop: 7},
		{Head: "REQ/S, 60 s", Width: 16, Grow: 2, GrowMax: 40, Drop: 8},
		{Head: "REASON", Width: 20, Grow: 3, Drop: 4},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = c.H - 2
	p.pools.Draw(c.Sub(0, 2, c.W, c.H-2), p.pane == 0, func(q *api.Pool, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfState(q.State))
			case 1:
				c.Cut(at, 0, w, theme.Title, q.Name)
			case 2:
				c.Cut(at, 0, w, theme.Dim, q.Site)
			case 3:
				ofAll(c, at, w, q.Up, q.Backends)
			case 4:
				c.Cut(at, 0, w, theme.Dim, q.Scheduler)
			case 5:
				c.Right(at, 0, w, theme.Text, widget.Rate(q.Traffic.Requests))
			case 6:
				c.Right(at, 0, w, theme.Text, widget.Millis(q.Traffic.P99))
			case 7:
				drawErrors(c, at, w, q.Traffic.ErrorsPct)
			case 8:
				if q.Detection > 0 {
					c.Right(at, 0, w, theme.Dim, widget.Took(q.Detection))
				}
			case 9:
				c.Spark(at, 0, w, q.Trend.Requests)
			case 10:
				c.Cut(at, 0, w, theme.Dim, q.Reason)
			}
		})
	})
}

// drawPool draws one pool: its backends, why the selected one is as it is, what
// is staged, and its traffic.
func (p *Pools) drawPool(x *Context, c *widget.Canvas, pool *api.Pool) {
	b := p.backends.Selected()
	why, staged := 0, x.stagedOf(pool.Name)
	if b != nil {
		why = min(whyRows(x, b), 9)
	}
	stack(c, []block{
		{least: 5, want: 3 + max(len(p.backends.items), 1), rank: 0, draw: func(c *widget.Canvas) { p.drawBackends(x, c, pool) }},
		{least: 3, want: clip(len(staged), 2), rank: 1, draw: func(c *widget.Canvas) { drawStaged(x, c, pool.Name, staged) }},
		{least: 4, want: why, rank: 2, draw: func(c *widget.Canvas) { drawWhy(x, c, b) }},
		{least: 5, want: 13, rank: 3, draw: func(c *widget.Canvas) { drawPlots(c, 0, min(c.H, 16), pool.Name, &pool.Trend) }},
	})
}

func (p *Pools) drawBackends(x *Context, c *widget.Canvas, pool *api.Pool) {
	c.Rule(0, pool.Name, fmt.Sprintf("%s · %d of %d up", pool.Scheduler, pool.Up, pool.Backends), outWithin(pool))
	end := c.Cut(1, 1, c.W-2, theme.Dim, "check "+pool.Probe)
	if pool.Panic && end+3 < c.W {
		c.Cut(end+2, 1, c.W-end-3, theme.Warn, "▲ PANIC: too few are up, all are used")
	}
	columns := backendColumns(x, true, p.backends.NameWidth(nameMost))
	widths := fitBackends(columns, c.W-2)
	c.Heads(1, 2, columns, widths)
	p.backends.Draw(c.Sub(0, 3, c.W, c.H-3), p.pane == 1, func(b *api.Backend, c *widget.Canvas, _ bool) {
		drawBackend(x, c, b, widths)
	})
}

// outWithin says how long a backend that stops answering is used at most.
func outWithin(p *api.Pool) string {
	if p.Detection == 0 {
		return "no probe"
	}
	return "out within " + widget.Took(p.Detection)
}

// stagedOf lists the backends of a pool with a staged weight, by name.
func (x *Context) stagedOf(pool string) []*api.Backend {
	if len(x.Staged) == 0 {
		return nil
	}
	var all []*api.Backend
	for i := range x.Status.Backends {
		b := &x.Status.Backends[i]
		if _, ok := x.Staged[b.Name]; ok && b.Pool == pool {
			all = append(all, b)
		}
	}
	return all
}

// drawStaged draws the weights that were edited and not applied, and what the
// shares would be.
func drawStaged(x *Context, c *widget.Canvas, pool string, staged []*api.Backend) {
	c.Rule(0, "STAGED", fmt.Sprintf("%d here, nothing applied yet", len(staged)), "A apply · u undo")
	before, _, _ := Shares(x.Status, pool, Change{})
	after, serving, ok := Shares(x.Status, pool, Change{Weights: x.Staged})
	for y := 1; y < c.H-1 && y <= len(staged); y++ {
		b := staged[y-1]
		at := c.Text(1, y, theme.Accent, "~ ")
		at = c.Cut(at, y, 24, theme.Title, b.Name)
		at = c.Text(at+1, y, theme.Text, fmt.Sprintf("weight %d → %d", b.Weight, x.Staged[b.Name]))
		c.Cut(max(at+2, 46), y, c.W-max(at+2, 46)-1, theme.Dim, fmt.Sprintf("share %.1f → %.1f %%", 100*before[b.Name], 100*after[b.Name]))
	}
	y := c.H - 1
	if !ok {
		c.Cut(1, y, c.W-2, theme.Crit, "✗ nobody of "+pool+" would serve")
		return
	}
	c.Cut(1, y, c.W-2, theme.Dim, fmt.Sprintf("%d would serve · c copies it as a command", serving))
}

// drawShares draws the part of a pool's flows that each backend should get and
// that it got.
func drawShares(x *Context, c *widget.Canvas, pool *api.Pool) {
	c.Rule(0, "SHARE OF "+pool.Name, "", "")
	var mine []*api.Backend
	for i := range x.Status.Backends {
		if b := &x.Status.Backends[i]; b.Pool == pool.Name {
			mine = append(mine, b)
		}
	}
	const label = 6
	w := c.W - label - 2
	for row, part := range []struct {
		name string
		of   func(*api.Backend) float64
	}{{"conf", func(b *api.Backend) float64 { return b.Share }}, {"real", func(b *api.Backend) float64 { return b.RealShare }}} {
		y := 1 + 2*row
		c.Text(1, y, theme.Dim, part.name)
		at, names := label, label
		sum := 0.0
		for _, b := range mine {
			sum += part.of(b)
			end := label + int(sum*float64(w)+0.5)
			n := end - at
			if n <= 0 {
				continue
			}
			c.Fill(at, y, n, 1, theme.Spark, '━')
			c.Put(end-1, y, theme.Title, '╸')
			text := fmt.Sprintf("%s %.0f", shortName(b.Name, pool.Name), 100*part.of(b))
			if names <= at && at+widget.Width(text) <= c.W {
				names = c.Text(at, y+1, theme.Dim, text) + 1
			}
			at = end
		}
		if sum == 0 {
			c.Cut(label, y, w, theme.Dim, "no flow in ten seconds")
		}
	}
}

// shortName leaves out of a backend's name what it shares with its pool.
func shortName(name, pool string) string {
	if rest, ok := strings.CutPrefix(name, pool+"-"); ok && rest != "" {
		return rest
	}
	return name
}

func listenersOf(s *api.Status, pool string) []*api.Listener {
	var all []*api.Listener
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Pool == pool {
			all = append(all, l)
		}
	}
	return all
}

func drawListeners(c *widget.Canvas, all []*api.Listener) {
	c.Rule(0, "LISTENERS", fmt.Sprint(len(all)), "")
	for i, l := range all {
		y := 1 + 2*i
		end := c.Say(1, y, theme.OfState(l.State))
		end = c.Cut(end+2, y, c.W-end-3, theme.Title, l.Name)
		c.Cut(end+2, y, c.W-end-3, theme.Dim, fmt.Sprintf("%s :%d", l.Protocol, l.Port))
		c.Cut(10, y+1, c.W-11, theme.Dim, l.Reason)
	}
}
