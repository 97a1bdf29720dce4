package clerk

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/bus"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
)

// client is api.Client in the clerk's own process.
type client struct {
	*bus.Bus // to look
	clerk    *Clerk
	next     atomic.Uint64
}

// Do implements api.Client.
func (c *client) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	if req.Command == nil {
		return api.Receipt{}, fmt.Errorf("clerk: a request without a command")
	}
	if err := ctx.Err(); err != nil {
		return api.Receipt{}, err
	}
	ask := fleet.Ask{ID: c.receiptID(), Request: req}
	if err := c.read(ctx, &ask); err != nil {
		return api.Receipt{}, err
	}
	answer := make(chan api.Receipt, 1)
	f := c.clerk
	f.mu.Lock()
	f.answers[ask.ID] = answer
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.answers, ask.ID)
		f.mu.Unlock()
	}()
	if !f.loop.Tell(ctx, ask) {
		if ctx.Err() != nil {
			return api.Receipt{}, ctx.Err()
		}
		return api.Receipt{}, api.ErrUnreachable
	}
	select {
	case r := <-answer:
		return r, nil
	case <-f.loop.Done():
		return api.Receipt{}, api.ErrUnreachable
	case <-ctx.Done():
		return api.Receipt{}, ctx.Err()
	}
}

// read reads the spec that a command brings. Reading takes its time; it is done
// here, by the asker, and not in the loop that everybody shares.
func (c *client) read(ctx context.Context, ask *fleet.Ask) error {
	var from api.Revision
	if !api.Respecs(ask.Request.Command) {
		return nil
	}
	if apply, ok := ask.Request.Command.(api.Apply); ok {
		from = api.Revision{Name: apply.Name, Dir: apply.Dir, Text: apply.Text}
	}
	if back, ok := ask.Request.Command.(api.Rollback); ok {
		all, err := c.Revisions(ctx, back.Rev)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(r api.Revision) bool { return r.Rev == back.Rev })
		if i < 0 {
			return nil // the fleet says so
		}
		from = all[i]
	}
	s, err := specfile.Read(from.Name, []byte(from.Text), from.Dir)
	if err != nil {
		ask.Refusal = []api.Refusal{{Reason: api.ReasonSpecInvalid, Detail: err.Error()}}
	}
	ask.Spec = s
	return nil
}

// receiptID names a receipt. Coordinators that follow each other share a ring of
// events, so none gives the name of another's.
func (c *client) receiptID() string {
	n := c.next.Add(1)
	if e := c.clerk.options.Fleet.Epoch; e > 0 {
		return fmt.Sprintf("r%d-%d", e, n)
	}
	return fmt.Sprintf("r%d", n)
}

var _ api.Client = (*client)(nil)
