package sim

import "time"

// strikeHost takes a host's power away. It comes back and knows nothing.
func strikeHost(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	if h.down || !w.mayCrash() {
		return
	}
	h.crash()
	w.queue.Add(w.now.Add(w.lasts()), func() {
		if h.down && w.host(h.name) == h {
			h.boot()
		}
	})
}

// strikeStall stops a host's loop for a while, not its data path.
func strikeStall(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	if !h.down {
		d := w.lasts()
		w.trace.say(w.now, "%s stalls for %s", h.name, d)
		h.loop.stall(d)
	}
}

// strikeFleetStall stops the fleet's loop for a while.
func strikeFleetStall(w *World) {
	d := w.lasts()
	w.trace.say(w.now, "the fleet's loop stalls for %s", d)
	w.stalls += d
	w.fleet.stall(d)
}

// strikeBlind takes from a host what it needs to probe at all.
func strikeBlind(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	h.blind = max(h.blind, w.now.Add(w.lasts()))
	w.trace.say(w.now, "%s cannot probe", h.name)
}

// strikeUnbound gives the addresses that a host would bind to somebody else.
// What it has bound it keeps.
func strikeUnbound(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))]
	h.unbound = max(h.unbound, w.now.Add(w.lasts()))
}

// fleetDies ends the fleet's loop for good.
func (w *World) fleetDies(after time.Duration) {
	w.queue.Add(w.now.Add(after), func() {
		w.trace.say(w.now, "the fleet's loop dies")
		w.fleet.dead = true
	})
}
