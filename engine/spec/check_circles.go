package spec

import (
	"fmt"
	"net/netip"
)

// checkCircles refuses listeners whose flows come back to them: a pool of theirs
// has a backend where the listener itself listens, or another one that leads
// there. The first flow would open connections until the host has none left. A
// listener whose pool leads to another listener is fine.
func (c *checker) checkCircles() {
	f := c.fleet
	// at finds the listeners that a backend's flows go to.
	at := func(b *Backend, transport string) (found []int) {
		to, err := netip.ParseAddr(b.Address)
		if err != nil {
			return nil
		}
		for i := range f.Listeners {
			l := &f.Listeners[i]
			if l.Port == b.Port && l.Protocol.transport() == transport && c.listensOn(l, to.Unmap()) {
				found = append(found, i)
			}
		}
		return found
	}
	const visiting, done = 1, 2
	state := make([]int, len(f.Listeners))
	var visit func(i int)
	visit = func(i int) {
		l := &f.Listeners[i]
		state[i] = visiting
		for _, name := range l.pools() {
			pool := c.pools[name]
			if pool == nil {
				continue
			}
			for j := range pool.Backends {
				b := &pool.Backends[j]
				for _, next := range at(b, l.Protocol.transport()) {
					if state[next] == visiting {
						c.bad(fmt.Sprintf("listeners[%d].pool", i), fmt.Sprintf("listener %s sends its flows round: backend %s of pool %s is where listener %s listens", l.Name, b.Name, pool.Name, f.Listeners[next].Name), "expected a backend with a service behind it")
					} else if state[next] == 0 {
						visit(next)
					}
				}
			}
		}
		state[i] = done
	}
	for i := range f.Listeners {
		if state[i] == 0 {
			visit(i)
		}
	}
}

// pools are those that a listener sends flows to.
func (l *Listener) pools() []string {
	all := make([]string, 0, 1+len(l.SNI))
	if l.Pool != "" {
		all = append(all, l.Pool)
	}
	for _, r := range l.SNI {
		all = append(all, r.Pool)
	}
	return all
}

// listensOn reports whether a listener is bound at an address.
func (c *checker) listensOn(l *Listener, to netip.Addr) bool {
	same := func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Unmap() == to
	}
	if l.Address == "" {
		for _, name := range l.Hosts {
			if h := c.hosts[name]; h != nil && same(h.Address) {
				return true
			}
		}
		return false
	}
	if a, err := netip.ParseAddr(l.Address); err == nil && a.IsUnspecified() {
		// The wildcard is every address of the listener's hosts.
		for _, name := range l.Hosts {
			if h := c.hosts[name]; h != nil && same(h.Address) {
				return true
			}
		}
	}
	return same(l.Address)
}
