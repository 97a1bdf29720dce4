package metrics

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// readiness says whether every listener is bound on all of its hosts and every pool
// has a backend that takes new flows. A pool in panic uses backends of which
// nobody believes that they serve: it is not ready.
func readiness(s *api.Status) answer {
	var not []wants
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if reason := unbound(l); reason != "" {
			not = append(not, wants{id.To(id.KindListener, l.Name).String(), reason})
		}
	}
	serves := map[string]bool{}
	for i := range s.Backends {
		serves[s.Backends[i].Pool] = serves[s.Backends[i].Pool] || s.Backends[i].Serves()
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		if !serves[p.Name] {
			reason := "no backend takes new flows"
			if p.Reason != "" {
				reason += ": " + p.Reason
			}
			not = append(not, wants{id.To(id.KindPool, p.Name).String(), reason})
		}
	}
	if len(not) > 0 {
		reason := not[0].Subject + ": " + not[0].Reason
		if len(not) > 1 {
			reason = fmt.Sprintf("%s, and %d more", reason, len(not)-1)
		}
		return answer{Reason: reason, Not: not}
	}
	return answer{OK: true, Reason: fmt.Sprintf("%d listeners are bound and %d pools serve", len(s.Listeners), len(s.Pools))}
}

// unbound says why a listener is not bound everywhere; empty when it is.
func unbound(l *api.Listener) string {
	if len(l.Bindings) == 0 {
		return "no host has reported on it"
	}
	for i := range l.Bindings {
		if b := &l.Bindings[i]; !b.Bound {
			if b.Reason == "" {
				return b.Host + " has not bound " + b.Address
			}
			return b.Host + " has not bound " + b.Address + ": " + b.Reason
		}
	}
	// A host that has not reported has no line among the bindings.
	if l.State == api.StateDegraded || l.State == api.StateUnknown {
		return l.Reason
	}
	return ""
}
