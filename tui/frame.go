package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Sizes. Below the least a strip of lines says what matters; above the most a
// terminal lies, and the rest stays blank.
const (
	widthLeast, heightLeast = 60, 15
	widthMost, heightMost   = 1000, 400
	// sideFrom is the width from which problems and events stay beside a page.
	sideFrom = 160
	// tabsFrom is the width from which every page has its word in row 2; below
	// it only the open one has, and the counts keep their place.
	tabsFrom = 72
)

// View implements tea.Model. It draws only when something changed.
func (a *app) View() tea.View {
	if !a.dirty {
		return a.view
	}
	a.dirty = false
	v := tea.View{AltScreen: true, ReportFocus: true, WindowTitle: a.windowTitle()}
	if a.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if a.w > 0 && a.h > 0 {
		a.drawn++
		a.draw()
		v.Content = a.canvas.Encode(a.theme)
		if x, y, shown := a.canvas.CursorAt(); shown {
			v.Cursor = tea.NewCursor(x, y)
			v.Cursor.Blink = false
		}
	}
	if d := feed.Drill(a.x.Status); d != nil {
		done := 0
		for _, s := range d.Steps {
			if s.State == api.StateOK {
				done++
			}
		}
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, done*100/max(len(d.Steps), 1))
	}
	a.view = v
	return v
}

func (a *app) windowTitle() string {
	if a.x.Status == nil {
		return "holdfast"
	}
	word := theme.OfState(a.x.Status.State).Word
	return "holdfast " + a.x.Status.Fleet + " " + word
}

// draw draws the whole frame.
func (a *app) draw() {
	c := a.canvas
	c.Reset(a.w, a.h)
	switch {
	case a.x.Status == nil:
		a.drawWaiting(c)
	case a.w < widthLeast || a.h < heightLeast:
		a.drawStrip(c)
		return
	default:
		a.drawFrame(c)
	}
	if a.overlay != nil {
		c.Recolour(theme.Ghost)
		c.ClearHits()
		a.overlay.Draw(c)
	}
}

func (a *app) drawWaiting(c *widget.Canvas) {
	y := c.H / 2
	c.Text(2, y-1, theme.Title, "holdfast")
	if a.lost != nil {
		c.Cut(2, y, c.W-4, theme.Warn, "▲ "+a.lost.Error())
		c.Cut(2, y+1, c.W-4, theme.Dim, fmt.Sprintf("tries again by itself, %d so far · q quits", a.tries))
		return
	}
	c.Cut(2, y, c.W-4, theme.Dim, "waiting for the first picture · q quits")
}

func (a *app) drawFrame(c *widget.Canvas) {
	a.drawHead(c)
	a.drawScreens(c)
	c.Fill(0, 2, c.W, 1, theme.Faint, '─')
	foot := 1
	if c.H >= 28 {
		foot = 2
		c.Fill(0, c.H-2, c.W, 1, theme.Faint, '─')
	}
	body := c.Sub(0, 3, c.W, c.H-3-foot)
	if a.note.text != "" || a.filter != nil || a.x.Filter.Text != "" || !a.x.Live {
		body.H--
		a.drawNote(c.Sub(0, c.H-foot-1, c.W, 1))
	}
	p := a.pages[a.at]
	if c.W >= sideFrom && a.at != 0 {
		w := min(c.W/3, 72)
		side := body.Sub(c.W-w, 0, w, body.H)
		body.Fill(c.W-w-1, 0, 1, body.H, theme.Faint, '│')
		body = body.Sub(0, 0, c.W-w-1, body.H)
		page.DrawSide(&a.x, side)
	}
	p.Draw(&a.x, body)
	a.drawKeys(c.Sub(0, c.H-1, c.W, 1))
}

// drawHead draws row 1: who, where, how fresh.
func (a *app) drawHead(c *widget.Canvas) {
	s := a.x.Status
	x := c.Cut(1, 0, 24, theme.Title, s.Fleet) + 1
	if s.Production {
		x = c.Text(x, 0, theme.Mode, " PROD ")
	} else {
		x = c.Text(x, 0, theme.Dim, string(s.World))
	}
	right := a.freshness(c.W)
	if s.Coordinator.Host != "" {
		x = a.drawThrough(c, x+1)
	}
	n := -1
	for _, p := range right {
		n += widget.Width(p.text)
	}
	at := c.W - n - 2
	crumbs := []string{a.pages[a.at].Name()}
	if crumb := a.pages[a.at].Crumb(&a.x); crumb != "" {
		crumbs = append(crumbs, crumb)
	}
	for i, crumb := range crumbs {
		room := at - x - 4
		if room < 6 {
			break
		}
		x = c.Text(x, 0, theme.Dim, " › ")
		k := theme.Dim
		if i > 0 {
			k = theme.Title
		}
		x = c.Cut(x, 0, room, k, crumb)
	}
	for _, p := range right {
		at = c.Text(at, 0, p.token, p.text)
	}
}

