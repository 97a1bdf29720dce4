package page

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// DrawSide draws what stays beside every page on a wide terminal: what needs a
// person, and what changed.
func DrawSide(x *Context, c *widget.Canvas) {
	stack(c, []block{
		{least: 2, want: 1 + max(len(x.Status.Problems), 1)*2, rank: 0, draw: func(c *widget.Canvas) {
			c.Rule(0, "NEEDS YOU", fmt.Sprint(len(x.Status.Problems)), "!")
			if len(x.Status.Problems) == 0 {
				c.Put(1, 1, theme.OK, '●')
				c.Cut(3, 1, c.W-4, theme.Dim, "nothing")
			}
			for i := range x.Status.Problems {
				p := &x.Status.Problems[i]
				y := 1 + 2*i
				end := c.Say(1, y, theme.OfState(p.State))
				end = c.Cut(end+2, y, c.W-end-12, theme.Title, p.Subject.String())
				c.Right(end, y, c.W-end-1, theme.Dim, Clock(p.Since))
				c.Cut(10, y+1, c.W-11, theme.Text, p.Text)
			}
		}},
		{least: 3, want: 6, rank: 1, draw: func(c *widget.Canvas) { drawLatest(x, c) }},
	})
}
