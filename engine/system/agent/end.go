package agent

import (
	"context"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/seats"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// flowsFor is how long flows may take to end after another process has taken over,
// flowsLook how often they are looked at, and flowsCalm how often there must be none.
const (
	flowsFor  = 15 * time.Minute
	flowsLook = 200 * time.Millisecond
	flowsCalm = 5
)

// succeed starts the next process, and waits for the flows that are left here.
func (a *Agent) succeed(sockets []proxy.Socket) error {
	if err := a.options.Succeed(sockets); err != nil {
		return err
	}
	a.own.host.Leave()
	a.options.Log.Info("another process serves; flows that are open end here", "flows", a.own.host.Active())
	look, late := time.NewTicker(flowsLook), time.After(flowsFor)
	defer look.Stop()
	// Who was let in a moment ago may not be counted yet.
	for calm := 0; calm < flowsCalm; {
		select {
		case <-look.C:
			if calm++; a.own.host.Active() > 0 {
				calm = 0
			}
		case <-late:
			a.options.Log.Warn("flows are cut: they took too long to end", "flows", a.own.host.Active())
			return nil
		}
	}
	return nil
}

// handOverWait is how long an agent that stops tries to hand over what it leads. It
// is found out soon if it does not.
const handOverWait = time.Second

// handOver gives what this host leads to others, so that nobody has to find out
// that it has stopped.
func (a *Agent) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handOverWait)
	defer cancel()
	a.stand.stop()
	a.seating.loop.Tell(ctx, seats.Shutdown{})
	for ctx.Err() == nil {
		changed := a.quorum.Changed()
		if !a.leadsOthers() {
			break
		}
		pause(ctx, changed, handOverWait)
	}
	a.stand.release(ctx)
}

// leadsOthers reports whether this host leads a group that somebody else could.
func (a *Agent) leadsOthers() bool {
	st := a.quorum.Status()
	for i := range st.Groups {
		g := &st.Groups[i]
		for _, m := range g.Members {
			if g.Leads && m.Host != a.options.Host && m.Role == replica.Voter && !m.Witness && m.Active {
				return true
			}
		}
	}
	return false
}
