package dialog

import (
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// field is what has the focus in a plan.
type field int

const (
	onCancel field = iota
	onReason
	onType
	onAct
)

// Plan shows what a command would touch and asks for it. The focus is on
// Cancel; a command that needs a confirmation is locked until the name is
// typed, by hand.
type Plan struct {
	command    api.Command
	plan       plan
	void       string // why it cannot be asked for any more
	focus      field
	reason     Line
	typed      Line
	production bool
	rev        uint64
	askWhy     bool // what needs a confirmation needs a reason as well
}

// NewPlan makes the plan of a command from a picture.
func NewPlan(c api.Command, s *api.Status) *Plan {
	return &Plan{command: c, plan: build(c, s), production: s.Production, rev: s.Rev}
}

// AskWhy locks what needs a confirmation until a reason is given as well.
func (p *Plan) AskWhy() { p.askWhy = true }

// lacksWhy reports whether a reason is missing.
func (p *Plan) lacksWhy() bool {
	return p.askWhy && p.plan.confirm != "" && strings.TrimSpace(p.reason.String()) == ""
}

// See implements Dialog: a plan is void when what it says is not so any more.
func (p *Plan) See(s *api.Status, _ time.Time) {
	if p.void != "" {
		return
	}
	next := build(p.command, s)
	if p.void = p.plan.changed(next); p.void == "" {
		p.plan = next
	}
}

// Paste implements Dialog. Only a reason may be pasted: what is typed to
// confirm must be typed.
func (p *Plan) Paste(s string) {
	if p.focus == onReason {
		p.reason.Insert(s)
	}
}

func (p *Plan) typedRight() bool {
	return p.plan.confirm == "" || p.typed.String() == p.plan.confirm
}

// Key implements Dialog.
func (p *Plan) Key(k Key) Answer {
	switch k.Name {
	case "esc", "ctrl+c":
		return Answer{Close: true}
	case "ctrl+y":
		return Answer{Copy: p.shell()}
	case "tab", "down":
		p.move(1)
		return Answer{}
	case "shift+tab", "up":
		p.move(-1)
		return Answer{}
	case "enter":
		return p.enter()
	}
	if p.void != "" {
		return Answer{}
	}
	switch p.focus {
	case onCancel, onAct:
		if k.Name == "left" || k.Name == "right" {
			p.focus = onCancel + onAct - p.focus
			return Answer{}
		}
		if k.Text == "" || p.plan.confirm == "" {
			return Answer{} // keys typed ahead of a plan without a lock end here
		}
		p.focus = onType // typing means to type
	case onReason, onType:
	}
	if p.focus == onReason {
		p.reason.Key(k)
	} else {
		p.typed.Key(k)
	}
	return Answer{}
}

func (p *Plan) enter() Answer {
	switch {
	case p.void != "" || p.focus == onCancel:
		return Answer{Close: true}
	case p.focus == onReason:
		p.move(1)
		return Answer{}
	case !p.typedRight():
		return Answer{}
	case p.lacksWhy():
		p.focus = onReason
		return Answer{}
	}
	return Answer{Close: true, Do: &api.Request{Command: p.command, Why: strings.TrimSpace(p.reason.String()), Confirm: p.typed.String()}}
}

func (p *Plan) move(by int) {
	for {
		p.focus = (p.focus + field(by) + 4) % 4
		if p.focus != onType || p.plan.confirm != "" {
			return
		}
	}
}

func (p *Plan) shell() string {
	s := api.Shell(p.command)
	if why := strings.TrimSpace(p.reason.String()); why != "" {
		s += " --why '" + strings.ReplaceAll(why, "'", `'\''`) + "'"
	}
	return s
}

// Draw implements Dialog.
func (p *Plan) Draw(all *widget.Canvas) {
	w := min(all.W-2, 92)
	rows := 12 + len(p.plan.lines) + max(len(p.plan.refusals), 1)
	if p.plan.confirm != "" {
		rows += 2
	}
	roomy := rows+4 <= all.H
	if roomy {
		rows += 4
	}
	c := centred(all, w, min(rows, all.H))
	c.Box(0, 0, c.W, c.H, theme.Title)
	x := c.Text(2, 0, theme.Text, " ")
	k := theme.Title
	if p.plan.confirm != "" {
		k = theme.Crit
	}
	x = c.Text(x, 0, k, p.plan.verb+" ")
	x = c.Cut(x, 0, c.W-x-10, theme.Title, p.plan.subject)
	x = c.Text(x, 0, theme.Text, " ")
	if p.production {
		x = c.Text(x+1, 0, theme.Mode, " PROD ")
		c.Text(x, 0, theme.Text, " ")
	}
	in := c.Sub(2, 1, c.W-4, c.H-2)
	y := 0
	if roomy {
		y++
	}
	in.Cut(0, y, in.W, theme.Dim, p.command.Sentence()+" · "+p.plan.about)
	y += 2
	foot := 6
	if p.plan.confirm != "" {
		foot = 8
	}
	y = p.drawLines(in, y, in.H-foot-max(len(p.plan.refusals), 1)-1)
	if roomy {
		y++
	}
	y = p.drawChecks(in, y)
	p.drawInput(in, max(y+1, in.H-foot+1), roomy)
	p.drawFoot(c)
}

// drawLines draws what the command touches, before row end.
func (p *Plan) drawLines(c *widget.Canvas, y, end int) int {
	columns := []widget.Column{
		{Head: "WHAT IT TOUCHES", Width: 20, Grow: 3, GrowMax: 40},
		{Head: "NOW", Width: 10, Grow: 1, GrowMax: 12},
		{Head: "AFTER", Width: 12, Grow: 1, GrowMax: 16},
		{Width: 14, Grow: 3, Drop: 1},
	}
	widths := widget.Fit(columns, c.W)
	if len(p.plan.lines) == 0 {
		return y
	}
	c.Heads(0, y, columns, widths)
	y++
	for n, l := range p.plan.lines {
		if y >= end-1 && n < len(p.plan.lines)-1 {
			c.Cut(0, y, c.W, theme.Dim, "… more than this window has room for")
			return y + 1
		}
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Cut(at, y, w, theme.Text, l.what)
			case 1:
				c.Cut(at, y, w, theme.Text, l.now)
			case 2:
				c.Cut(at, y, w, l.token, l.after)
			case 3:
				c.Cut(at, y, w, theme.Dim, l.note)
			}
		})
		y++
	}
	return y
}

