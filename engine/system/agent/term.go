package agent

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/system/access"
)

// errTurn is the cause of a term's end: another one began.
var errTurn = errors.New("agent: another term begins")

// carryTerm hands a new term to who lives it. It runs on the coordinator's loop.
func (a *Agent) carryTerm(_ instant.Instant, out *coordinator.Effects) {
	if out.Release {
		a.stand.releaseSoon()
	}
	if out.Turn == nil {
		return
	}
	a.options.Log.Info("the picture is kept elsewhere from now on", "kind", string(out.Turn.Kind), "by", out.Turn.Host, "epoch", out.Turn.Epoch)
	for {
		select {
		case a.turns <- *out.Turn:
			return
		default:
		}
		select { // the newest counts
		case <-a.turns:
		default:
		}
	}
}

// terms lives one term after another until ctx ends.
func (a *Agent) terms(ctx context.Context) {
	end, ended := func() {}, make(chan struct{})
	close(ended)
	for {
		select {
		case t := <-a.turns:
			end()
			<-ended
			within, cancel := context.WithCancelCause(ctx)
			end, ended = func() { cancel(errTurn) }, make(chan struct{})
			go func() {
				defer close(ended)
				defer cancel(nil)
				a.term(within, t)
				a.client.set(nil)
				a.direct.set(nil)
			}()
		case <-ctx.Done():
			end()
			<-ended
			return
		}
	}
}

// term lives one term until ctx ends.
func (a *Agent) term(ctx context.Context, t coordinator.Term) {
	switch t.Kind {
	case coordinator.Acting:
		err := a.act(ctx, t.Epoch)
		if ctx.Err() == nil {
			// Somebody else may do better; this host stands again after a while.
			a.options.Log.Error("this agent gives the lead of the picture back", "epoch", t.Epoch, "err", err.Error())
			a.stand.giveUp(ctx)
			<-ctx.Done()
		}
	case coordinator.Following:
		a.follow(ctx, t)
	case coordinator.Alone:
		a.alone(ctx)
	case coordinator.Waiting:
		<-ctx.Done()
	}
}

// follow shows the coordinator's picture until ctx ends.
func (a *Agent) follow(ctx context.Context, t coordinator.Term) {
	address, ok := a.address(t.Host)
	for !ok { // it called, so its spec is on its way
		pause(ctx, nil, 100*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		address, ok = a.address(t.Host)
	}
	c, err := access.DialRelay(a.holder, t.Host, address)
	if err != nil {
		a.options.Log.Error("the coordinator's picture cannot be shown", "coordinator", t.Host, "err", err.Error())
		return
	}
	defer c.Close()
	a.client.set(c)
	<-ctx.Done()
}
