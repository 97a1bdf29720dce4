// Package feed makes the messages of a terminal program out of Client.Watch:
// one connection at a time, another one after a while when it ends. Play runs the
// program that takes them.
package feed

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

// StaleAfter is how old the newest picture may be before a screen says so. A
// fleet sends at least one a second.
const StaleAfter = 3 * time.Second

// The messages. Conn numbers the connections of a program, so that a word of an
// older one is told from those of the newest.
type (
	// Updated is one Update.
	Updated struct {
		api.Update
		Conn int
	}
	// Connected says that a Watch began; Next waits for its first Update.
	Connected struct {
		Updates <-chan api.Update
		Conn    int
	}
	// Lost says that a Watch ended or did not begin.
	Lost struct {
		Err  error
		Conn int
	}
	// Retry says that it is time to connect again.
	Retry struct{}
)

// Connect begins a Watch after event from.
func Connect(ctx context.Context, client api.Client, from api.Seq, conn int) tea.Cmd {
	return func() tea.Msg {
		updates, err := client.Watch(ctx, from)
		if err != nil {
			return Lost{err, conn}
		}
		return Connected{updates, conn}
	}
}

var errEnded = errors.New("the fleet ended the connection")

// Next waits for the next Update. There is one of it at a time.
func Next(updates <-chan api.Update, conn int) tea.Cmd {
	return func() tea.Msg {
		u, ok := <-updates
		if !ok {
			return Lost{errEnded, conn}
		}
		return Updated{u, conn}
	}
}

// Again sends Retry before the nth try, from 1.
func Again(n int) tea.Cmd {
	return tea.Tick(Backoff(n), func(time.Time) tea.Msg { return Retry{} })
}

// Backoff is how long to wait before the nth try, from 1.
func Backoff(n int) time.Duration {
	d := retryFirst
	for ; n > 1 && d < retryMost; n-- {
		d *= 2
	}
	return min(d, retryMost)
}

// Drill is the drill that is under way, nil without one.
func Drill(s *api.Status) *api.Drill {
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

// leaveWithin is how long a program may take to leave its terminal as it was. One
// whose terminal takes no more bytes never does it.
const leaveWithin = 500 * time.Millisecond

// Play runs a program until the person leaves it or ctx ends, and sends it what
// comes from outside of its terminal.
//
// The end of ctx asks the program to quit, and kills it only when it does not: a
// killed one closes its terminal under the reader.
func Play(ctx context.Context, model tea.Model, from <-chan tea.Msg, options ...tea.ProgramOption) error {
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	p := tea.NewProgram(model, append([]tea.ProgramOption{tea.WithContext(life)}, options...)...)
	go func() {
		for {
			select {
			case m := <-from:
				p.Send(m)
			case <-ctx.Done():
				time.AfterFunc(leaveWithin, kill)
				p.Quit()
				return
			case <-life.Done():
				return
			}
		}
	}()
	_, err := p.Run()
	if errors.Is(err, tea.ErrInterrupted) || ctx.Err() != nil && errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	return err
}
