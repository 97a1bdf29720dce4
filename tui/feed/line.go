package feed

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Line is the connections of a program to a fleet, one at a time, and how that
// numbers its events: when the numbering changes, what was kept means nothing any
// more, and all that there is must be asked for anew.
type Line struct {
	// Conn numbers the connections.
	Conn int

	hang  context.CancelFunc // ends the one that there is
	from  api.Seq            // that it was asked from
	began bool               // it has brought something
	ring  string
	known bool // ring is one
}

// Dial begins the next connection, after an event, and ends the one before.
func (l *Line) Dial(ctx context.Context, client api.Client, from api.Seq) tea.Cmd {
	if l.hang != nil {
		l.hang()
	}
	ctx, l.hang = context.WithCancel(ctx)
	l.from, l.began = from, false
	return Connect(ctx, client, from, l.Conn)
}

// Take looks at an Update before anything of it is kept. forget says that its
// numbers are of another ring than those before; again that this connection does
// not bring all of the new one: it is given up, and the caller dials from 0.
func (l *Line) Take(u api.Update) (forget, again bool) {
	if u.Status == nil {
		return false, false
	}
	first := !l.began
	forget = l.known && u.Status.Ring != l.ring
	l.began, l.ring, l.known = true, u.Status.Ring, true
	if forget && !(first && l.from == 0) {
		l.Conn++
		return true, true
	}
	return forget, false
}
