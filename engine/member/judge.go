package member

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// verdict is a state with what it rests on.
type verdict struct {
	state  State
	reason Reason
	by     string
}

// judge decides about every host, and tells the neighbours at once when
// something in this site is another way.
func (m *Member) judge(now instant.Instant, out *Effects) {
	if !m.started || m.stopped {
		return
	}
	m.judgeSelf(now)
	changed := false
	for _, name := range m.order {
		changed = m.judgeOne(now, m.peers[name], out) || changed
	}
	if changed {
		m.announce(now, out)
	}
}

// judgeOne decides about one host and reports whether others should hear of it
// at once.
func (m *Member) judgeOne(now instant.Instant, p *peer, out *Effects) bool {
	var v verdict
	near := p.host.Site == m.self.Site
	if near {
		v = m.near(now, p)
		m.knock(now, p, v, out)
	} else {
		v = m.distant(now, p)
	}
	p.seen = p.seen || v.state == StateAlive || v.state == StateCut && v.reason != ReasonThisIsCutOff
	v = p.flaps.damp(now, m.set.Flap, v)
	changed := v.state != p.state
	if changed {
		out.Changes = append(out.Changes, Change{Host: p.host, From: p.state, To: v.state, Reason: v.reason, By: v.by})
		p.since = now
	}
	p.state, p.reason, p.by = v.state, v.reason, v.by
	return changed && near && v.state != StateSuspected
}

// announce tells those who would hear it with the next reports anyway.
func (m *Member) announce(now instant.Instant, out *Effects) {
	m.beat(now, out)
	m.far(now, out)
}

// near judges a host of this site.
func (m *Member) near(now instant.Instant, p *peer) verdict {
	silent := now.Sub(p.heard)
	if !p.ever {
		silent = now.Sub(p.known)
	}
	switch {
	case p.bye:
		return verdict{StateStopped, ReasonGoodbye, ""}
	case p.ever && silent <= m.set.Suspect:
		if m.deaf(now, p) {
			return verdict{StateCut, ReasonOneWay, ""}
		}
		return verdict{StateAlive, ReasonHeard, ""}
	case m.said(now, p.refused):
		return verdict{StateStopped, ReasonRefused, ""}
	}
	// What neighbours that are heard say of it. Their words count as old as they
	// are, so a death is nobody's news for longer than Dead.
	heardBy, byeBy := "", ""
	for _, name := range m.order {
		n := m.peers[name]
		if n == p || n.host.Site != m.self.Site || !n.ever || now.Sub(n.heard) > m.set.Dead {
			continue
		}
		s, age, ok := m.sight(now, name, p.host.Name)
		if !ok || s.Life < p.life {
			continue
		}
		if s.Heard != Never && age+s.Heard <= m.set.Dead && s.State != StateStopped {
			heardBy = name
		}
		// A goodbye holds for its life and may be taken from others. What a
		// kernel says is for each to ask, or two would believe each other for
		// ever.
		if s.State == StateStopped && s.Reason == ReasonGoodbye {
			byeBy = name
		}
	}
	// Its own word by way of another site proves that it lives, if it is younger
	// than the silence.
	if v := m.views[p.host.Name]; v != nil && now.Sub(v.at) <= m.set.FarDead && (!p.ever || v.at > p.heard.Add(m.set.Suspect)) {
		heardBy = v.Via
	}
	switch {
	case silent <= m.set.Dead:
		if byeBy != "" {
			return verdict{StateStopped, ReasonGoodbye, byeBy}
		}
		if !p.ever {
			return verdict{StateSuspected, ReasonNotYet, ""}
		}
		return verdict{StateSuspected, ReasonSilent, ""}
	case heardBy != "":
		return verdict{StateCut, ReasonOthersHear, heardBy}
	case byeBy != "":
		return verdict{StateStopped, ReasonGoodbye, byeBy}
	case m.said(now, p.answered):
		return verdict{StateStopped, ReasonHangs, ""}
	case p.rumour == RumourLeft:
		return verdict{StateStopped, ReasonGoodbye, ""}
	case m.isolation == IsolationAll || m.isolation == IsolationMute:
		return verdict{StateCut, ReasonThisIsCutOff, ""}
	case !m.company(p):
		return verdict{StateSuspected, ReasonSilent, ""}
	case !p.ever && p.rumour == RumourAlive:
		return verdict{StateCut, ReasonOnlyGossip, ""}
	}
	return verdict{StateDead, ReasonNobodyHears, ""}
}

