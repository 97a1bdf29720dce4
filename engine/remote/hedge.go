package remote

import (
	"context"
	"time"
)

// patience is how long an agent is waited for before the next one is asked as well.
// One whose process hangs still takes connections, for its kernel does that.
const patience = time.Second

// said is what one agent answered.
type said[T any] struct {
	agent int
	value T
	err   error
}

// look asks one agent after another, from the one that answered last, and takes the
// first answer. The next one is asked when one has failed so that another may do
// better, or takes its time. ask's context lives on with the answer's own.
func look[T any](ctx context.Context, s *Several, ask func(context.Context, *Client) (T, error)) (T, error) {
	var none T
	s.mu.Lock()
	first := s.now
	s.mu.Unlock()
	answers := make(chan said[T], len(s.agents)) // whoever is late finds room
	stops := make([]context.CancelFunc, len(s.agents))
	asked := 0
	next := func() {
		n := (first + asked) % len(s.agents)
		asked++
		one, stop := context.WithCancel(ctx)
		stops[n] = stop
		go func() {
			v, err := ask(one, s.agents[n])
			answers <- said[T]{n, v, err}
		}()
	}
	// end stops all others than the one that is taken, whose context is ctx's to end.
	end := func(taken int) {
		for n, stop := range stops {
			if stop != nil && n != taken {
				stop()
			}
		}
	}
	next()
	late := time.NewTicker(patience)
	defer late.Stop()
	var all severalError
	for {
		select {
		case a := <-answers:
			if a.err == nil {
				end(a.agent)
				s.stay(a.agent)
				return a.value, nil
			}
			if ctx.Err() != nil {
				end(-1)
				return none, ctx.Err()
			}
			all = append(all, a.err)
			switch {
			case !gone(a.err):
				end(-1)
				return none, all.one()
			case asked < len(s.agents):
				next()
				late.Reset(patience)
			case len(all) == asked:
				return none, all.one()
			}
		case <-late.C:
			if asked < len(s.agents) {
				next()
			}
		case <-ctx.Done():
			end(-1)
			return none, ctx.Err()
		}
	}
}

// stay makes an agent the first to be asked.
func (s *Several) stay(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = n
}
