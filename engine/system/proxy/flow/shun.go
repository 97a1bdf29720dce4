package flow

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// A backend that refuses connections has nobody listening: that is certain from
// the first refusal, and cheap to find out again. So new flows pass it over at
// once, without waiting for the balancer, and one of them tries it after
// shunFirst, each further one after twice the time, up to shunMost.
//
// It matters most with wlc: what refuses has the fewest flows, and would draw
// all new ones until it is ejected.
const (
	shunFirst = 50 * time.Millisecond
	shunMost  = time.Second
)

// shun says whether a backend is passed over for now. Its zero value says no.
type shun struct {
	to   atomic.Int64 // until this instant; 0: it is not shunned
	wait atomic.Int64 // how long the newest time was
}

// refused begins to shun the backend. While it is shunned already, the flow that
// tries it has set the time.
func (s *shun) refused(now instant.Instant) {
	if s.to.CompareAndSwap(0, int64(now.Add(shunFirst))) {
		s.wait.Store(int64(shunFirst))
	}
}

// well ends it: the backend took a connection.
func (s *shun) well() {
	if s.to.Load() != 0 {
		s.to.Store(0)
	}
}

// shunned reports whether a new flow passes the backend over. It reports false
// to one flow each time, which tries the backend.
func (s *shun) shunned(now func() instant.Instant) bool {
	to := s.to.Load()
	if to == 0 {
		return false
	}
	n := now()
	if n < instant.Instant(to) {
		return true
	}
	wait := min(2*s.wait.Load(), int64(shunMost))
	if !s.to.CompareAndSwap(to, int64(n)+wait) {
		return s.to.Load() != 0 // another flow is trying it
	}
	s.wait.Store(wait)
	return false
}
