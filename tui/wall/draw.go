package wall

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// age is how old the data is.
func (b *board) age() time.Duration { return max(b.o.Now().Sub(b.arrived), 0) }

// message is the board's first word.
func (b *board) message() string {
	s := b.x.Status
	if s == nil || b.age() > staleAfter {
		return "STALE"
	}
	down, warn := 0, 0
	for i := range s.Problems {
		if s.Problems[i].State == api.StateDown {
			down++
		} else {
			warn++
		}
	}
	switch {
	case down > 0:
		return fmt.Sprintf("%d DOWN", down)
	case feed.Drill(s) != nil:
		return "DRILL"
	case warn > 0:
		return fmt.Sprintf("%d WARN", warn)
	}
	return "ALL OK"
}

// token is the colour of the message; healthy is grey.
func (b *board) token() theme.Token {
	switch m := b.message(); {
	case m == "ALL OK":
		return theme.OK
	case m == "DRILL":
		return theme.Info
	case m == "STALE" || m[len(m)-1] == 'N' && m[len(m)-4] == 'W': // n WARN
		return theme.Warn
	}
	return theme.Crit
}

// draw draws the board, moved by a column now and then.
func (b *board) draw(all *widget.Canvas) {
	shift := int(b.moved % moveMost)
	c := all.Sub(shift, 0, all.W-moveMost+1, all.H)
	if c.W < 40 || c.H < 8 {
		c.Cut(0, 0, c.W, b.token(), b.message())
		c.Cut(0, 1, c.W, theme.Text, "data "+widget.Age(b.age())+" old")
		b.drawFirst(c.Sub(0, 2, c.W, c.H-2))
		return
	}
	b.drawHead(c)
	c.Fill(0, 1, c.W, 1, theme.Faint, '─')
	y := 2
	scale := 1
	if widget.BannerWidth(b.message(), 2)+60 < c.W && c.H >= 36 {
		scale = 2
		y++
	}
	word := 4 * scale
	if c.H < 16 {
		c.Cut(2, y, c.W-4, b.token(), b.message())
		word = 1
	} else {
		end := c.Banner(2, y, scale, b.token(), b.message())
		if b.x.Status != nil && c.W-end > 50 {
			figures := c.Sub(end+4, y, c.W-end-5, word)
			b.drawFigures(figures)
			if b.age() > staleAfter {
				figures.Recolour(theme.Ghost)
			}
		}
	}
	y += word + 1
	if b.x.Status == nil {
		b.drawWaiting(c.Sub(0, y, c.W, c.H-y))
		return
	}
	b.drawBody(c.Sub(0, y, c.W, c.H-y))
	if b.age() > staleAfter {
		c.Sub(0, y, c.W, c.H-y).Recolour(theme.Ghost) // none of it is news
	}
}

func (b *board) drawHead(c *widget.Canvas) {
	now := b.o.Now().UTC()
	right := now.Format("Mon 2 Jan 2006   15:04:05") + " UTC"
	c.Right(0, 0, c.W-1, theme.Title, right)
	room := c.W - widget.Width(right) - 4
	x := 1
	if s := b.x.Status; s != nil {
		x = c.Cut(x, 0, room, theme.Title, s.Fleet) + 2
		if s.Production {
			x = c.Text(x, 0, theme.Mode, " PROD ") + 2
		}
		k, text := theme.Dim, fmt.Sprintf("data %.1f s old", b.age().Seconds())
		if b.age() > feed.StaleAfter {
			k, text = theme.Badge, " data "+widget.Age(b.age())+" old "
		}
		if x+len(text) < room {
			x = c.Text(x, 0, k, text) + 2
		}
		if words := page.Coordination(s); words != "" && x+len(words) < room {
			k := theme.Dim
			if s.Alone() {
				k = theme.Warn
			}
			x = c.Text(x, 0, k, words) + 2
		}
	}
	if x < room {
		c.Cut(x, 0, room-x, theme.Dim, "read-only wallboard · q leaves")
	}
}

func (b *board) drawWaiting(c *widget.Canvas) {
	c.Cut(2, 0, c.W-3, theme.Text, "no picture of the fleet yet")
	if b.lost != nil {
		c.Cut(2, 1, c.W-3, theme.Dim, b.lost.Error())
	}
	c.Cut(2, 2, c.W-3, theme.Dim, fmt.Sprintf("looks for it at %s, %d tries so far, and goes on by itself", b.o.Where, b.tries))
}