// drawThrough says whose picture it is, and through whom one looks.
func (a *app) drawThrough(c *widget.Canvas, x int) int {
	s := a.x.Status
	switch {
	case s.Alone():
		x = c.Text(x, 0, theme.Badge, " ALONE ")
		if c.W >= 100 {
			x = c.Cut(x+1, 0, 24, theme.Text, s.Through)
		}
	case c.W >= 100 && s.Through != "" && s.Through != s.Coordinator.Host:
		x = c.Cut(x, 0, 20, theme.Text, s.Through)
		x = c.Text(x, 0, theme.Dim, " → ")
		x = c.Cut(x, 0, 20, theme.Text, s.Coordinator.Host)
	default:
		x = c.Cut(x, 0, 20, theme.Text, s.Coordinator.Host)
	}
	return x
}

type piece struct {
	token theme.Token
	text  string
}

// freshness is the right of row 1.
func (a *app) freshness(w int) []piece {
	s := a.x.Status
	var all []piece
	dot := piece{theme.Dim, " · "}
	if w >= 100 {
		all = append(all, piece{theme.Dim, "rev "}, piece{theme.Text, fmt.Sprint(s.Rev)}, dot)
	}
	age := a.opt.Now().Sub(a.arrived)
	switch {
	case !a.x.Live:
		all = append(all, piece{theme.Mode, " PAUSED "}, piece{theme.Text, " at " + page.Clock(s.At)})
	case a.stale():
		all = append(all, piece{theme.Badge, "STALE"}, piece{theme.Text, " " + widget.Age(age)})
	default:
		all = append(all, piece{theme.OK, "live"}, piece{theme.Text, fmt.Sprintf(" %.1f s", max(age, 0).Seconds())})
	}
	all = append(all, dot, piece{theme.Text, cutTo(a.opt.Actor.Name, 16) + " "})
	if a.x.ReadOnly {
		all = append(all, piece{theme.Title, "RO"})
	} else {
		all = append(all, piece{theme.Title, "RW"})
	}
	if n := len(a.others); n > 0 {
		all = append(all, piece{theme.Accent, fmt.Sprintf(" +%d watching", n)})
	}
	return append(all, dot, piece{theme.Title, page.Clock(a.opt.Now()) + "Z"})
}

