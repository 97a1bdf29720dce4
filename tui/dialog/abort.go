package dialog

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Abort asks for one y: stopping must be easy.
type Abort struct{ name, fault string }

// NewAbort returns the question for the drill under way.
func NewAbort(s *api.Status) *Abort {
	for i := range s.Drills {
		if d := &s.Drills[i]; d.Phase.Live() {
			return &Abort{d.Name, d.Fault}
		}
	}
	return &Abort{}
}

// Key implements Dialog: y aborts, and any other key does not.
func (a *Abort) Key(k Key) Answer {
	if k.Name == "y" {
		return Answer{Close: true, Do: &api.Request{Command: api.AbortDrill{}, Why: "aborted by hand"}}
	}
	return Answer{Close: true, Say: "the drill goes on"}
}

// Paste implements Dialog.
func (*Abort) Paste(string) {}

// See implements Dialog.
func (*Abort) See(*api.Status, time.Time) {}

// Draw implements Dialog.
func (a *Abort) Draw(all *widget.Canvas) {
	c := centred(all, min(64, all.W-2), 7)
	c.Box(0, 0, c.W, c.H, theme.Title)
	x := c.Text(2, 0, theme.Crit, " ABORT ")
	c.Cut(x, 0, c.W-x-2, theme.Title, a.name+" ")
	c.Cut(3, 2, c.W-6, theme.Text, "the fault is reverted: "+a.fault)
	c.Text(3, 4, theme.Mode, " y ")
	x = c.Text(7, 4, theme.Text, "abort the drill")
	c.Text(x+4, 4, theme.Dim, "any other key lets it go on")
	c.Cursor(3, 4)
}
