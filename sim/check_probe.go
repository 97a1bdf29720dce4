package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
)

// checkProbe: a host has one probe of a target under way at most, and never
// begins the next one sooner than half an interval after the last. (The second one
// of a fresh target comes when it likes, so that targets spread.)
type checkProbe struct {
	world  *World
	flying map[key]flying
}

type flying struct {
	attempt uint64
	since   instant.Instant
	over    bool
}

// answerGrace is probe's grace: past it an answer counts as lost.
const answerGrace = time.Second

func newCheckProbe(w *World) *checkProbe { return &checkProbe{world: w, flying: map[key]flying{}} }

func (c *checkProbe) launched(h *simHost, l probe.Launch) {
	now, k := c.world.now, keyOf(h, l.Target)
	interval := time.Duration(0)
	for _, x := range h.asked.served {
		if p := h.asked.spec.Probe(x.pool.Probe); x.spec.AddrPort() == l.Address && p.Kind == l.Probe.Kind {
			interval = p.Interval.D()
		}
	}
	last, ok := c.flying[k]
	// What left the spec and came back begins anew.
	if ok && last.since > h.asked.at {
		if age := now.Sub(last.since); !last.over && age < l.Probe.Timeout.D()+answerGrace {
			c.world.fail("probe", "%s probes %s again %s after a probe that is under way", h.name, l.Address, age)
		} else if l.Attempt > 2 && age < interval/2 {
			c.world.fail("probe", "%s probes %s again after %s, the interval is %s", h.name, l.Address, age, interval)
		}
	}
	c.flying[k] = flying{attempt: l.Attempt, since: now}
}

func (c *checkProbe) told(h *simHost, ev host.Event) {
	if p, ok := ev.(host.Probed); ok {
		k := keyOf(h, p.Finished.Target)
		if f := c.flying[k]; f.attempt == p.Finished.Attempt {
			f.over = true
			c.flying[k] = f
		}
	}
}
