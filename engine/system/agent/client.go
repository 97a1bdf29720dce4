package agent

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/coordinator"
)

// direct is api.Client of an agent for other agents, who ask it because they take it
// for the coordinator: what it cannot answer by itself it does not pass on.
type direct struct{ *client }

// ask is the clerk of this agent.
func (d direct) ask() (api.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to == nil {
		return nil, api.ErrUnreachable
	}
	return d.to, nil
}

// Status implements api.Client.
func (d direct) Status(ctx context.Context) (*api.Status, error) {
	to, err := d.ask()
	if err != nil {
		return nil, err
	}
	return to.Status(ctx)
}

// Events implements api.Client.
func (d direct) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	to, err := d.ask()
	if err != nil {
		return nil, err
	}
	return to.Events(ctx, from, most)
}

// Revisions implements api.Client.
func (d direct) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	to, err := d.ask()
	if err != nil {
		return nil, err
	}
	return to.Revisions(ctx, texts...)
}

// Do implements api.Client.
func (d direct) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	to, err := d.ask()
	if err != nil {
		return api.Receipt{}, err
	}
	return to.Do(ctx, req)
}

// Watch implements api.Client.
func (d direct) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	to, err := d.ask()
	if err != nil {
		return nil, err
	}
	return to.Watch(ctx, from)
}

// client is api.Client of an agent: of whoever keeps the picture now, here or on
// another host. It changes with the agent's term.
type client struct {
	self string // the host through which one looks

	over <-chan struct{} // closed when the agent has ended

	mu      sync.Mutex
	to      api.Client    // nil: nobody keeps one
	changed chan struct{} // closed when to is another one
}

func newClient(self string, over <-chan struct{}) *client {
	return &client{self: self, over: over, changed: make(chan struct{})}
}

// set makes to the one who is asked from now on. Watches of the one before end.
func (c *client) set(to api.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
	close(c.changed)
	c.changed = make(chan struct{})
}

// now is who is asked. While nobody is there it waits: a coordinator is on its way,
// or the agent begins to keep a picture of its own.
func (c *client) now(ctx context.Context) (api.Client, <-chan struct{}, error) {
	for {
		c.mu.Lock()
		to, changed := c.to, c.changed
		c.mu.Unlock()
		if to != nil {
			return to, changed, nil
		}
		select {
		case <-changed:
		case <-c.over:
			return nil, nil, api.ErrUnreachable
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// look asks somebody, and the next one if the term changed while it was asked.
func look[T any](ctx context.Context, c *client, ask func(context.Context, api.Client) (T, error)) (T, error) {
	for {
		to, changed, err := c.now(ctx)
		if err != nil {
			var none T
			return none, err
		}
		within, cancel := context.WithCancel(ctx)
		stop := make(chan struct{})
		go func() {
			select {
			case <-changed:
				cancel()
			case <-stop:
			}
		}()
		v, err := ask(within, to)
		close(stop)
		over := within.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil || ctx.Err() != nil:
			return v, err
		case over:
		case errors.Is(err, api.ErrUnreachable):
			// The coordinator may just have died. Whoever is next calls, or this agent
			// finds itself alone; both are worth the wait.
			pause(ctx, changed, coordinator.AloneAfter)
			if same, again, _ := c.now(ctx); same == to && again == changed {
				return v, err
			}
		default:
			return v, err
		}
	}
}

// Status implements api.Client.
func (c *client) Status(ctx context.Context) (*api.Status, error) {
	return look(ctx, c, func(ctx context.Context, to api.Client) (*api.Status, error) {
		s, err := to.Status(ctx)
		return c.through(s), err
	})
}

// through says in a picture whose agent handed it out.
func (c *client) through(s *api.Status) *api.Status {
	if s == nil || s.Through == c.self {
		return s
	}
	own := *s // pictures are shared, and not changed
	own.Through = c.self
	return &own
}

// Events implements api.Client.
func (c *client) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	return look(ctx, c, func(ctx context.Context, to api.Client) ([]api.Event, error) { return to.Events(ctx, from, most) })
}

// Revisions implements api.Client.
func (c *client) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	return look(ctx, c, func(ctx context.Context, to api.Client) ([]api.Revision, error) { return to.Revisions(ctx, texts...) })
}

// Do implements api.Client. A command is asked for once: whether one that was
// under way when the term changed came into force, only the next picture says.
func (c *client) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	to, _, err := c.now(ctx)
	if err != nil {
		return api.Receipt{}, err
	}
	return to.Do(ctx, req)
}

// Watch implements api.Client. The channel ends with the term: who watches begins
// anew, with the picture of the next.
func (c *client) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	to, changed, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	updates, err := to.Watch(ctx, from)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan api.Update)
	go func() {
		defer close(out)
		defer cancel()
		for {
			select {
			case u, ok := <-updates:
				if !ok {
					return
				}
				u.Status = c.through(u.Status)
				select {
				case out <- u:
				case <-changed:
					return
				case <-ctx.Done():
					return
				}
			case <-changed:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

var _ api.Client = (*client)(nil)
