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
// one that answered last. When that is gone or takes its time, calls that only look
// go on to the next by themselves; a Watch ends, and the next Watch is another
// agent's, whose numbering of events its pictures name (api.Status.Ring). A command
// goes to another agent only if it has certainly not been sent: it is never given
// twice.
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

// one is the error of the only agent that was asked, or that of all.
func (e severalError) one() error {
	if len(e) == 1 {
		return e[0]
	}
	return e
}

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
func (s *Several) Status(ctx context.Context) (*api.Status, error) {
	return look(ctx, s, func(ctx context.Context, c *Client) (*api.Status, error) { return c.Status(ctx) })
}

// Events implements api.Client.
func (s *Several) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	return look(ctx, s, func(ctx context.Context, c *Client) ([]api.Event, error) { return c.Events(ctx, from, most) })
}

// Revisions implements api.Client.
func (s *Several) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	return look(ctx, s, func(ctx context.Context, c *Client) ([]api.Revision, error) { return c.Revisions(ctx, texts...) })
}

// Watch implements api.Client.
func (s *Several) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	return look(ctx, s, func(ctx context.Context, c *Client) (<-chan api.Update, error) { return c.Watch(ctx, from) })
}

// Do implements api.Client.
func (s *Several) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	s.mu.Lock()
	first := s.now
	s.mu.Unlock()
	var all severalError
	for i := range s.agents {
		n := (first + i) % len(s.agents)
		r, err := s.agents[n].Do(ctx, req)
		if err == nil {
			s.stay(n)
			return r, nil
		}
		if ctx.Err() != nil {
			return api.Receipt{}, ctx.Err()
		}
		if all = append(all, err); !unsent(err) {
			break
		}
	}
	return api.Receipt{}, all.one()
}

// Close lets go of idle connections.
func (s *Several) Close() {
	for _, c := range s.agents {
		c.Close()
	}
}
