package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Drills is the list of drills and the report of the selected one, which is
// live while it runs: its steps on a time line, what the probes saw, the
// verdict so far.
type Drills struct {
	rows Rows[api.Drill]
	seen int
	ran  string // the drill that was under way at the last look
}

// NewDrills returns the page.
func NewDrills() *Drills {
	return &Drills{rows: Rows[api.Drill]{
		Tag:  "drill",
		Name: func(d *api.Drill) string { return d.Name },
		Ref:  func(d *api.Drill) id.Ref { return id.To(id.KindDrill, d.Name) },
		Subject: func(d *api.Drill) Subject {
			return Subject{State: drillState(d.Phase), Word: theme.OfDrill(d.Phase).Word, Text: []string{d.Name, d.Why, d.Fault, d.Reason}}
		},
		Orders: []Order[api.Drill]{
			{"name", func(_, _ *api.Drill) int { return 0 }},
			{"oldest run", func(a, b *api.Drill) int { return a.Ended.Compare(b.Ended) }},
		},
	}}
}

// drillState is what a drill's phase means for people: a failed one is an
// alarm, one that never ran is not known to work.
func drillState(p api.DrillPhase) api.State {
	switch p {
	case api.DrillPassed:
		return api.StateOK
	case api.DrillFailed:
		return api.StateDown
	case api.DrillAborted, api.DrillRefused, api.DrillChecking, api.DrillRunning, api.DrillReverting, api.DrillSettling:
		return api.StateDegraded
	case api.DrillIdle:
	}
	return api.StateUnknown
}

// Name implements Page.
func (*Drills) Name() string { return "drills" }

// Title implements Page.
func (*Drills) Title() (long, short string) { return "Drills", "Drill" }

// Scopes implements Page.
func (*Drills) Scopes() []keys.Scope { return []keys.Scope{keys.Rows} }

// Crumb implements Page.
func (p *Drills) Crumb(x *Context) string {
	p.make(x)
	d := p.rows.Selected()
	if d == nil {
		return ""
	}
	if d.Run == 0 {
		return d.Name
	}
	return fmt.Sprintf("%s #%d", d.Name, d.Run)
}

// Close implements Page.
func (*Drills) Close(*Context) bool { return false }

// Words implements Page.
func (p *Drills) Words(x *Context) []string {
	p.make(x)
	if d := p.rows.Selected(); d != nil && d.Run > 0 {
		return []string{"drill", "report", d.Name}
	}
	return []string{"get", "drills"}
}

// make makes the rows. A drill that begins is selected, so that whoever watches
// the page sees it without a key.
func (p *Drills) make(x *Context) {
	p.rows.Make(x, x.Status.Drills, "", nil)
	ran := ""
	for i := range x.Status.Drills {
		if x.Status.Drills[i].Phase.Live() {
			ran = x.Status.Drills[i].Name
		}
	}
	if ran != "" && ran != p.ran {
		p.rows.Select(ran)
	}
	p.ran = ran
}

// Target implements Page.
func (p *Drills) Target(x *Context) id.Ref {
	p.make(x)
	return p.rows.Target()
}

// Open implements Page.
func (p *Drills) Open(x *Context, ref id.Ref) bool {
	p.make(x)
	return ref.Kind == id.KindDrill && p.rows.Select(ref.Name)
}

// Click implements Page.
func (p *Drills) Click(_ *Context, what string) bool { return p.rows.Click(what) }

// Do implements Page.
func (p *Drills) Do(x *Context, a keys.Action) bool {
	p.make(x)
	return p.rows.Do(a, p.seen)
}