func (p *Plan) drawChecks(c *widget.Canvas, y int) int {
	c.Cut(0, y, c.W, theme.Dim, "CHECKS")
	y++
	if len(p.plan.refusals) == 0 {
		c.Put(0, y, theme.OK, '✓')
		c.Cut(2, y, c.W-2, theme.Text, "nothing speaks against it")
		return y + 1
	}
	for _, r := range p.plan.refusals {
		look := theme.Look{Glyph: '▲', Token: theme.Warn}
		if !r.Warning {
			look = theme.Look{Glyph: '✗', Token: theme.Crit}
		}
		c.Put(0, y, look.Token, look.Glyph)
		c.Cut(2, y, c.W-2, theme.Text, r.String())
		y++
	}
	return y
}

// drawInput draws the command line, the reason, the confirmation and the
// buttons.
func (p *Plan) drawInput(c *widget.Canvas, y int, roomy bool) {
	const label = 10
	c.Text(0, y, theme.Dim, "SAME AS")
	c.Cut(label, y, c.W-label, theme.Text, p.shell())
	y++
	if roomy {
		y++
	}
	c.Text(0, y, theme.Dim, "REASON")
	if p.reason.String() == "" && p.focus != onReason {
		c.Cut(label, y, c.W-label, theme.Faint, "tab, then why; it is kept with the act")
	}
	p.reason.Draw(c, label, y, c.W-label, theme.Text, p.focus == onReason)
	y++
	if p.plan.confirm != "" {
		c.Text(0, y, theme.Dim, "TYPE")
		x := c.Text(label, y, theme.Title, p.plan.confirm)
		c.Cut(x+1, y, c.W-x-1, theme.Dim, "to go on")
		y++
		c.Put(label, y, theme.Accent, '┃')
		p.typed.Draw(c, label+2, y, c.W-label-2, theme.Text, p.focus == onType)
		y++
	}
	y = min(y+1, c.H-1)
	cancel, act := "  Cancel  esc  ", "[ "+capital(verb(p.command))+"  enter ]"
	k := theme.Text
	if p.focus == onCancel || p.void != "" {
		k = theme.Mode
	}
	at := max(c.W/2-26, 0)
	c.Text(at, y, k, cancel)
	if p.focus == onCancel {
		c.Cursor(at+2, y)
	}
	if p.void != "" {
		return
	}
	k, note := theme.Title, ""
	switch {
	case !p.typedRight():
		k, note = theme.Dim, "locked until it matches"
	case p.lacksWhy():
		k, note = theme.Dim, "locked until there is a reason"
	case p.focus == onAct || p.focus == onType:
		k = theme.Mode
	case p.focus == onCancel:
		k, note = theme.Dim, "tab goes there"
	}
	at = c.Text(at+widget.Width(cancel)+8, y, k, act)
	if p.focus == onAct {
		c.Cursor(at-widget.Width(act)+2, y)
	}
	c.Cut(at+2, y, c.W-at-2, theme.Dim, note)
}

func (p *Plan) drawFoot(c *widget.Canvas) {
	text, k := " ctrl+y copies the command · void when this changes ", theme.Dim
	if p.plan.confirm != "" {
		text = " ctrl+y copies · void when this changes · paste is off "
	}
	if p.void != "" {
		text, k = " plan void: "+p.void+" · open it again ", theme.Warn
	}
	c.Cut(2, c.H-1, c.W-4, k, text)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
