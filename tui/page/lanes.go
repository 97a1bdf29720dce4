package page

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

var laneNames = []api.Lane{api.LaneHealth, api.LanePool, api.LaneFleet, api.LanePeople, api.LaneFault, api.LaneDrill}

// laneMark is how an event looks on its lane.
func laneMark(e *api.Event) widget.Mark {
	m := widget.Mark{At: e.At, Rank: e.State.Severity() + 1}
	switch e.Lane {
	case api.LanePeople:
		r, _ := utf8.DecodeRuneInString(e.By)
		if r == utf8.RuneError || !unicode.IsLetter(r) || r > 0x24f {
			r = 'p'
		}
		m.Rune, m.Token = unicode.ToLower(r), theme.Title
		return m
	case api.LaneDrill:
		m.Rune, m.Token = '◐', theme.Info
	case api.LaneFault:
		m.Rune, m.Token = '▲', theme.Warn
		if e.State == api.StateOK {
			m.Rune, m.Token = '○', theme.Accent
		}
		return m
	case api.LanePool, api.LaneFleet:
		m.Rune, m.Token = '⇄', theme.Accent
	case api.LaneHealth:
		m.Rune, m.Token = '○', theme.Accent
	}
	switch e.State {
	case api.StateDown:
		m.Rune, m.Token = '✗', theme.Crit
	case api.StateDegraded:
		m.Rune, m.Token = '▲', theme.Warn
	case api.StateOK:
		if e.Lane == api.LaneDrill {
			m.Rune, m.Token = '●', theme.OK
		}
	case api.StateUnknown:
	}
	return m
}

// laneLeast is the width from which a lane says something beside another one.
const laneLeast = 34

// LaneRows is the least height at which DrawLanes shows every lane.
func LaneRows(w int) int {
	perRow := max(w/laneLeast, 1)
	return 1 + (len(laneNames)+perRow-1)/perRow
}

// DrawLanes draws the last 15 minutes, a lane a row when there is room, and
// several in a row when there is not.
func DrawLanes(x *Context, c *widget.Canvas) {
	rows := c.H - 1
	perRow := 1
	if rows < len(laneNames) {
		perRow = (len(laneNames) + rows - 1) / max(rows, 1)
		perRow = min(perRow, max(c.W/laneLeast, 1))
	}
	const label = 8
	slot := (c.W - 2) / perRow
	w := slot - label - 1
	if perRow > 1 {
		w--
	}
	if w < 8 {
		return
	}
	col := column(w)
	c.Rule(0, fmt.Sprintf("LAST %d MIN", int((col*time.Duration(w)).Minutes())), "", fmt.Sprintf("one column = %d s", int(col.Seconds())))
	y := 1
	full := rows >= len(laneNames)+2
	if full {
		drawMinutes(c, 1+label, y, w, col)
		y++
	}
	from := x.Now.Add(-col * time.Duration(w))
	marks := map[api.Lane][]widget.Mark{}
	for i := len(x.Events) - 1; i >= 0 && x.Events[i].At.After(from); i-- {
		e := &x.Events[i]
		marks[e.Lane] = append(marks[e.Lane], laneMark(e))
	}
	for i, lane := range laneNames {
		if i/perRow >= rows {
			break
		}
		at := 1 + i%perRow*slot
		c.Text(at, y+i/perRow, theme.Text, string(lane))
		c.Lane(at+label, y+i/perRow, w, x.Now, col, marks[lane])
	}
	if full {
		drawLegend(c, 1+label, y+len(laneNames))
	}
}

func drawMinutes(c *widget.Canvas, x, y, w int, col time.Duration) {
	c.Right(x, y, w, theme.Dim, "now")
	for m := 3; m <= 15; m += 3 {
		at := x + w - 1 - int(time.Duration(m)*time.Minute/col)
		if at >= x && at < x+w-6 {
			c.Text(at, y, theme.Dim, fmt.Sprintf("-%d", m))
		}
	}
}

func drawLegend(c *widget.Canvas, x, y int) {
	for _, l := range []struct {
		r rune
		k theme.Token
		s string
	}{{'✗', theme.Crit, "down"}, {'▲', theme.Warn, "warn"}, {'⇄', theme.Accent, "changed"}, {'○', theme.Accent, "back"}, {'◐', theme.Info, "drill"}} {
		c.Put(x, y, l.k, l.r)
		x = c.Text(x+2, y, theme.Dim, l.s) + 2
	}
	c.Cut(x, y, c.W-x, theme.Dim, "m people")
}