// Draw implements Page.
func (p *Drills) Draw(x *Context, c *widget.Canvas) {
	p.make(x)
	d := p.rows.Selected()
	list := block{least: 3, want: min(2+max(len(p.rows.items), 1), max(c.H/4, 3)), rank: 0, draw: func(c *widget.Canvas) { p.drawList(x, c) }}
	if d == nil {
		stack(c, []block{list})
		return
	}
	if d.Run == 0 {
		stack(c, []block{list, {least: 4, want: 8, rank: 1, draw: func(c *widget.Canvas) { drawUnrun(c, d) }}})
		return
	}
	notes := clip(len(d.Log), 1)
	stack(c, []block{
		list,
		{least: 3, want: 6, rank: 2, draw: func(c *widget.Canvas) { drawFigures(x, c, d) }},
		{least: min(clip(len(d.Steps), 1), max(c.H/3, 4)), want: clip(len(d.Steps), 1), rank: 1, draw: func(c *widget.Canvas) { drawSteps(x, c, d) }},
		{least: 3, want: 4, rank: 3, draw: func(c *widget.Canvas) { drawSeen(c, d) }},
		{least: 2, want: clip(len(d.Verdicts), 1), rank: 4, draw: func(c *widget.Canvas) { drawVerdicts(c, d) }},
		{least: 2, want: notes, rank: 5, draw: func(c *widget.Canvas) { drawNotes(c, d) }},
	})
}

func (p *Drills) drawList(x *Context, c *widget.Canvas) {
	c.Rule(0, "DRILLS", p.rows.Count(), "R runs the selected one")
	columns := []widget.Column{
		{Head: "  LAST", Width: theme.LookWidth},
		{Head: "DRILL", Width: p.rows.NameWidth(nameMost)},
		{Head: "RUN", Width: 4, Right: true, Drop: 4},
		{Head: "FELT", Width: 7, Right: true},
		{Head: "LIMIT", Width: 6, Right: true},
		{Head: "AGE", Width: 7, Right: true, Drop: 1},
		{Head: "FAULT", Width: 16, Grow: 1, GrowMax: 30, Drop: 3},
		{Head: "REASON", Width: 20, Grow: 3, Drop: 2},
	}
	widths := widget.Fit(columns, c.W-2)
	c.Heads(1, 1, columns, widths)
	p.seen = c.H - 2
	p.rows.Draw(c.Sub(0, 2, c.W, c.H-2), true, func(d *api.Drill, c *widget.Canvas, _ bool) {
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Say(at, 0, theme.OfDrill(d.Phase))
			case 1:
				c.Cut(at, 0, w, theme.Title, d.Name)
			case 2:
				c.Right(at, 0, w, theme.Dim, strconv.Itoa(d.Run))
			case 3:
				c.Right(at, 0, w, theme.Title, felt(d))
			case 4:
				c.Right(at, 0, w, theme.Dim, limitOf(d))
			case 5:
				switch {
				case d.Run == 0:
					c.Right(at, 0, w, theme.Warn, "never")
				case d.Phase.Live():
					c.Right(at, 0, w, theme.Info, "now")
				default:
					c.Right(at, 0, w, theme.Dim, widget.Since(x.Now, d.Ended))
				}
			case 6:
				c.Cut(at, 0, w, theme.Dim, d.Fault)
			case 7:
				c.Cut(at, 0, w, theme.Dim, d.Reason)
			}
		})
	})
}

// drawUnrun says what a drill would do that never ran.
func drawUnrun(c *widget.Canvas, d *api.Drill) {
	c.Rule(0, d.Name, "never run", "")
	for i, l := range [][2]string{
		{"why", d.Why}, {"fault", d.Fault + ", reverted whatever happens"}, {"users", d.Clients + ", and probes of its own every millisecond"},
	} {
		c.Text(2, 1+i, theme.Dim, l[0])
		c.Cut(9, 1+i, c.W-10, theme.Text, l[1])
	}
	c.Cut(2, 5, c.W-3, theme.Dim, "R shows the plan and runs it · nothing is known of this until then")
}

// drillClock is how far a drill is: T is the moment of the fault.
func drillClock(x *Context, d *api.Drill) time.Duration {
	end := x.Now
	if !d.Phase.Live() && !d.Ended.IsZero() {
		end = d.Ended
	}
	return max(end.Sub(d.Started), 0)
}

