package balance

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Trouble is what a data path knows of one backend that fails its flows: whether
// new ones pass it over for a moment, and whether the balancer should hear of it.
// The zero value is a backend without trouble.
//
// A backend that refuses a connection has nobody listening: that is certain from
// the first refusal, and cheap to find out again. So new flows pass it over at
// once, without waiting for the balancer, and one of them tries it after
// shunFirst, each further one after twice the time, up to shunMost. It matters
// most with wlc: what refuses has the fewest flows, and would draw all new ones.
//
// A flow that was kept away is a failure that was spared: it counts as one, or a
// backend that is certainly gone would be ejected later than one that fails now
// and then.
type Trouble struct {
	inARow int
	spared int // flows kept away since the newest success
	reason string

	told    instant.Instant // of the newest report
	telling bool            // there was one since the newest success

	shunTo instant.Instant // new flows pass it over until then
	wait   time.Duration   // the newest time it is shunned; 0: it is not
}

const (
	shunFirst = 50 * time.Millisecond
	shunMost  = time.Second
)

// reportEvery is the least time between two reports of one backend: the first
// one may come to nothing, because the pool's ceiling is reached or the host's
// inbox is full, and the trouble goes on.
const reportEvery = 20 * time.Millisecond

// Failed counts a flow that the backend failed. refused says that nobody listens
// there.
func (t *Trouble) Failed(now instant.Instant, reason string, refused bool) {
	t.inARow++
	t.reason = reason
	if refused && t.wait == 0 {
		// While it is shunned already, the flow that tried it has set the time.
		t.wait, t.shunTo = shunFirst, now.Add(shunFirst)
	}
}

// Succeeded ends all trouble.
func (t *Trouble) Succeeded() { *t = Trouble{} }

// Reached says that its probes, or somebody else, reach the backend again: new
// flows may go there. Those that failed still count.
func (t *Trouble) Reached() { t.spared, t.wait, t.shunTo = 0, 0, 0 }

// Any reports whether there is trouble: without it, a success changes nothing.
func (t *Trouble) Any() bool { return t.inARow > 0 || t.wait > 0 }

// Refuses reports whether the backend refused a connection, and none was made
// since.
func (t *Trouble) Refuses() bool { return t.wait > 0 }

// Shuns reports whether a new flow passes the backend over. It reports false to
// one flow each time, which tries the backend.
func (t *Trouble) Shuns(now instant.Instant) bool {
	switch {
	case t.wait == 0:
		return false
	case !t.shunTo.Reached(now):
		return true
	}
	t.wait = min(2*t.wait, shunMost)
	t.shunTo = now.Add(t.wait)
	return false
}

// Spared counts a flow that passed the backend over and that another one took.
func (t *Trouble) Spared() {
	if t.wait > 0 {
		t.spared++
	}
}

// Report returns what the balancer is to hear, if there is enough of it: failures
// is the pool's number that ejects.
func (t *Trouble) Report(now instant.Instant, backend string, failures int) (Outcomes, bool) {
	if failures <= 0 || t.inARow+t.spared < failures || t.telling && now.Sub(t.told) < reportEvery {
		return Outcomes{}, false
	}
	t.told, t.telling = now, true
	return Outcomes{Backend: backend, InARow: t.inARow, Spared: t.spared, Reason: t.reason}, true
}
