package dialog

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Explain shows why a thing is as it is: what each host measured, and the
// chain of events that led here, the first cause first.
type Explain struct {
	ref   id.Ref
	state theme.Look
	why   string
	since time.Time
	votes []api.Vote
	chain []api.Event
}

// NewExplain explains a thing from what the console knows.
func NewExplain(x *page.Context, ref id.Ref) *Explain {
	e := &Explain{ref: ref}
	s := x.Status
	switch ref.Kind {
	case id.KindBackend:
		if b, ok := s.Backend(ref.Name); ok {
			e.state, e.why, e.since, e.votes = theme.OfBackend(b), b.Reason, b.Since, b.Votes
		}
	case id.KindPool:
		if p, ok := s.Pool(ref.Name); ok {
			e.state, e.why, e.since = theme.OfState(p.State), p.Reason, p.Since
		}
	case id.KindHost:
		if h, ok := s.Host(ref.Name); ok {
			e.state, e.why, e.since = theme.OfState(h.State), h.Reason, h.Since
		}
	case id.KindSite:
		if t, ok := s.Site(ref.Name); ok {
			e.state, e.why, e.since = theme.OfState(t.State), t.Reason, t.Since
		}
	case id.KindDrill:
		if d, ok := s.Drill(ref.Name); ok {
			e.state, e.why, e.since = theme.OfDrill(d.Phase), d.Reason, d.Started
		}
	case id.KindFleet, id.KindListener, id.KindClients, id.KindFault, id.KindLink, id.KindGroup:
	}
	e.chain = x.Chain(page.LastAbout(x, ref))
	return e
}

// Key implements Dialog.
func (e *Explain) Key(k Key) Answer {
	switch k.Name {
	case "esc", "ctrl+c", "q", "e", "enter":
		return Answer{Close: true}
	case "y":
		return Answer{Copy: e.ref.String()}
	}
	return Answer{}
}

// Paste implements Dialog.
func (*Explain) Paste(string) {}

// See implements Dialog.
func (*Explain) See(*api.Status, time.Time) {}

// Draw implements Dialog.
func (e *Explain) Draw(all *widget.Canvas) {
	rows := 6 + len(e.votes) + len(e.chain)
	if len(e.votes) > 0 {
		rows += 2
	}
	c := centred(all, min(104, all.W-2), min(rows, all.H-2))
	c.Box(0, 0, c.W, c.H, theme.Title)
	name := e.ref.String()
	if name == "" {
		name = "nothing is selected"
	}
	x := c.Text(2, 0, theme.Title, " WHY ")
	c.Cut(x, 0, c.W-x-2, theme.Title, name+" ")
	c.Cut(2, c.H-1, c.W-4, theme.Dim, " esc closes ")
	in := c.Sub(2, 1, c.W-4, c.H-2)
	y := 0
	if e.state.Glyph != 0 {
		x := in.Say(0, y, e.state)
		in.Cut(x+2, y, in.W-x-12, theme.Text, e.why)
		in.Right(in.W-9, y, 9, theme.Dim, page.Clock(e.since))
		y += 2
	}
	if len(e.votes) > 0 {
		in.Cut(0, y, in.W, theme.Dim, "MEASURED BY")
		y++
		page.DrawVotes(in.Sub(0, y, in.W, len(e.votes)), e.votes)
		y += len(e.votes) + 1
	}
	in.Cut(0, y, in.W, theme.Dim, "WHAT LED HERE")
	y++
	if len(e.chain) == 0 {
		in.Cut(0, y, in.W, theme.Dim, "no event about it is kept")
		return
	}
	page.DrawChain(in.Sub(0, y, in.W, in.H-y), e.chain)
}
