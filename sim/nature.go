package sim

import "time"

// nature is a way in which things break that nobody ordered. strike does it, and
// sees to it that it ends within a few seconds.
type nature struct {
	name   string
	strike func(w *World)
}

// coordinators is the nature that has one coordinator follow another.
const coordinators = "coordinator"

// natures are all of them; a run uses those that its knobs name.
var natures = []nature{
	{"crash", strikeCrash},
	{"freeze", strikeFreeze},
	{"slow", strikeSlow},
	{"errors", strikeErrors},
	{"flap", strikeFlap},
	{"host", strikeHost},
	{"stall", strikeStall},
	{"fleet-stall", strikeFleetStall},
	{"cut", strikeCut},
	{"cut-reports", strikeReports},
	{"blind", strikeBlind},
	{"unbound", strikeUnbound},
	{coordinators, strikeCoordinator},
}

// lasts draws how long a fault lasts: mostly too short or just long enough to be
// found, sometimes long.
func (w *World) lasts() time.Duration {
	if w.rand.IntN(3) == 0 {
		return between(w.rand, 2*time.Second, 8*time.Second)
	}
	return between(w.rand, 10*time.Millisecond, 2*time.Second)
}

// storm lets nature strike again and again.
func (w *World) storm() {
	if w.knobs.Nature <= 0 {
		return
	}
	w.queue.Add(w.now.Add(between(w.rand, 0, 2*w.knobs.Nature)), func() {
		if w.healed {
			return
		}
		name := oneOf(w.rand, w.knobs.Kinds...)
		for _, n := range natures {
			if n.name == name {
				n.strike(w)
			}
		}
		w.storm()
	})
}

// heal ends what nature did: from here on everything must come right.
func (w *World) heal() {
	w.healed = true
	w.trace.say(w.now, "healed")
	w.net.heal()
	for _, p := range w.keeper.children {
		p.recover()
	}
	for _, h := range w.hosts {
		h.blind, h.unbound = min(h.blind, w.now), min(h.unbound, w.now)
		if h.down {
			h.boot()
		}
	}
	w.truth.refresh()
}
