package spec

import (
	"net/netip"
	"strconv"
)

// AddrPort joins an address and a port, with brackets around IPv6.
func AddrPort(address string, port int) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address + ":" + strconv.Itoa(port)
	}
	return netip.AddrPortFrom(a, uint16(port)).String()
}

// Site returns the site of that name, nil without one.
func (f *Fleet) Site(name string) *Site {
	return lookup(f.Sites, name, func(s *Site) string { return s.Name })
}

// Pool returns the pool of that name, nil without one.
func (f *Fleet) Pool(name string) *Pool {
	return lookup(f.Pools, name, func(p *Pool) string { return p.Name })
}

// Probe returns the probe of that name, nil without one.
func (f *Fleet) Probe(name string) *Probe {
	return lookup(f.Probes, name, func(p *Probe) string { return p.Name })
}

// Listener returns the listener of that name, nil without one.
func (f *Fleet) Listener(name string) *Listener {
	return lookup(f.Listeners, name, func(l *Listener) string { return l.Name })
}

// ClientsOf returns the clients of that name, nil without them.
func (f *Fleet) ClientsOf(name string) *Clients {
	return lookup(f.Clients, name, func(c *Clients) string { return c.Name })
}

// Drill returns the drill of that name, nil without one.
func (f *Fleet) Drill(name string) *Drill {
	return lookup(f.Drills, name, func(d *Drill) string { return d.Name })
}

// Host returns the host of that name and its site; nil without one.
func (f *Fleet) Host(name string) (*Host, *Site) {
	for i := range f.Sites {
		if h := lookup(f.Sites[i].Hosts, name, func(h *Host) string { return h.Name }); h != nil {
			return h, &f.Sites[i]
		}
	}
	return nil, nil
}

func lookup[T any](all []T, name string, key func(*T) string) *T {
	for i := range all {
		if key(&all[i]) == name {
			return &all[i]
		}
	}
	return nil
}