// drawFigures draws the three figures that matter: how long, how long it was
// felt, how many requests it cost.
func drawFigures(x *Context, c *widget.Canvas, d *api.Drill) {
	title := fmt.Sprintf("%s #%d: %s", d.Name, d.Run, d.Why)
	c.Rule(0, title, "", "by "+d.By)
	took := drillClock(x, d)
	pct := 0.0
	if d.Probes.Sent > 0 {
		pct = 100 * float64(d.Probes.Failed) / float64(d.Probes.Sent)
	}
	feltMillis := strconv.FormatInt(d.Probes.LastFail.Milliseconds(), 10)
	under := []string{"since it began, s", "felt, ms: fault to last failed probe", fmt.Sprintf("errors, %%: %d of %s probes", d.Probes.Failed, widget.Count(int64(d.Probes.Sent)))}
	k := theme.Title
	if d.Probes.Failed > 0 {
		k = theme.Warn
	}
	if c.H < 6 || c.W < 76 {
		c.Cut(1, 1, c.W-2, k, fmt.Sprintf("T+%.1f s · felt %s ms · errors %.2f %% · %d of %d probes", took.Seconds(), feltMillis, pct, d.Probes.Failed, d.Probes.Sent))
		c.Cut(1, 2, c.W-2, theme.Text, d.Reason)
		return
	}
	slot := c.W / 3
	for i, figure := range []string{fmt.Sprintf("%.1f", took.Seconds()), feltMillis, fmt.Sprintf("%.2f", pct)} {
		part := c.Sub(i*slot, 1, slot, 5)
		token := theme.Title
		if i > 0 {
			token = k
		}
		end := part.Big(3, 0, token, figure)
		if l := limitFor(d, i); l != "" {
			part.Cut(end+2, 1, part.W-end-2, theme.Dim, "limit "+l)
		}
		part.Cut(3, 4, slot-4, theme.Dim, under[i])
		if i > 0 {
			part.Fill(0, 0, 1, 5, theme.Faint, '│')
		}
	}
}

// limitFor is the limit of one of drawFigures' figures, empty without one.
func limitFor(d *api.Drill, figure int) string {
	want := []string{"", "took", "errors"}[figure]
	for _, v := range d.Verdicts {
		if v.Objective == want {
			return v.Limit
		}
	}
	return ""
}

// drawSteps draws each step and when it was on one time line.
func drawSteps(x *Context, c *widget.Canvas, d *api.Drill) {
	const took, limit = 9, 8
	name := min(max(c.W*2/5, 24), 56)
	c.Cut(2, 0, name-2, theme.Dim, "STEP")
	c.Right(c.W-limit-1, 0, limit, theme.Dim, "LIMIT")
	c.Right(c.W-limit-took-1, 0, took, theme.Dim, "TOOK")
	w := c.W - name - took - limit - 4
	from, to := time.Duration(0), 10*time.Second
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.State != api.StateUnknown {
			from, to = min(from, s.At), max(to, s.At+s.Took)
		}
	}
	full := max(to-from, time.Second)
	at := func(t time.Duration) int { return int(float64(t-from) / float64(full) * float64(w-1)) }
	drawScale(c, name, w, from, to, at)
	first := stepsFrom(d, c.H-1)
	if first > 0 {
		c.Cut(2, 0, name-2, theme.Dim, fmt.Sprintf("STEP  %d before", first))
	}
	for i := first; i < len(d.Steps) && i-first+1 < c.H; i++ {
		s, y := &d.Steps[i], i-first+1
		glyph, k := '·', theme.Dim
		switch s.State {
		case api.StateOK:
			glyph, k = '✓', theme.OK
		case api.StateDegraded:
			glyph, k = '◐', theme.Info
		case api.StateDown:
			glyph, k = '✗', theme.Crit
		case api.StateUnknown:
		}
		c.Put(2, y, k, glyph)
		text := theme.Text
		if s.State == api.StateUnknown {
			text = theme.Dim
		}
		end := c.Cut(4, y, name-5, text, s.Name)
		if s.Text != "" && end+3+widget.Width(s.Text) < name {
			c.Text(end+2, y, theme.Dim, s.Text)
		}
		if s.State != api.StateUnknown && w > 4 {
			begin, last := at(s.At), at(s.At+s.Took)
			bar := '█'
			if s.State == api.StateDegraded {
				bar = '▓'
			}
			c.Fill(name+begin, y, max(last-begin, 1), 1, k, bar)
			c.Right(c.W-limit-took-1, y, took, theme.Text, widget.Took(s.Took))
		}
		if s.Limit > 0 {
			c.Right(c.W-limit-1, y, limit, theme.Dim, widget.Took(s.Limit))
		}
	}
}

