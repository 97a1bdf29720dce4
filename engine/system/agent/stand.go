package agent

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

// groupFleet is the fleet's group; a site's is groupSite with its name.
const (
	groupFleet = "fleet"
	groupSite  = "site/"
)

// stand gets the coordinator's lease when this host leads the fleet's group: it is
// the one that surely reaches a majority. The lease is not given up when the lead
// moves: a picture that is well kept need not move too.
type stand struct {
	agent *Agent
	facts *quorum.Facts

	news chan struct{} // that who lives is another matter

	mu   sync.Mutex
	held *quorum.Held
	rest time.Time // it does not stand before
}

func newStand(a *Agent) *stand { return &stand{agent: a, facts: a.facts, news: make(chan struct{}, 1)} }

// restFor is how long a host that gave the lease back does not stand again: others
// may do better, and there may be nobody else.
const restFor = 10 * time.Second

// lookAgain bounds how long a change that nobody signalled goes unseen.
const lookAgain = time.Second

// run stands until ctx ends.
func (s *stand) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.agent.quorum.Changed()
		if !s.leads() || time.Now().Before(s.resting()) {
			pause(ctx, changed, lookAgain)
			continue
		}
		held, err := s.get(ctx)
		if err != nil {
			pause(ctx, nil, lookAgain)
			continue
		}
		s.set(held)
		s.agent.office.Tell(ctx, coordinator.Led{Epoch: held.Token().Epoch})
		select {
		case <-held.Lost():
		case <-ctx.Done():
		}
		s.set(nil)
		s.agent.office.Tell(ctx, coordinator.Lost{})
	}
}

// get waits for the lease while this host leads.
func (s *stand) get(ctx context.Context) (*quorum.Held, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			changed := s.agent.quorum.Changed()
			if !s.leads() {
				cancel()
			}
			pause(ctx, changed, lookAgain)
		}
	}()
	go s.succeed(ctx)
	return s.facts.Hold(ctx, leaseCoordinator, coordinator.LeaseTTL)
}

// succeed ends, until ctx does, the lease of a holder whose agent is gone: it is found
// out sooner than the lease runs out. Should that agent live after all, its epoch is
// over: the facts take nothing under it, and no host obeys it that was called under
// the next.
func (s *stand) succeed(ctx context.Context) {
	for ctx.Err() == nil {
		a, ok := s.facts.Local(facts.Look{Lease: leaseCoordinator})
		if l := a.Lease; ok && l.Epoch > 0 && gone(s.agent.liveness.Status(), l.Holder) {
			s.agent.options.Log.Info("the lease of an agent that is gone is ended", "host", l.Holder, "epoch", l.Epoch)
			if _, err := s.facts.Do(ctx, facts.Release{Token: facts.Token{Lease: leaseCoordinator, Epoch: l.Epoch}}); err != nil && ctx.Err() == nil {
				s.agent.options.Log.Debug("the lease was not ended", "err", err.Error())
			}
		}
		pause(ctx, s.news, lookAgain)
	}
}

// gone reports whether a host's agent surely does not act any more. One that is only
// cut off, or silent for a moment, may.
func gone(s *member.Status, host string) bool {
	h, ok := s.Host(host)
	return ok && (h.State == member.StateDead || h.State == member.StateStopped)
}

// look is told that who lives changed.
func (s *stand) look() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// leads reports whether this host leads the fleet's group.
func (s *stand) leads() bool {
	st := s.agent.quorum.Status()
	for i := range st.Groups {
		if st.Groups[i].Group == groupFleet {
			return st.Groups[i].Leads
		}
	}
	return false
}

func (s *stand) set(h *quorum.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = h
}

func (s *stand) resting() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest
}

// giveUp gives the lease and the lead back, because this host cannot do what they
// are for.
func (s *stand) giveUp(ctx context.Context) {
	s.mu.Lock()
	s.rest = time.Now().Add(restFor)
	s.mu.Unlock()
	s.release(ctx)
	st := s.agent.quorum.Status()
	for i := range st.Groups {
		g := &st.Groups[i]
		if g.Group != groupFleet || !g.Leads {
			continue
		}
		for _, m := range g.Members {
			if m.Host == s.agent.options.Host || m.Witness || !m.Active {
				continue
			}
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			err := s.agent.quorum.Transfer(ctx, groupFleet, m.Host)
			cancel()
			if err == nil {
				return
			}
		}
	}
}

// release gives the lease back, if it is held. It ends for the others when they
// are told, or by itself.
func (s *stand) release(ctx context.Context) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		if err := held.Release(ctx); err != nil {
			s.agent.options.Log.Debug("the lease was not given back", "err", err.Error())
		}
	}
}

// releaseWait is how long the end of a lease may take to be told.
const releaseWait = time.Second

// releaseSoon is release for who must not wait.
func (s *stand) releaseSoon() {
	s.agent.all.Go(func() {
		ctx, cancel := context.WithTimeout(s.agent.ctx, releaseWait)
		defer cancel()
		s.release(ctx)
	})
}

// stop makes this host stand no more.
func (s *stand) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = time.Now().Add(time.Hour)
}

// pause waits until changed is closed, but not longer than d.
func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}
