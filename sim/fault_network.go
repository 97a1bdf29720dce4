package sim

// strikeCut cuts one or both ways between a host and a backend, or between the
// clients and a host.
func strikeCut(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))].name
	other := clientsEnd
	if w.rand.IntN(4) > 0 && len(w.keeper.children) > 0 {
		other = w.keeper.children[w.rand.IntN(len(w.keeper.children))].name
	}
	d := w.lasts()
	way := w.rand.IntN(3)
	w.trace.say(w.now, "%s and %s are cut (%d) for %s", h, other, way, d)
	if way != 1 {
		w.net.block(h, other, d)
	}
	if way != 2 {
		w.net.block(other, h, d)
	}
}

// strikeReports cuts one way between a host and the fleet: its reports are lost,
// or its orders are held up.
func strikeReports(w *World) {
	h := w.hosts[w.rand.IntN(len(w.hosts))].name
	d := w.lasts()
	if w.rand.IntN(2) == 0 {
		w.net.block(h, fleetEnd, d)
	} else {
		w.net.block(fleetEnd, h, d)
	}
	w.trace.say(w.now, "%s and the fleet are cut one way for %s", h, d)
}