// drawFirst draws what needs a person, a line each.
func (b *board) drawFirst(c *widget.Canvas) {
	if b.x.Status == nil {
		return
	}
	for i := 0; i < len(b.x.Status.Problems) && i < c.H; i++ {
		p := &b.x.Status.Problems[i]
		c.Cut(0, i, c.W, theme.OfState(p.State).Token, p.Subject.Name+" "+p.Text)
	}
}

// drawFigures draws the fleet's three figures with their last 16 minutes.
func (b *board) drawFigures(c *widget.Canvas) {
	var rate, failing, p99 float64
	var rates, slow, errors []float32
	for i := range b.x.Status.Sites {
		s := &b.x.Status.Sites[i]
		rate += s.Traffic.Requests
		failing += s.Traffic.ErrorsPct / 100 * s.Traffic.Requests
		p99 = max(p99, float64(s.Traffic.P99)/float64(time.Millisecond))
		rates = merge(rates, s.Trend.Requests15, func(a, b float32) float32 { return a + b })
		slow = merge(slow, s.Trend.P9915, func(a, b float32) float32 { return max(a, b) })
		errors = merge(errors, s.Trend.Errors15, func(a, b float32) float32 { return a + b })
	}
	pct := 0.0
	if rate > 0 {
		pct = 100 * failing / rate
	}
	bad := theme.Title
	if pct >= 0.1 {
		bad = theme.Warn
	}
	if pct >= 5 {
		bad = theme.Crit
	}
	slot := c.W / 3
	for i, f := range []struct {
		head, value string
		token       theme.Token
		trend       []float32
	}{
		{"REQUESTS per second", widget.Rate(rate), theme.Title, rates},
		{"P99 ms, slowest site", widget.Millis(time.Duration(p99 * float64(time.Millisecond))), theme.Title, slow},
		{"ERRORS %", widget.Percent(pct), bad, errors},
	} {
		part := c.Sub(i*slot, 0, slot-2, c.H)
		part.Cut(0, 0, part.W, theme.Dim, f.head)
		if c.H < 8 || widget.BannerWidth(f.value, 1) > part.W {
			part.Cut(0, 1, part.W, f.token, f.value)
			part.Area(0, 2, part.W, c.H-2, f.trend, 0, 0)
			continue
		}
		part.Big(0, 1, f.token, f.value)
		part.Area(0, 5, part.W, c.H-5, f.trend, 0, 0)
	}
}

// merge joins two trends that end now, value by value.
func merge(a, b []float32, join func(a, b float32) float32) []float32 {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := append([]float32(nil), a...)
	for i := range b {
		j := len(a) - len(b) + i
		out[j] = join(out[j], b[i])
	}
	return out
}

// The size of a site's tile with its gap.
const tileW, tileH = 39, 9

// drawBody draws what needs a person, the sites, the last minutes and the
// drills, as much as there is room for.
func (b *board) drawBody(c *widget.Canvas) {
	s := b.x.Status
	y := 0
	rows := min(max(len(s.Problems), 1), max(c.H/4, 1))
	b.drawNow(c.Sub(0, y, c.W, rows+1))
	y += rows + 2
	perRow := max((c.W-2)/tileW, 1)
	lines := (len(s.Sites) + perRow - 1) / perRow
	high := tileH
	for high > 3 && y+1+lines*high > c.H {
		high -= 2
	}
	if room := c.H - y; room >= 1+high {
		n := min(lines, (room-1)/high)
		b.drawSites(c.Sub(0, y, c.W, 1+n*high), perRow, high)
		y += 2 + n*high
	}
	if c.H-y >= 10 && c.W >= 100 {
		lanes := c.Sub(0, y, c.W*3/5, 9)
		page.DrawLanes(&b.x, lanes)
		page.DrawMeasured(&b.x, c.Sub(c.W*3/5+1, y, c.W-c.W*3/5-1, c.H-y))
	} else if c.H-y >= 4 {
		page.DrawMeasured(&b.x, c.Sub(0, y, c.W, c.H-y))
	}
}

