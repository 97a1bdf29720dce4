package page

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// newBackendRows is a list of backends, wherever it stands.
func newBackendRows(tag string) Rows[api.Backend] {
	return Rows[api.Backend]{
		Tag:  tag,
		Name: func(b *api.Backend) string { return b.Name },
		Ref:  func(b *api.Backend) id.Ref { return id.To(id.KindBackend, b.Name) },
		Subject: func(b *api.Backend) Subject {
			return Subject{
				State: b.State, Word: theme.OfBackend(b).Word, Site: b.Site, Pool: b.Pool, Host: b.Host,
				Text: []string{b.Name, b.Pool, b.Host, b.Address, b.Reason},
			}
		},
		Orders: []Order[api.Backend]{
			{"worst", func(a, b *api.Backend) int { return trouble(b) - trouble(a) }},
			{"name", func(_, _ *api.Backend) int { return 0 }},
			{"req/s", func(a, b *api.Backend) int { return cmp.Compare(b.Traffic.Requests, a.Traffic.Requests) }},
			{"p99", func(a, b *api.Backend) int { return cmp.Compare(b.Traffic.P99, a.Traffic.P99) }},
			{"errors", func(a, b *api.Backend) int { return cmp.Compare(b.Traffic.ErrorsPct, a.Traffic.ErrorsPct) }},
			{"pool", func(a, b *api.Backend) int { return strings.Compare(a.Pool, b.Pool) }},
			{"host", func(a, b *api.Backend) int { return strings.Compare(a.Host, b.Host) }},
		},
	}
}

// trouble orders backends by how much they want a person: what broke before
// what a person or a drain did, and that before what is well.
func trouble(b *api.Backend) int {
	n := 4 * b.State.Severity()
	if n == 0 && b.Phase != api.PhaseServing && b.Phase != api.PhaseStandby {
		n = 1
	}
	return n
}

// The columns of a backend, in their order.
const (
	colState = iota
	colName
	colPool
	colHost
	colAddress
	colWeight
	colShare
	colFlows
	colRate
	colP99
	colErrors
	colPID
	colSince
	colStrip
	colReason
)

// nameMost is how wide a column of names gets at most. Longer names than these
// are cut: a name may have 63 bytes, and the figures must stay.
const nameMost = 28

// backendColumns are the columns of a list of backends. Within the page of one
// pool its name is not said again. name is the width of the names.
func backendColumns(x *Context, inPool bool, name int) []widget.Column {
	all := []widget.Column{
		colState:   {Head: "  STATE", Width: theme.LookWidth},
		colName:    {Head: "NAME", Width: name},
		colPool:    {Head: "POOL", Width: 14, Grow: 1, GrowMax: 20, Drop: 4},
		colHost:    {Head: "HOST", Width: 9, Grow: 1, GrowMax: 16, Drop: 9},
		colAddress: {Head: "ADDRESS", Width: 16, Drop: 8},
		colWeight:  {Head: "W", Width: 3, Right: true},
		colShare:   {Head: "SHARE %", Width: 7, Right: true, Drop: 6},
		colFlows:   {Head: "FLOWS", Width: 6, Right: true, Drop: 7},
		colRate:    {Head: "REQ/S", Width: 7, Right: true},
		colP99:     {Head: "P99 ms", Width: 6, Right: true, Drop: 1},
		colErrors:  {Head: "ERR %", Width: 5, Right: true, Drop: 2},
		colPID:     {Head: "PID", Width: 7, Right: true, Drop: 12},
		colSince:   {Head: "SINCE", Width: 7, Right: true, Drop: 10},
		colStrip:   {Head: "PROBES, newest right", Width: 20, Grow: 2, GrowMax: 44, Drop: 5},
		colReason:  {Head: "REASON", Width: 20, Grow: 6, Drop: 3},
	}
	if len(x.Staged) > 0 {
		all[colWeight].Width = len("100 → 70") + 1 // the staged one stands beside it
	}
	if inPool {
		all[colPool].Width, all[colPool].Head, all[colPool].Grow, all[colPool].Drop = 0, "", 0, 0
		all[colReason].Drop = 11
		all[colStrip].Drop = 3
	}
	return all
}

// fitBackends is widget.Fit for columns of which one may be left out whole.
func fitBackends(columns []widget.Column, w int) []int {
	if columns[colPool].Width > 0 {
		return widget.Fit(columns, w)
	}
	rest := append(append([]widget.Column(nil), columns[:colPool]...), columns[colPool+1:]...)
	widths := widget.Fit(rest, w)
	all := append(append([]int(nil), widths[:colPool]...), 0)
	return append(all, widths[colPool:]...)
}

