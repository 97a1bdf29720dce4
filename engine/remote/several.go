package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// SeveralMax is how many agents one client knows: a few are enough to outlive
// any of them, and an error names them all.
const SeveralMax = 16

// Several is api.Client over more than one agent of a fleet. It stays with the
// one that answered last. When that is gone, calls that only look go on to the
// next by themselves; a Watch ends, and the next Watch is another agent's, whose
// numbering of events its pictures name (api.Status.Ring). A command goes to another agent only if it has certainly not been sent: it is
// never given twice.
type Several struct {
	agents []*Client

	mu  sync.Mutex
	now int // the one that answered last
}

// NewSeveral returns a client of agents, which are tried in this order.
func NewSeveral(agents ...*Client) (*Several, error) {
	if len(agents) == 0 || len(agents) > SeveralMax {
		return nil, fmt.Errorf("remote: %d agents; 1 to %d can be named", len(agents), SeveralMax)
	}
	return &Several{agents: agents}, nil
}

// Where names the agent that answered last.
func (s *Several) Where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents[s.now].where
}

// each calls try with one agent after another, from the one that answered last,
// until one succeeds or fails so that another would not do better.
func (s *Several) each(ctx context.Context, on func(error) bool, try func(*Client) error) error {
	s.mu.Lock()
	first := s.now
	s.mu.Unlock()
	var all []error
	for i := range s.agents {
		n := (first + i) % len(s.agents)
		err := try(s.agents[n])
		if err == nil {
			s.mu.Lock()
			s.now = n
			s.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if all = append(all, err); !on(err) {
			break
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return severalError(all)
}

// severalError is what each agent said, on one line.
type severalError []error

func (e severalError) Error() string {
	words := make([]string, len(e))
	for i, err := range e {
		words[i] = err.Error()
	}
	return fmt.Sprintf("none of %d agents could be asked: %s", len(e), strings.Join(words, "; "))
}

func (e severalError) Unwrap() []error { return e }

// gone reports whether another agent may do better: this one does not answer,
// is of another version in the middle of an upgrade, or is itself shut out.
func gone(err error) bool {
	return errors.Is(err, api.ErrUnreachable) || errors.Is(err, api.ErrVersion) || errors.Is(err, api.ErrNotAdmitted)
}

// unsent reports whether a command that failed was certainly not begun.
func unsent(err error) bool {
	var d *dialError
	return errors.As(err, &d) || errors.Is(err, api.ErrVersion) || errors.Is(err, api.ErrNotAdmitted)
}

// Status implements api.Client.
func (s *Several) Status(ctx context.Context) (st *api.Status, err error) {
	err = s.each(ctx, gone, func(c *Client) error { st, err = c.Status(ctx); return err })
	return st, err
}

// Events implements api.Client.
func (s *Several) Events(ctx context.Context, from api.Seq, most int) (all []api.Event, err error) {
	err = s.each(ctx, gone, func(c *Client) error { all, err = c.Events(ctx, from, most); return err })
	return all, err
}

// Revisions implements api.Client.
func (s *Several) Revisions(ctx context.Context, texts ...uint64) (all []api.Revision, err error) {
	err = s.each(ctx, gone, func(c *Client) error { all, err = c.Revisions(ctx, texts...); return err })
	return all, err
}

// Watch implements api.Client.
func (s *Several) Watch(ctx context.Context, from api.Seq) (updates <-chan api.Update, err error) {
	err = s.each(ctx, gone, func(c *Client) error { updates, err = c.Watch(ctx, from); return err })
	return updates, err
}

// Do implements api.Client.
func (s *Several) Do(ctx context.Context, req api.Request) (r api.Receipt, err error) {
	err = s.each(ctx, unsent, func(c *Client) error { r, err = c.Do(ctx, req); return err })
	return r, err
}

// Close lets go of idle connections.
func (s *Several) Close() {
	for _, c := range s.agents {
		c.Close()
	}
}
