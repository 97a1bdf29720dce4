package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// network carries everything between hosts, backends, clients and the fleet's
// loop. A link goes one way.
type network struct {
	world   *World
	blocked map[link]instant.Instant // until when nothing passes
	ordered map[string]instant.Instant
}

type link struct{ from, to string }

// fleetEnd and clientsEnd are the ends of links that are no host or backend.
const (
	fleetEnd   = "fleet"
	clientsEnd = "clients"
)

// hop is how long one way takes.
func (n *network) hop() time.Duration {
	most := n.world.knobs.NetMax
	return between(n.world.rand, most/10, most)
}

// open reports whether a link lets anything pass.
func (n *network) open(from, to string) bool {
	return len(n.blocked) == 0 || n.blocked[link{from, to}] <= n.world.now
}

// both reports whether two ends can talk.
func (n *network) both(a, b string) bool { return n.open(a, b) && n.open(b, a) }

// block stops a link for a while.
func (n *network) block(from, to string, d time.Duration) {
	w := n.world
	until := w.now.Add(d)
	l := link{from, to}
	n.blocked[l] = max(n.blocked[l], until)
	w.truth.refresh()
	w.queue.Add(until, w.truth.refresh)
}

// heal opens every link.
func (n *network) heal() {
	clear(n.blocked)
	n.world.truth.refresh()
}

// inOrder returns when a message to a host arrives: these go over one ordered
// channel, as all worlds have it, so a blocked link holds them up and does not
// lose them.
func (n *network) inOrder(host string) instant.Instant {
	w := n.world
	at := w.now.Add(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax))
	at = max(at, n.blocked[link{fleetEnd, host}], n.ordered[host]+1)
	n.ordered[host] = at
	return at
}

// answer is what came back from a backend.
type answer struct {
	ok     bool
	begun  bool // an answer came, be it an error
	reason string
	// unreached says that connecting failed: nothing was sent.
	unreached bool
}

// reasonRefused is how a connection ends where nobody listens.
const reasonRefused = "connection refused"

// question is one connection to a backend.
type question struct {
	from    string
	backend string
	address string
	connect time.Duration // for a connection to be made
	timeout time.Duration // for all of it
	dial    bool          // a connection is all that is wanted
}

// ask carries a question to a backend. done is called once, at the time-out at
// the latest.
func (n *network) ask(q question, done func(answer)) {
	w := n.world
	over := false
	finish := func(a answer) {
		if !over {
			over = true
			done(a)
		}
	}
	w.queue.Add(w.now.Add(q.timeout), func() { finish(answer{reason: "no answer in time"}) })
	reply := func(a answer) {
		if !n.open(q.backend, q.from) {
			return // lost; the time-out will say so
		}
		w.queue.Add(w.now.Add(n.hop()), func() { finish(a) })
	}
	if !n.both(q.from, q.backend) {
		if q.connect < q.timeout {
			w.queue.Add(w.now.Add(q.connect), func() { finish(answer{reason: "connecting timed out", unreached: true}) })
		}
		return
	}
	w.queue.Add(w.now.Add(n.hop()), func() {
		p := w.keeper.at(q.backend, q.address)
		switch {
		case over:
		case p == nil || !p.running:
			reply(answer{reason: reasonRefused, unreached: true})
		case q.dial:
			reply(answer{ok: true, begun: true}) // the kernel accepts for a stopped process, too
		default:
			p.serve(reply)
		}
	})
}
