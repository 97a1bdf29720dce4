package fleet

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// beginAfter is how long clients wait for a listener that does not serve: then
// that is what they are there to see.
const beginAfter = 5 * time.Second

// begin lets clients begin once their listener serves on every host. The first
// moments of a fleet, in which no probe has passed yet, are nobody's outage.
func (f *Fleet) begin(now instant.Instant, out *Effects) {
	for i := range f.spec.Clients {
		c := &f.spec.Clients[i]
		l, ok := f.picture.Listener(c.Listener)
		if f.begun[c.Name] || !ok {
			continue
		}
		if l.State == api.StateOK && (l.Pool == "" || f.servesEverywhere(l)) || now.Sub(f.changed) >= beginAfter {
			f.begun[c.Name] = true
			out.Begin = append(out.Begin, c.Name)
		}
	}
}

// servesEverywhere reports whether each host of a listener has a backend that
// serves. A pool may be well before all of them have measured it.
func (f *Fleet) servesEverywhere(l *api.Listener) bool {
	serves := map[string]bool{}
	for i := range f.picture.Backends {
		if b := &f.picture.Backends[i]; b.Pool == l.Pool {
			for _, v := range b.Votes {
				serves[v.Host] = serves[v.Host] || v.Phase == api.PhaseServing || v.Phase == api.PhaseRising
			}
		}
	}
	for _, b := range l.Bindings {
		if !serves[b.Host] {
			return false
		}
	}
	return true
}