func cutTo(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func (a *app) stale() bool {
	return a.lost != nil || a.opt.Now().Sub(a.arrived) > feed.StaleAfter
}

// drawScreens draws row 2: the screens, a running drill, the counts.
func (a *app) drawScreens(c *widget.Canvas) {
	long := c.W >= 100
	x := 1
	for i, p := range a.screens() {
		title, short := p.Title()
		if !long {
			title = short
		}
		label := fmt.Sprintf("%d %s", i+1, title)
		start := x
		if c.W < tabsFrom && i != a.at {
			x = c.Text(x, 1, theme.Dim, fmt.Sprint(i+1))
			c.Hit(start, 1, x-start, 1, fmt.Sprintf("screen:%d", i))
			x += 2
			continue
		}
		if i == a.at {
			c.Put(x-1, 1, theme.Title, '[')
			x = c.Text(x, 1, theme.Title, label)
			c.Put(x, 1, theme.Title, ']')
		} else {
			x = c.Text(x, 1, theme.Dim, label[:2])
			x = c.Text(x, 1, theme.Text, title)
		}
		c.Hit(start, 1, x-start, 1, fmt.Sprintf("screen:%d", i))
		x += 2
	}
	counts := a.counts()
	n := 0
	for _, p := range counts {
		n += widget.Width(p.text)
	}
	at := c.W - n - 1
	if d := feed.Drill(a.x.Status); d != nil {
		t := max(a.x.Now.Sub(d.Started), 0)
		badge := fmt.Sprintf(" DRILL T+%02d:%02d · X aborts ", int(t.Minutes()), int(t.Seconds())%60)
		if at-len(badge) > x {
			c.Text(at-widget.Width(badge)-2, 1, theme.Mode, badge)
		} else if at-9 > x {
			c.Text(at-9, 1, theme.Mode, " DRILL ")
		}
	}
	for _, p := range counts {
		at = c.Text(at, 1, p.token, p.text)
	}
}

// counts are the problems by state, and what is under way.
func (a *app) counts() []piece {
	s := a.x.Status
	down, warn, busy := 0, 0, len(s.Faults)
	for i := range s.Problems {
		switch s.Problems[i].State {
		case api.StateDown:
			down++
		case api.StateDegraded, api.StateUnknown:
			warn++
		case api.StateOK:
		}
	}
	for i := range s.Backends {
		if s.Backends[i].Phase == api.PhaseDraining {
			busy++
		}
	}
	if feed.Drill(s) != nil {
		busy++
	}
	count := func(k theme.Token, glyph string, n int) piece {
		if n == 0 {
			k = theme.Dim
		}
		return piece{k, fmt.Sprintf("  %s %d", glyph, n)}
	}
	return []piece{count(theme.Crit, "✗", down), count(theme.Warn, "▲", warn), count(theme.Info, "◐", busy)}
}

// drawNote draws the line above the keys: the filter, the past, or what the
// last act did.
func (a *app) drawNote(c *widget.Canvas) {
	switch {
	case a.filter != nil:
		x := c.Text(1, 0, theme.Title, "/")
		a.filter.Draw(c, x, 0, c.W-x-30, theme.Text, true)
		c.Right(c.W-32, 0, 31, theme.Dim, "text !text state: site: pool:")
	case a.note.text != "":
		x := c.Cut(1, 0, c.W-2, a.note.token, a.note.text)
		if left := a.undo.left(a.opt.Now()); left > 0 && x+30 < c.W {
			c.Text(x+2, 0, theme.Dim, fmt.Sprintf("· Z takes it back for %d s", int(left.Seconds())+1))
		}
	case !a.x.Live:
		c.Cut(1, 0, c.W-2, theme.Accent, "the past: "+widget.Age(a.opt.Now().Sub(a.x.Status.At))+" ago · < > step · p live · acts are off")
	default:
		x := c.Text(1, 0, theme.Dim, "filter ")
		c.Cut(x, 0, c.W-x-1, theme.Accent, a.x.Filter.Text)
	}
}

// drawKeys draws the footer: the keys that mean something here and now. Acts
// that would be refused are in the help, with the reason.
func (a *app) drawKeys(c *widget.Canvas) {
	x, edge := 1, c.W-1
	if b, ok := keys.Find("?", []keys.Scope{keys.Global}); ok {
		edge -= widget.Width(b.Show+b.Words) + 3 // whoever knows no key finds this one
		at := c.Text(edge+2, 0, theme.Title, b.Show)
		c.Cut(at+1, 0, c.W-at-1, theme.Dim, b.Words)
		c.Hit(edge+2, 0, c.W-edge-2, 1, "key:?")
	}
	for _, b := range a.footKeys() {
		show, words := b.Show, b.Words
		if b.Action == keys.Help || b.Mutates && a.refusal(b) != "" {
			continue
		}
		if b.FootShow != "" {
			show, words = b.FootShow, b.FootWords
		}
		if b.Action == keys.Screen {
			show = fmt.Sprintf("1-%d", len(a.screens()))
		}
		n := widget.Width(show) + 1 + widget.Width(words)
		if x+n > edge {
			continue
		}
		start := x
		if b.Scope == keys.Drilling {
			x = c.Text(x, 0, theme.Mode, " "+show+" "+words+" ")
			x = c.Text(x+1, 0, theme.Dim, "then y") + 2
			continue
		}
		x = c.Text(x, 0, theme.Title, show)
		x = c.Text(x+1, 0, theme.Dim, words)
		if !b.Mutates {
			c.Hit(start, 0, x-start, 1, "key:"+b.Keys[0])
		}
		x += 2
	}
}

// drawStrip is for terminals that are too small: one honest line, and what
// needs a person below it.
func (a *app) drawStrip(c *widget.Canvas) {
	s := a.x.Status
	var b strings.Builder
	if s.Production {
		b.WriteString("PROD ")
	}
	up, all := 0, 0
	for i := range s.Sites {
		all++
		if s.Sites[i].State != api.StateDown {
			up++
		}
	}
	fmt.Fprintf(&b, "%d/%d", up, all)
	for _, p := range a.counts()[:2] {
		b.WriteString(strings.ReplaceAll(p.text, "  ", " "))
	}
	if a.stale() {
		b.WriteString(" STALE " + widget.Age(a.opt.Now().Sub(a.arrived)))
	}
	k := theme.Text
	if len(s.Problems) > 0 {
		p := &s.Problems[0]
		fmt.Fprintf(&b, " %s %s %s", p.Subject.Name, theme.OfState(p.State).Word, widget.Since(a.x.Now, p.Since))
		k = theme.OfState(p.State).Token
	}
	c.Cut(0, 0, c.W, k, b.String())
	for i := 1; i < len(s.Problems) && i < min(c.H, 5); i++ {
		p := &s.Problems[i]
		c.Cut(0, i, c.W, theme.OfState(p.State).Token, fmt.Sprintf("%s %s %s", p.Subject.Name, theme.OfState(p.State).Word, p.Text))
	}
	if c.H > 5 {
		c.Cut(0, c.H-1, c.W, theme.Dim, "60x15 or more shows the screens · q quits")
	}
}

// target is what is selected on the page.
func (a *app) target() id.Ref {
	if a.x.Status == nil {
		return id.Ref{}
	}
	return a.pages[a.at].Target(&a.x)
}
