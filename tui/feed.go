package tui

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Reconnecting waits longer each time, up to ten seconds: short enough that a
// restarted fleet is seen at once, long enough not to be a load.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 10 * time.Second
)

// staleAfter is how old the newest picture may be before the screen says so. A
// fleet sends several pictures a second.
const staleAfter = 3 * time.Second

type (
	// updateMsg is one Update of the connection with that number.
	updateMsg struct {
		api.Update
		conn int
	}
	// connectedMsg says that a Watch began.
	connectedMsg struct {
		updates <-chan api.Update
		conn    int
	}
	// lostMsg says that a Watch ended or did not begin.
	lostMsg struct {
		err  error
		conn int
	}
	// retryMsg says that it is time to try again.
	retryMsg struct{}
	// tickMsg is the clock.
	tickMsg time.Time
	// receiptMsg is the answer to a command.
	receiptMsg struct {
		command api.Command
		receipt api.Receipt
		reverse api.Command
		took    time.Duration
		err     error
	}
)

// connect begins a Watch after the newest event that is known.
func connect(ctx context.Context, client api.Client, from api.Seq, conn int) tea.Cmd {
	return func() tea.Msg {
		updates, err := client.Watch(ctx, from)
		if err != nil {
			return lostMsg{err, conn}
		}
		return connectedMsg{updates, conn}
	}
}

var errEnded = errors.New("the fleet ended the connection")

// next waits for the next Update. There is one of it at a time.
func next(updates <-chan api.Update, conn int) tea.Cmd {
	return func() tea.Msg {
		u, ok := <-updates
		if !ok {
			return lostMsg{errEnded, conn}
		}
		return updateMsg{u, conn}
	}
}

// backoff is how long to wait before the nth try, from 1.
func backoff(n int) time.Duration {
	d := retryFirst
	for ; n > 1 && d < retryMost; n-- {
		d *= 2
	}
	return min(d, retryMost)
}

// take puts an Update into the model. It reports whether it should be seen at
// once: numbers wait for the next second, events and drills do not.
func (a *app) take(u api.Update) (now bool) {
	if u.Status == nil {
		return false
	}
	a.arrived = a.opt.Now()
	a.missed += u.Missed
	fresh := 0
	for _, e := range u.Events {
		if n := len(a.events); n > 0 && e.Seq <= a.events[n-1].Seq {
			if u.Status.Started.After(a.started) {
				a.events = a.events[:0] // a fleet that began anew counts from one again
			} else {
				continue
			}
		}
		a.events = append(a.events, e)
		fresh++
		a.noteResult(e)
	}
	a.started = u.Status.Started
	if extra := len(a.events) - api.EventRing; extra > 0 {
		a.events = append(a.events[:0:0], a.events[extra:]...)
	}
	first := a.live == nil
	a.live = u.Status
	if fresh > 0 || first {
		a.past.keep(u.Status)
	}
	return first || fresh > 0 || liveDrill(u.Status) != nil
}

// liveDrill is the drill that is under way, nil without one.
func liveDrill(s *api.Status) *api.Drill {
	if s == nil {
		return nil
	}
	for i := range s.Drills {
		if s.Drills[i].Phase.Live() {
			return &s.Drills[i]
		}
	}
	return nil
}
