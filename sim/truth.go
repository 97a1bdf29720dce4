package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// truth knows since when each host cannot get an answer from each backend, and
// since when it can: what probes have to find out.
type truth struct {
	world *World
	bad   map[link]instant.Instant // from host to backend; absent: it answers
}

func newTruth(w *World) *truth {
	return &truth{world: w, bad: map[link]instant.Instant{}}
}

// refresh works it out anew. It is called whenever something changes.
func (t *truth) refresh() {
	w := t.world
	if w.truth == nil {
		return
	}
	for _, h := range w.hosts {
		for _, p := range w.keeper.children {
			l := link{h.name, p.name}
			bad := !h.down && t.silent(h, p)
			_, was := t.bad[l]
			switch {
			case bad && !was:
				t.bad[l] = w.now
			case !bad && was:
				delete(t.bad, l)
			}
		}
	}
}

// anew begins to count anew for a backend.
func (t *truth) anew(backend string) {
	for _, h := range t.world.hosts {
		delete(t.bad, link{h.name, backend})
	}
}

// silent reports whether a backend surely fails the probes of a host.
func (t *truth) silent(h *simHost, p *process) bool {
	w := t.world
	if !p.running || !w.net.both(h.name, p.name) {
		return true
	}
	if h.asked == nil || h.asked.spec == nil {
		return false
	}
	pool := h.asked.spec.Pool(p.pool)
	if pool == nil {
		return false
	}
	check := h.asked.spec.Probe(pool.Probe)
	if check == nil || check.Kind == spec.ProbeTCP {
		return false
	}
	return p.frozen || p.delay >= check.Timeout.D() || p.errors && check.Kind == spec.ProbeHTTP
}

// badFor is how long a host has got no answer from a backend, as far as its
// probes could see.
func (t *truth) badFor(h *simHost, backend string) time.Duration {
	since, ok := t.bad[link{h.name, backend}]
	if !ok {
		return 0
	}
	x := h.asked.served[backend]
	since = max(since, h.asked.born, h.asked.at, h.blind, h.loop.stalled)
	if x != nil {
		since = max(since, x.since)
	}
	return t.world.now.Sub(since)
}
