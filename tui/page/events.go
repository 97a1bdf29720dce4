package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Events is everything that happened, the newest first, and for the selected
// event what led to it and what it led to. While the newest is selected the
// page follows.
type Events struct {
	rows   Rows[api.Event]
	newest []api.Event // newest first
	of     span        // what newest was made of
	follow bool
	seen   int
}

// span tells one slice of events from another.
type span struct {
	first, last api.Seq
	n           int
}

// NewEvents returns the page.
func NewEvents() *Events {
	return &Events{follow: true, rows: Rows[api.Event]{
		Tag:  "event",
		Name: func(e *api.Event) string { return strconv.FormatUint(uint64(e.Seq), 10) },
		Ref:  func(e *api.Event) id.Ref { return e.Subject },
		Subject: func(e *api.Event) Subject {
			return Subject{
				State: e.State, Word: string(e.State), Site: e.Site, Host: e.Host, Lane: string(e.Lane),
				Text: []string{e.Subject.String(), e.Text, e.Reason, e.By},
			}
		},
	}}
}

// Name implements Page.
func (*Events) Name() string { return "events" }

// Title implements Page.
func (*Events) Title() (long, short string) { return "Events", "Ev" }

// Scopes implements Page.
func (*Events) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (p *Events) Crumb(*Context) string { return "" }

// Close implements Page.
func (*Events) Close(*Context) bool { return false }

// Words implements Page.
func (*Events) Words(*Context) []string { return []string{"get", "events"} }

func (p *Events) make(x *Context) {
	s := span{n: len(x.Events)}
	if s.n > 0 {
		s.first, s.last = x.Events[0].Seq, x.Events[s.n-1].Seq
	}
	if s != p.of {
		p.of = s
		p.newest = append(p.newest[:0], x.Events...)
		slices.Reverse(p.newest)
		p.rows.made = made{} // of the events before
	}
	p.rows.Make(x, p.newest, fmt.Sprint(s), nil)
	if p.follow && len(p.rows.items) > 0 {
		p.rows.List.Sel = p.rows.key(0)
	}
}

// Target implements Page. Acts are for what the event is about.
func (p *Events) Target(x *Context) id.Ref {
	p.make(x)
	return p.rows.Target()
}

// Open implements Page: the newest event about a thing.
func (p *Events) Open(x *Context, ref id.Ref) bool {
	p.make(x)
	for i := range p.rows.items {
		if p.rows.items[i].Subject == ref {
			p.follow = i == 0
			return p.rows.Select(p.rows.key(i))
		}
	}
	return false
}

// Click implements Page.
func (p *Events) Click(_ *Context, what string) bool {
	if !p.rows.Click(what) {
		return false
	}
	p.follow = false
	return true
}

// Do implements Page.
func (p *Events) Do(x *Context, a keys.Action) bool {
	p.make(x)
	if a == keys.Open {
		if t := p.rows.Target(); !t.IsZero() {
			x.Goto(t)
			return true
		}
		return false
	}
	done := p.rows.Do(a, p.seen)
	p.follow = len(p.rows.items) == 0 || p.rows.List.Sel == p.rows.key(0)
	return done
}

// Draw implements Page.
func (p *Events) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	var chain []api.Event
	effects := 0
	if e := p.rows.Selected(); e != nil {
		chain = x.Chain(e.Seq)
		for len(chain) < ChainMax {
			next, ok := firstEffect(x, chain[len(chain)-1].Seq)
			if !ok {
				break
			}
			chain = append(chain, next)
			effects++
		}
	}
	blocks := []block{
		{least: 4, want: c.H, rank: 1, draw: func(c *widget.Canvas) { p.drawList(x, c) }},
	}
	if c.H >= 14 && len(chain) > 1 {
		blocks = append(blocks, block{least: min(1+len(chain), 8), want: min(1+len(chain), c.H/3), rank: 0, draw: func(c *widget.Canvas) {
			p.drawChain(c, chain, effects)
		}})
	}
	if c.H >= 26 && !x.Wide {
		lanes := block{least: len(laneNames) + 3, want: len(laneNames) + 3, rank: 0, draw: func(c *widget.Canvas) { DrawLanes(x, c) }}
		blocks = append([]block{lanes}, blocks...)
	}
	stack(c, blocks)
}

// firstEffect is the first event that names seq as its cause.
func firstEffect(x *Context, seq api.Seq) (api.Event, bool) {
	from, _ := slices.BinarySearchFunc(x.Events, seq+1, func(e api.Event, seq api.Seq) int { return cmp.Compare(e.Seq, seq) })
	for i := from; i < len(x.Events); i++ {
		if x.Events[i].Cause == seq {
			return x.Events[i], true
		}
	}
	return api.Event{}, false
}

func (p *Events) drawList(x *Context, c *widget.Canvas) {
	how := "follows live"
	switch {
	case !x.Live:
		how = "up to " + Clock(x.Now)
	case !p.follow:
		how = "g follows the newest"
	}
	c.Rule(0, "EVENTS", p.rows.Count(), how)
	columns := []widget.Column{
		{Head: "TIME UTC", Width: 12},
		{Head: "LANE", Width: 6, Drop: 4},
		{Head: "SUBJECT", Width: 18, Grow: 1, GrowMax: 28},
		{Head: "WHAT", Width: 20, Grow: 3},
		{Head: "BECAUSE", Width: 20, Grow: 3, Drop: 2},
		{Head: "BY", Width: 8, Grow: 1, GrowMax: 14, Drop: 3},
		{Head: "SEQ", Width: 6, Right: true, Drop: 6},
		{Head: "AFTER", Width: 6, Right: true, Drop: 5},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = c.H - 2
	p.rows.Draw(c.Sub(0, 2, c.W, c.H-2), true, func(e *api.Event, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Cut(at, 0, w, theme.Dim, ClockMillis(e.At))
			case 1:
				c.Cut(at, 0, w, theme.Dim, string(e.Lane))
			case 2:
				mark := laneMark(e)
				c.Put(at, 0, mark.Token, mark.Rune)
				c.Cut(at+2, 0, w-2, subjectToken(e.State), e.Subject.Name)
			case 3:
				c.Cut(at, 0, w, theme.Text, e.Text)
			case 4:
				c.Cut(at, 0, w, theme.Dim, strings.TrimPrefix(e.Reason, "because "))
			case 5:
				c.Cut(at, 0, w, theme.Dim, cmp.Or(e.By, e.Host))
			case 6:
				c.Right(at, 0, w, theme.Dim, strconv.FormatUint(uint64(e.Seq), 10))
			case 7:
				if e.Cause != 0 {
					c.Right(at, 0, w, theme.Dim, strconv.FormatUint(uint64(e.Cause), 10))
				}
			}
		})
	})
}

func (p *Events) drawChain(c *widget.Canvas, chain []api.Event, effects int) {
	right := ""
	if effects > 0 {
		right = fmt.Sprintf("and %d after it", effects)
	}
	c.Rule(0, "WHAT LED HERE", fmt.Sprintf("%d events", len(chain)-effects), right)
	if extra := len(chain) - (c.H - 1); extra > 0 {
		chain = chain[extra:]
	}
	at := p.rows.Selected()
	for i := range chain {
		if at != nil && chain[i].Seq == at.Seq {
			c.Put(0, 1+i, theme.Accent, '▌')
		}
	}
	DrawChain(c.Sub(1, 1, c.W-2, c.H-1), chain)
}
