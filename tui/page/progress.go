package page

import (
	"fmt"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// task is something under way: a drain, a fault in force, a drill.
type task struct {
	look  theme.Look
	what  string
	state string
	right string
	by    string
}

// underWay lists what is under way: drills, faults, drains.
func underWay(x *Context) []task {
	var all []task
	for i := range x.Status.Drills {
		d := &x.Status.Drills[i]
		if !d.Phase.Live() {
			continue
		}
		all = append(all, task{
			look: theme.Look{Glyph: '◐', Word: "drill", Token: theme.Info}, what: d.Name, by: d.By,
			state: string(d.Phase) + " · " + d.Fault, right: "T+" + widget.Age(x.Now.Sub(d.Started)),
		})
	}
	for i := range x.Status.Faults {
		f := &x.Status.Faults[i]
		left := "until it is cleared"
		if !f.Until.IsZero() {
			left = "ends in " + widget.Age(f.Until.Sub(x.Now))
		}
		all = append(all, task{
			look: theme.Look{Glyph: '▲', Word: "fault", Token: theme.Warn}, what: f.Target.Name, by: f.By,
			state: faultWords(f), right: left,
		})
	}
	for i := range x.Status.Backends {
		b := &x.Status.Backends[i]
		if b.Phase != api.PhaseDraining {
			continue
		}
		right := "no deadline"
		if b.DrainLeft > 0 {
			right = "deadline in " + widget.Age(b.DrainLeft)
		}
		all = append(all, task{
			look: theme.Look{Glyph: '◐', Word: "drain", Token: theme.Info}, what: b.Name,
			state: fmt.Sprintf("%s flows left of pool %s", widget.Count(b.Traffic.Active), b.Pool), right: right,
		})
	}
	return all
}

// faultWords says what a fault does, and how far it has come.
func faultWords(f *api.Fault) string {
	s := string(f.Kind)
	if f.Delay > 0 {
		s += " by " + widget.Took(f.Delay)
	}
	switch f.State {
	case api.StateUnknown:
		s += ", being carried out"
	case api.StateOK:
		s += ", being taken back"
	case api.StateDegraded, api.StateDown:
	}
	return s
}

func drawUnderWay(x *Context, c *widget.Canvas, all []task) {
	c.Rule(0, "IN PROGRESS", fmt.Sprint(len(all)), "")
	columns := []widget.Column{{Width: theme.LookWidth}, {Width: 16, Grow: 1, GrowMax: 28}, {Width: 20, Grow: 2}, {Width: 10, Drop: 2}, {Width: 20, Right: true, Drop: 1}}
	widths := widget.Fit(columns, c.W-2)
	for y := 1; y < c.H && y <= len(all); y++ {
		t := all[y-1]
		line := c.Sub(1, y, c.W-2, 1)
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				line.Say(at, 0, t.look)
			case 1:
				line.Cut(at, 0, w, theme.Title, t.what)
			case 2:
				line.Cut(at, 0, w, theme.Text, t.state)
			case 3:
				if t.by != "" {
					line.Cut(at, 0, w, theme.Dim, "by "+t.by)
				}
			case 4:
				line.Right(at, 0, w, theme.Text, t.right)
			}
		})
	}
	if hidden := len(all) - c.H + 1; hidden > 0 {
		c.Rule(0, "IN PROGRESS", fmt.Sprint(len(all)), fmt.Sprintf("%d more", hidden))
	}
}

// DrawMeasured draws what the last run of each drill measured. A drill that
// never ran has no figure.
func DrawMeasured(x *Context, c *widget.Canvas) {
	right := "as probes measured"
	if c.H < 2+len(x.Status.Drills) && c.H < 4 {
		right = "as probes measured · 4 opens"
	}
	c.Rule(0, "DRILLS", fmt.Sprint(len(x.Status.Drills)), right)
	if len(x.Status.Drills) == 0 {
		c.Cut(1, 1, c.W-2, theme.Dim, "the spec has no drill")
		return
	}
	if c.H < 2+len(x.Status.Drills) && c.H < 4 {
		drawMeasuredShort(x, c)
		return
	}
	name := 0
	for i := range x.Status.Drills {
		name = max(name, min(widget.Width(x.Status.Drills[i].Name), nameMost))
	}
	columns := []widget.Column{
		{Head: "  LAST", Width: theme.LookWidth},
		{Head: "DRILL", Width: name},
		{Head: "FELT", Width: 7, Right: true},
		{Head: "LIMIT", Width: 6, Right: true, Drop: 1},
		{Head: "AGE", Width: 6, Right: true, Drop: 2},
	}
	widths := widget.Fit(columns, c.W-2)
	y := 1
	if c.H > 3 {
		c.Heads(1, 1, columns, widths)
		y = 2
	}
	for n := 0; n < len(x.Status.Drills) && y < c.H; n++ {
		d := &x.Status.Drills[n]
		line := c.Sub(1, y, c.W-2, 1)
		y++
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				line.Say(at, 0, theme.OfDrill(d.Phase))
			case 1:
				line.Cut(at, 0, w, theme.Text, d.Name)
			case 2:
				line.Right(at, 0, w, theme.Title, felt(d))
			case 3:
				line.Right(at, 0, w, theme.Dim, limitOf(d))
			case 4:
				if d.Run == 0 {
					line.Right(at, 0, w, theme.Warn, "never")
				} else if !d.Ended.IsZero() {
					line.Right(at, 0, w, theme.Dim, widget.Since(x.Now, d.Ended))
				}
			}
		})
	}
}

// drawMeasuredShort draws the drills one after the other in a line: the state,
// the name, and what was measured of what is allowed.
func drawMeasuredShort(x *Context, c *widget.Canvas) {
	at := 1
	for i := range x.Status.Drills {
		d := &x.Status.Drills[i]
		look := theme.OfDrill(d.Phase)
		text := d.Name + " " + felt(d)
		if limit := limitOf(d); limit != "" && d.Run > 0 {
			text += " of " + limit
		}
		if d.Run == 0 {
			text = d.Name + " never"
		}
		if at+2+widget.Width(text) > c.W-1 {
			c.Put(min(at, c.W-2), 1, theme.Dim, '…')
			return
		}
		c.Put(at, 1, look.Token, look.Glyph)
		at = c.Text(at+2, 1, theme.Text, text) + 3
	}
}

// felt is how long clients felt a drill's fault.
func felt(d *api.Drill) string {
	switch {
	case d.Run == 0 || d.Phase.Live() || d.Phase == api.DrillRefused:
		return "–"
	case slices.ContainsFunc(d.Verdicts, func(v api.Verdict) bool { return v.State == api.StateUnknown }):
		return "?" // the measuring itself is in doubt
	case d.Probes.LastFail == 0:
		return "0 ms"
	}
	return widget.Took(d.Probes.LastFail)
}

func limitOf(d *api.Drill) string {
	for _, v := range d.Verdicts {
		if v.Objective == "took" {
			return v.Limit
		}
	}
	return ""
}
