package local

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
)

// client is api.Client of one of the fleet's agents, and of the next when that one
// is gone.
type client struct {
	ctx context.Context // of the fleet

	mu     sync.Mutex
	agents []*agent.Agent // that run; the first is asked
}

func newClient(ctx context.Context) *client { return &client{ctx: ctx} }

func (c *client) join(a *agent.Agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents = append(c.agents, a)
}

func (c *client) leave(a *agent.Agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents = slices.DeleteFunc(c.agents, func(b *agent.Agent) bool { return a == b })
}

func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents = nil
}

// now is the agent that is asked.
func (c *client) now() (api.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.agents) == 0 || c.ctx.Err() != nil {
		return nil, api.ErrUnreachable
	}
	return c.agents[0].Client(), nil
}

// Status implements api.Client.
func (c *client) Status(ctx context.Context) (*api.Status, error) {
	to, err := c.now()
	if err != nil {
		return nil, err
	}
	return to.Status(ctx)
}

// Events implements api.Client.
func (c *client) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	to, err := c.now()
	if err != nil {
		return nil, err
	}
	return to.Events(ctx, from, most)
}

// Revisions implements api.Client.
func (c *client) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	to, err := c.now()
	if err != nil {
		return nil, err
	}
	return to.Revisions(ctx, texts...)
}

// Do implements api.Client.
func (c *client) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	to, err := c.now()
	if err != nil {
		return api.Receipt{}, err
	}
	return to.Do(ctx, req)
}

// Watch implements api.Client.
func (c *client) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	to, err := c.now()
	if err != nil {
		return nil, err
	}
	return to.Watch(ctx, from)
}

var _ api.Client = (*client)(nil)
