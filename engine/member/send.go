package member

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// report is this host's own view, as a report to anybody.
func (m *Member) report(now instant.Instant) Report {
	m.number++
	v := View{By: m.self.Name, Site: m.self.Site, Life: m.life, Number: m.number}
	for _, name := range m.order {
		p := m.peers[name]
		if p.host.Site != m.self.Site || len(v.Hosts) == HostsMax {
			continue
		}
		s := Sight{Host: name, Life: p.life, State: p.state, Reason: p.reason, Heard: Never}
		if p.ever {
			s.Heard = max(now.Sub(p.heard), 0)
		}
		v.Hosts = append(v.Hosts, s)
	}
	return Report{From: m.self.Name, Life: m.life, View: v}
}

// beat reports to every host of this site.
func (m *Member) beat(now instant.Instant, out *Effects) {
	r := m.report(now)
	for _, name := range m.order {
		if m.peers[name].host.Site == m.self.Site {
			out.Sends = append(out.Sends, Send{To: name, Report: r})
		}
	}
}

// far reports to the gateways of other sites, if this is one, and passes on what
// it knows of one site to the others and to its own.
func (m *Member) far(now instant.Instant, out *Effects) {
	if !m.gateway(m.self.Site, m.self.Name) {
		return
	}
	r := m.report(now)
	for _, site := range m.sites {
		gateways := m.gateways(site)
		for _, name := range m.hosts(site) {
			// Who calls from there speaks for its site, whatever is known here of
			// those who should.
			p := m.peers[name]
			if slices.Contains(gateways, name) || p.ever && !p.bye && now.Sub(p.heard) <= m.set.FarDead {
				out.Sends = append(out.Sends, Send{To: name, Report: r})
			}
		}
		if m.site(now, site).State != StateAlive {
			// Its gateways may be others by now: one more is called, in turn.
			if all := m.hosts(site); len(all) > GatewaysOf {
				out.Sends = append(out.Sends, Send{To: all[m.turn%len(all)], Report: r})
			}
		}
	}
	for _, by := range m.order {
		if m.relays(now, by) {
			m.relay(by, out, now)
		}
	}
}

// relays reports whether it is for this gateway to pass a view on that is no news.
// A site's two gateways share them by who saw; when the other one was not heard to
// pass one on, this one does.
func (m *Member) relays(now instant.Instant, by string) bool {
	v := m.views[by]
	if v == nil {
		return false
	}
	rank := m.rank()
	odd := 0
	for i := range len(by) {
		odd ^= int(by[i])
	}
	return odd&1 == rank&1 || now.Sub(v.relayed) > 2*m.set.FarBeat
}

// rank is how many hosts of this site that live come before this one.
func (m *Member) rank() int {
	before := 0
	for _, name := range m.order {
		if p := m.peers[name]; p.host.Site == m.self.Site && name < m.self.Name && p.state == StateAlive {
			before++
		}
	}
	return before
}

// relay passes a view on that is fresh and came from another host: one of
// another site to the hosts of this one, and any to the gateways of the others.
func (m *Member) relay(by string, out *Effects, now instant.Instant) {
	v := m.views[by]
	if v == nil || v.Hops >= HopsMax || now.Sub(v.at) > m.set.FarDead {
		return
	}
	next := v.View
	next.Age, next.Hops = max(now.Sub(v.at), 0), v.Hops+1
	if v.straight && v.straightNumber == v.Number {
		next.Via = "" // the same came straight too
	}
	r := Report{From: m.self.Name, Life: m.life, View: next}
	if v.Site == m.self.Site && v.Via == "" {
		// It speaks for itself to the other sites if it is a gateway, and if not,
		// this one's view says all that they need.
		return
	}
	for _, name := range m.order {
		if m.peers[name].host.Site == m.self.Site && name != by {
			out.Sends = append(out.Sends, Send{To: name, Report: r})
		}
	}
	if next.Via != "" || v.Site == m.self.Site {
		return // it came by a third site already; a fourth has its own word for it
	}
	for _, site := range m.sites {
		for _, name := range m.gateways(site) {
			if name != by {
				out.Sends = append(out.Sends, Send{To: name, Report: r})
			}
		}
	}
}

// goodbye tells everybody who would miss this host.
func (m *Member) goodbye(out *Effects) {
	r := m.report(m.last)
	r.Leaving = true
	r.View.Hosts = nil // the word of one who leaves decides nothing
	for _, name := range m.order {
		near := m.peers[name].host.Site == m.self.Site
		if near || m.gateway(m.peers[name].host.Site, name) {
			out.Sends = append(out.Sends, Send{To: name, Report: r})
		}
	}
}

// hosts lists the hosts of another site.
func (m *Member) hosts(site string) []string {
	var all []string
	for _, name := range m.order {
		if m.peers[name].host.Site == site {
			all = append(all, name)
		}
	}
	return all
}

// gateways are the hosts of a site that talk to other sites: the first of those
// that live, and of all when none is known to.
func (m *Member) gateways(site string) []string {
	var alive, all []string
	for _, name := range m.order {
		p := m.peers[name]
		if p.host.Site != site {
			continue
		}
		if all = append(all, name); p.state == StateAlive || p.state == StateCut {
			alive = append(alive, name)
		}
	}
	if len(alive) == 0 {
		alive = all
	}
	return alive[:min(len(alive), GatewaysOf)]
}

// gateway reports whether a host speaks for its site.
func (m *Member) gateway(site, name string) bool {
	if site != m.self.Site {
		for _, g := range m.gateways(site) {
			if g == name {
				return true
			}
		}
		return false
	}
	return name == m.self.Name && m.rank() < GatewaysOf
}