// drawBackend draws one line of a list of backends.
func drawBackend(x *Context, c *widget.Canvas, b *api.Backend, widths []int) {
	widget.Row(0, widths, func(i, at, w int) {
		switch i {
		case colState:
			c.Say(at, 0, theme.OfBackend(b))
		case colName:
			c.Cut(at, 0, w, theme.Title, b.Name)
		case colPool:
			c.Cut(at, 0, w, theme.Dim, b.Pool)
		case colHost:
			c.Cut(at, 0, w, theme.Dim, b.Host)
		case colAddress:
			c.Cut(at, 0, w, theme.Dim, b.Address)
		case colWeight:
			drawWeight(x, c, at, w, b)
		case colShare:
			c.Right(at, 0, w, theme.Text, fmt.Sprintf("%.1f", 100*b.Share))
		case colFlows:
			c.Right(at, 0, w, theme.Text, widget.Count(b.Traffic.Active))
		case colRate:
			c.Right(at, 0, w, theme.Text, widget.Rate(b.Traffic.Requests))
		case colP99:
			c.Right(at, 0, w, theme.Text, widget.Millis(b.Traffic.P99))
		case colErrors:
			drawErrors(c, at, w, b.Traffic.ErrorsPct)
		case colPID:
			if b.PID != 0 {
				c.Right(at, 0, w, theme.Dim, fmt.Sprint(b.PID))
			} else {
				c.Right(at, 0, w, theme.Dim, "–")
			}
		case colSince:
			c.Right(at, 0, w, theme.Dim, widget.Since(x.Now, b.Since))
		case colStrip:
			c.Strip(at, 0, w, b.Strip)
		case colReason:
			c.Cut(at, 0, w, theme.Dim, b.Reason)
		}
	})
}

// drawWeight draws the weight in force, and the staged one beside it.
func drawWeight(x *Context, c *widget.Canvas, at, w int, b *api.Backend) {
	staged, ok := x.Staged[b.Name]
	if !ok {
		c.Right(at, 0, w, theme.Text, fmt.Sprint(b.Weight))
		return
	}
	after := fmt.Sprintf("→ %d", staged)
	c.Right(at, 0, w, theme.Accent, after)
	c.Right(at, 0, w-widget.Width(after)-1, theme.Dim, fmt.Sprint(b.Weight))
}

// drawPlots draws requests and p99 of the last minute as areas, each with its
// scale at the left.
func drawPlots(c *widget.Canvas, y, h int, title string, t *api.Trend) {
	seconds := max(len(t.Requests), len(t.P99))
	c.Sub(0, y, c.W, 1).Rule(0, "REQ/S AND P99", title, fmt.Sprintf("last %d s", seconds))
	rows := h - 2 // the rule above and the time below
	if rows < 2 {
		return
	}
	if widget.Top(t.Requests) == 0 && widget.Top(t.P99) == 0 {
		c.Cut(1, y+1, c.W-2, theme.Dim, "no request in that time")
		return
	}
	first := (rows + 1) / 2
	const axis = 8
	w := c.W - axis - 1
	// Each second as wide as there is room for, so that the plot fills its place.
	wide := max(w/max(seconds, 1), 1)
	drawPlot(c, axis, y+1, w, first, widen(t.Requests, wide), func(top float64) string { return widget.Short(top) })
	if rows-first > 0 {
		drawPlot(c, axis, y+1+first, w, rows-first, widen(t.P99, wide), func(top float64) string { return widget.Short(top) + " ms" })
	}
	bottom := y + 1 + rows
	c.Right(axis, bottom, w, theme.Dim, "now")
	if n := len(widget.Tail(widen(t.Requests, wide), w)); n > 20 {
		c.Text(axis+w-n, bottom, theme.Dim, fmt.Sprintf("-%d s", n/wide))
	}
}

// widen repeats each value n times.
func widen(values []float32, n int) []float32 {
	if n < 2 {
		return values
	}
	all := make([]float32, 0, n*len(values))
	for _, v := range values {
		for range n {
			all = append(all, v)
		}
	}
	return all
}

func drawPlot(c *widget.Canvas, x, y, w, h int, values []float32, label func(float64) string) {
	seen := widget.Tail(values, w)
	top := widget.Top(seen)
	if top == 0 {
		return
	}
	c.Right(0, y, x-1, theme.Dim, label(top))
	if h > 1 {
		c.Right(0, y+h-1, x-1, theme.Dim, "0")
	}
	c.Area(x, y, w, h, seen, top, 0)
}

// drawWhy says why a backend is as it is: what each host that probes it
// measured, and the events that led here.
func drawWhy(x *Context, c *widget.Canvas, b *api.Backend) {
	look := theme.OfBackend(b)
	c.Rule(0, "WHY "+b.Name+" IS "+strings.ToUpper(look.Word), "", "e more")
	c.Cut(1, 1, c.W-2, theme.Text, b.Reason)
	chain := x.Chain(LastAbout(x, id.To(id.KindBackend, b.Name)))
	in := c.Sub(1, 2, c.W-2, c.H-2)
	votes := min(len(b.Votes), max(in.H-min(len(chain), 3), 1))
	DrawVotes(in.Sub(0, 0, in.W, votes), b.Votes)
	if room := in.H - votes; room > 0 && len(chain) > 0 {
		chain = chain[max(len(chain)-room, 0):]
		DrawChain(in.Sub(0, votes, in.W, room), chain)
	}
}

// whyRows is how many rows drawWhy has something to say in.
func whyRows(x *Context, b *api.Backend) int {
	return 2 + len(b.Votes) + min(len(x.Chain(LastAbout(x, id.To(id.KindBackend, b.Name)))), 4)
}

// LastAbout is the newest event about a thing; for one with a problem, the
// event that the problem names; 0 when none is kept.
func LastAbout(x *Context, ref id.Ref) api.Seq {
	for i := len(x.Events) - 1; i >= 0; i-- {
		if x.Events[i].Subject == ref {
			return x.Events[i].Seq
		}
	}
	for i := range x.Status.Problems {
		if p := &x.Status.Problems[i]; p.Subject == ref {
			return p.Cause
		}
	}
	return 0
}