// stepsFrom is the first step to draw when rows are too few for all: the one
// under way is seen, with what came before it.
func stepsFrom(d *api.Drill, rows int) int {
	at := 0
	for i := range d.Steps {
		if d.Steps[i].State != api.StateUnknown {
			at = i
		}
	}
	return max(min(at+2-rows, len(d.Steps)-rows), 0)
}

// drawScale draws the seconds from the fault above the time line.
func drawScale(c *widget.Canvas, x, w int, from, to time.Duration, at func(time.Duration) int) {
	step := time.Second
	for _, s := range []time.Duration{2, 5, 10, 20, 30, 60, 120, 300} {
		if int((to-from)/step) <= max(w/8, 1) {
			break
		}
		step = s * time.Second
	}
	for t := time.Duration(0); t <= to; t += step {
		text := strconv.Itoa(int(t.Seconds()))
		if n := at(t); n+len(text) <= w {
			c.Text(x+n, 0, theme.Dim, text)
		}
	}
}

// drawSeen draws what the probes saw since the fault.
func drawSeen(c *widget.Canvas, d *api.Drill) {
	c.Rule(0, "WHAT THE PROBES SAW", fmt.Sprintf("every %s, each a new connection", d.Probes.Every), "· good  ✗ bad  ░ not yet · one column = "+d.StripEvery.String())
	strip := d.Strip
	if strip == "" {
		strip = strings.Repeat("_", 60)
	}
	// Each column as wide as the screen allows, so that the strip is a time line.
	wide := max((c.W-4)/len(strip), 1)
	wide = min(wide, 2)
	var b strings.Builder
	for i := range len(strip) {
		b.WriteString(strings.Repeat(strip[i:i+1], wide))
	}
	c.Strip(2, 1, min(b.Len(), c.W-4), b.String()[:min(b.Len(), c.W-4)])
	p := &d.Probes
	text := fmt.Sprintf("p50 %s · p99 %s · most %s", widget.Took(p.P50), widget.Took(p.P99), widget.Took(p.Max))
	if p.Detected > 0 {
		text += " · the first host took it out after " + widget.Took(p.Detected)
	}
	if p.Late > 0 {
		text += fmt.Sprintf(" · %d sent late", p.Late)
	}
	c.Cut(2, 2, c.W-3, theme.Dim, text)
	if p.Failed > 0 {
		c.Cut(2, 3, c.W-3, theme.Warn, fmt.Sprintf("%d failed, from %s to %s after the fault", p.Failed, widget.Took(p.FirstFail), widget.Took(p.LastFail)))
	}
}

func drawVerdicts(c *widget.Canvas, d *api.Drill) {
	word := "so far"
	if !d.Phase.Live() {
		word = string(d.Phase) + ": " + d.Reason
	}
	right := ""
	if d.Phase.Live() {
		right = "X then y aborts"
	}
	c.Rule(0, "VERDICT", word, right)
	for i := 0; i < len(d.Verdicts) && i+1 < c.H; i++ {
		v, y := &d.Verdicts[i], i+1
		glyph, k := '·', theme.Dim
		switch v.State {
		case api.StateOK:
			glyph, k = '✓', theme.OK
		case api.StateDown, api.StateDegraded:
			glyph, k = '✗', theme.Crit
		case api.StateUnknown:
			if !d.Phase.Live() { // it stayed open: nothing is proven by it
				glyph, k = '?', theme.Warn
			}
		}
		c.Put(2, y, k, glyph)
		c.Cut(4, y, 10, theme.Text, v.Objective)
		c.Right(14, y, 18, theme.Title, v.Measured)
		c.Cut(34, y, c.W-35, theme.Dim, "limit "+v.Limit)
	}
}

func drawNotes(c *widget.Canvas, d *api.Drill) {
	c.Rule(0, "LOG", "", "from the fault")
	notes := d.Log
	if extra := len(notes) - (c.H - 1); extra > 0 {
		notes = notes[extra:]
	}
	for i := range notes {
		c.Right(1, 1+i, 9, theme.Dim, fmt.Sprintf("%+.3f", notes[i].At.Seconds()))
		c.Cut(12, 1+i, c.W-13, theme.Text, notes[i].Text)
	}
}
