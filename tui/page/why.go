package page

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// DrawVotes draws what each host measured of a backend, one a line.
func DrawVotes(c *widget.Canvas, votes []api.Vote) {
	from := 0
	for i := range votes {
		from = max(from, min(len("from ")+widget.Width(votes[i].Host), 24))
	}
	columns := []widget.Column{{Width: 12}, {Width: from}, {Width: 20, Grow: 2}, {Width: 9, Right: true, Drop: 1}, {Width: 9, Drop: 2}}
	widths := widget.Fit(columns, c.W)
	for y := range min(len(votes), c.H) {
		v := &votes[y]
		k := theme.Text
		switch v.Measured {
		case api.Down:
			k = theme.Crit
		case api.Unknown:
			k = theme.Warn
		case api.Up:
		}
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Cut(at, y, w, theme.Dim, ClockMillis(v.Since))
			case 1:
				c.Cut(at, y, w, theme.Text, "from "+v.Host)
			case 2:
				c.Cut(at, y, w, k, v.Reason)
			case 3:
				if v.Latency > 0 {
					c.Right(at, y, w, theme.Text, widget.Took(v.Latency))
				}
			case 4:
				c.Cut(at, y, w, theme.Dim, string(v.Phase))
			}
		})
	}
}

// DrawChain draws events, each the cause of the next.
func DrawChain(c *widget.Canvas, chain []api.Event) {
	columns := []widget.Column{{Width: 12}, {Width: 7, Drop: 2}, {Width: 24, Grow: 3}, {Width: 20, Grow: 2, Drop: 1}}
	widths := widget.Fit(columns, c.W)
	for y := range min(len(chain), c.H) {
		e := &chain[y]
		widget.Row(0, widths, func(i, at, w int) {
			switch i {
			case 0:
				c.Cut(at, y, w, theme.Dim, ClockMillis(e.At))
			case 1:
				c.Cut(at, y, w, theme.Dim, string(e.Lane))
			case 2:
				end := c.Cut(at, y, w, subjectToken(e.State), e.Subject.Name)
				c.Cut(end+1, y, at+w-end-1, theme.Text, e.Text)
			case 3:
				line := c.Sub(0, y, c.W, 1)
				drawBecause(line, at, w, e)
			}
		})
	}
}