// said reports whether a kernel's word is fresh. It is asked again every Suspect,
// so a machine that loses its power later is found dead all the same.
func (m *Member) said(now, at instant.Instant) bool { return at != 0 && now.Sub(at) <= m.set.Dead }

// company reports whether anybody was heard since a host became silent. Without,
// it may as well be this one that hears nothing any more.
func (m *Member) company(p *peer) bool {
	since := p.heard
	if !p.ever {
		since = p.known
	}
	for _, q := range m.peers {
		if q != p && q.ever && !q.bye && q.heard > since.Add(m.set.Suspect) {
			return true
		}
	}
	return false
}

// sight is what one host last said of another, and how old its word is.
func (m *Member) sight(now instant.Instant, by, of string) (Sight, time.Duration, bool) {
	v := m.views[by]
	if v == nil {
		return Sight{}, 0, false
	}
	s, ok := v.of(of)
	return s, now.Sub(v.at), ok
}

// of is what a view says of a host.
func (v *view) of(host string) (Sight, bool) {
	for i := range v.Hosts {
		if v.Hosts[i].Host == host {
			return v.Hosts[i], true
		}
	}
	return Sight{}, false
}

// deaf reports whether a host that is heard says that it does not hear this one.
func (m *Member) deaf(now instant.Instant, p *peer) bool {
	if now.Sub(m.began) <= m.set.Dead+m.set.Suspect {
		return false // it had no time to hear this life
	}
	s, age, ok := m.sight(now, p.host.Name, m.self.Name)
	return ok && age <= m.set.Suspect && (s.Heard == Never || s.Heard > m.set.Dead) && s.Life <= m.life
}

// knock asks the world about a host that has just become silent, once a Beat at
// most: the work is bounded, and a kernel that refuses does so at once.
func (m *Member) knock(now instant.Instant, p *peer, v verdict, out *Effects) {
	silent := v.state == StateSuspected || v.state == StateDead || v.state == StateStopped && v.reason != ReasonGoodbye
	if !silent || now.Sub(p.knocked) < m.set.Suspect && p.knocked != 0 {
		return
	}
	p.knocked = now
	out.Knocks = append(out.Knocks, p.host.Name)
}

// judgeSelf decides how far this host itself is cut off.
func (m *Member) judgeSelf(now instant.Instant) {
	is := m.alone(now)
	if is != m.isolation {
		m.isolation, m.isolated = is, now
	}
}

func (m *Member) alone(now instant.Instant) Isolation {
	if len(m.order) == 0 || now.Sub(m.began) <= m.set.FarDead {
		return IsolationNone // nobody to see, or no time yet
	}
	hears, hearers, neighbours := 0, 0, 0
	for _, name := range m.order {
		p := m.peers[name]
		near := p.host.Site == m.self.Site
		limit := m.set.FarDead
		if near {
			limit = m.set.Dead
		}
		if !p.ever || p.bye || now.Sub(p.heard) > limit {
			continue
		}
		hears++
		if !near {
			continue
		}
		neighbours++
		if !m.deaf(now, p) {
			hearers++
		}
	}
	switch {
	case hears == 0:
		if m.allStopped() {
			return IsolationNone // they said goodbye: nobody is missing
		}
		return IsolationAll
	case neighbours > 0 && hearers == 0:
		return IsolationMute
	}
	silent := 0
	for _, site := range m.sites {
		if s := m.site(now, site); s.State == StateDead {
			silent++
		}
	}
	if silent == len(m.sites) && silent > 1 {
		return IsolationFleet
	}
	return IsolationNone
}

func (m *Member) allStopped() bool {
	for _, p := range m.peers {
		if !p.bye && p.state != StateStopped {
			return false
		}
	}
	return true
}