func (b *board) drawNow(c *widget.Canvas) {
	s := b.x.Status
	c.Rule(0, "NOW", fmt.Sprint(len(s.Problems)), "worst first")
	if len(s.Problems) == 0 {
		c.Cut(2, 1, c.W-3, theme.Dim, "nothing needs you")
		return
	}
	name := 0
	for i := range s.Problems {
		name = max(name, min(widget.Width(s.Problems[i].Subject.String()), 34, c.W/3))
	}
	for i := 0; i < len(s.Problems) && i+1 < c.H; i++ {
		p := &s.Problems[i]
		look := theme.OfState(p.State)
		x := c.Say(2, 1+i, look) + 2
		c.Cut(x, 1+i, name, theme.Title, p.Subject.String())
		x += name + 2
		right := page.Clock(p.Since) + "   " + widget.Since(b.x.Now, p.Since)
		c.Right(0, 1+i, c.W-2, theme.Text, right)
		c.Cut(x, 1+i, c.W-x-widget.Width(right)-4, theme.Text, p.Text+effect(p))
	}
	if hidden := len(s.Problems) - (c.H - 1); hidden > 0 {
		c.Rule(0, "NOW", fmt.Sprint(len(s.Problems)), fmt.Sprintf("%d more", hidden))
	}
}

func effect(p *api.Problem) string {
	if p.Effect == "" {
		return ""
	}
	return " · " + p.Effect
}

func (b *board) drawSites(c *widget.Canvas, perRow, high int) {
	s := b.x.Status
	c.Rule(0, "SITES", fmt.Sprint(len(s.Sites)), "last 16 min")
	for i := range s.Sites {
		x, y := 2+i%perRow*tileW, 1+i/perRow*high
		if y+high > c.H {
			c.Rule(0, "SITES", fmt.Sprint(len(s.Sites)), fmt.Sprintf("%d more", len(s.Sites)-i))
			return
		}
		drawTile(c.Sub(x, y, min(tileW-2, c.W-x-1), high), &s.Sites[i], wordOf(s, &s.Sites[i]))
	}
}

// wordOf is the look of a site: one that is cut off as a whole, is dead or whose
// agents have stopped says which of it.
func wordOf(st *api.Status, s *api.Site) theme.Look {
	look := theme.OfState(s.State)
	agent := api.AgentState("")
	for i := range st.Hosts {
		h := &st.Hosts[i]
		if h.Site != s.Name {
			continue
		}
		if agent != "" && agent != h.Agent.State {
			return look
		}
		agent = h.Agent.State
	}
	switch agent {
	case api.AgentCut, api.AgentDead, api.AgentStopped:
		if s.State != api.StateOK {
			return theme.OfAgent(agent)
		}
	case api.AgentAlive, api.AgentSuspected, api.AgentUnknown, "":
	}
	return look
}

// drawTile draws one site. A healthy one is grey.
func drawTile(c *widget.Canvas, s *api.Site, look theme.Look) {
	frame, figure := theme.Faint, theme.Text
	if s.State != api.StateOK {
		frame = look.Token
		if frame == theme.Badge {
			frame = theme.Crit
		}
		figure = theme.Title
	}
	counts := fmt.Sprintf("%d/%d backends  %d/%d pools", s.Counts.BackendsUp, s.Counts.Backends, s.Counts.PoolsUp, s.Counts.Pools)
	figures := fmt.Sprintf("%s/s  p99 %s ms  err %s %%", widget.Rate(s.Traffic.Requests), widget.Millis(s.Traffic.P99), widget.Percent(s.Traffic.ErrorsPct))
	if c.H < 5 {
		end := c.Say(0, 0, look)
		c.Cut(end+1, 0, c.W-end-1, theme.Title, s.Name)
		c.Cut(0, 1, c.W, figure, counts)
		c.Cut(0, 2, c.W, figure, figures)
		return
	}
	c.Box(0, 0, c.W, c.H, frame)
	in := c.Sub(2, 1, c.W-4, c.H-2)
	end := in.Cut(0, 0, in.W-8, theme.Title, s.Name)
	in.Cut(end+2, 0, in.W-end-11, theme.Dim, s.Title)
	in.Say(in.W-2-theme.WordWidth, 0, look)
	in.Cut(0, 1, in.W, figure, counts)
	in.Cut(0, 2, in.W, figure, figures)
	if in.H > 3 {
		in.Area(0, 3, in.W, in.H-3, s.Trend.Requests15, 0, 0)
	}
}