// site judges the link to another site.
func (m *Member) site(now instant.Instant, site string) SiteStatus {
	s := SiteStatus{Site: site, State: StateDead, Reason: ReasonSiteUnknown}
	for _, v := range m.bySite[site] {
		if v.straight && now.Sub(v.direct) <= m.set.FarDead {
			return SiteStatus{Site: site, State: StateAlive, Reason: ReasonHeard}
		}
		if now.Sub(v.at) <= m.set.FarDead && v.Via != "" {
			s.State, s.Reason, s.Via = StateCut, ReasonSiteCut, v.Via
		}
	}
	return s
}

// rank orders states by how much life they show, for hosts that are seen by
// several.
var rank = map[State]int{StateAlive: 5, StateCut: 4, StateSuspected: 3, StateStopped: 2, StateDead: 1}

// distant judges a host of another site by what that says of it.
func (m *Member) distant(now instant.Instant, p *peer) verdict {
	best := verdict{}
	for _, v := range m.bySite[p.host.Site] {
		if now.Sub(v.at) > m.set.FarDead || m.outlived(v) {
			continue
		}
		said := verdict{}
		if v.By == p.host.Name {
			said = verdict{StateAlive, ReasonHeard, ""}
			if p.bye {
				said = verdict{StateStopped, ReasonGoodbye, ""}
			}
		} else if s, ok := v.of(p.host.Name); ok {
			said = verdict{s.State, s.Reason, v.By}
			if s.State == StateAlive {
				said = verdict{StateAlive, ReasonSiteSays, ""}
			}
		}
		if rank[said.state] > rank[best.state] {
			best = said
		}
	}
	link := m.site(now, p.host.Site)
	switch {
	case best.state == StateDead && m.others(p.host.Site, p.host.Name) == 0:
		// Nobody is left in its site to say it.
	case best.state == StateAlive && link.State == StateCut:
		return verdict{StateCut, ReasonSiteCut, link.Via}
	case best.state != "":
		return best
	}
	switch {
	case p.bye:
		return verdict{StateStopped, ReasonGoodbye, ""}
	case now.Sub(later(p.known, m.began)) <= m.set.FarDead:
		return verdict{StateSuspected, ReasonNotYet, ""}
	case p.rumour == RumourLeft:
		return verdict{StateStopped, ReasonGoodbye, ""}
	case m.isolation != IsolationNone:
		return verdict{StateCut, ReasonThisIsCutOff, ""}
	case m.thirdSite(now, p.host.Site):
		return verdict{StateDead, ReasonSiteSilent, ""}
	}
	return verdict{StateSuspected, ReasonSiteUnknown, ""}
}

// outlived reports whether a younger view of the site says that who saw this one
// is not there any more: the word of the dead would hide their death, and that of
// who died with them.
func (m *Member) outlived(v *view) bool {
	for _, w := range m.bySite[v.Site] {
		if w.at <= v.at.Add(m.set.Suspect) {
			continue
		}
		for i := range w.Hosts {
			if s := &w.Hosts[i]; s.Host == v.By && (s.State == StateDead || s.State == StateStopped) {
				return true
			}
		}
	}
	return false
}

// others counts the hosts of a site besides one.
func (m *Member) others(site, besides string) int {
	n := 0
	for _, p := range m.peers {
		if p.host.Site == site && p.host.Name != besides {
			n++
		}
	}
	return n
}

// thirdSite reports whether a third site has been heard since one became silent:
// who loses everybody at once hears the last of one site a little later than that
// of another.
func (m *Member) thirdSite(now instant.Instant, that string) bool {
	last, third := m.newest(that), instant.Instant(0)
	for _, site := range m.sites {
		if site != that && m.site(now, site).State != StateDead {
			third = later(third, m.newest(site))
		}
	}
	return third != 0 && third > last.Add(2*m.set.FarBeat)
}

// newest is when a site was last known to be as it was seen; zero if never.
func (m *Member) newest(site string) instant.Instant {
	at := instant.Instant(0)
	for _, v := range m.bySite[site] {
		at = later(at, v.at)
	}
	return at
}

func later(a, b instant.Instant) instant.Instant { return max(a, b) }
