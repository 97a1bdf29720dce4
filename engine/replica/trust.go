package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Who is believed. A certificate says which host sends, and a group's own list who
// its members are; but a member that was away may be spoken to by newer members
// than it knows, and one of them may lead. So it asks the members that it does know:
// a host of the fleet that is no member cannot speak in a group by naming a member
// that there might be.

const (
	// askWhoAfter is how often a member asks about one that it does not know.
	askWhoAfter = 50 * time.Millisecond
	// aloneAfter, in elections, is how long a member hears no leader until it
	// believes whom nobody vouches for: everybody whom it knew may have left the
	// group meanwhile. While a group has a leader nobody gets in by this.
	aloneAfter = 8
)

// trusts reports whether a host may say who is a member: one of them is there.
func (g *group) trusts(host string) bool {
	for _, m := range g.image.members.all {
		if m.Host == host {
			return true
		}
	}
	for _, known := range g.routes {
		if known == host {
			return true
		}
	}
	return g.alone() && g.host.admissible(g.id, host)
}

// alone reports whether the member has been without a leader for so long that those
// it knows may all be gone.
func (g *group) alone() bool {
	return !g.leads() && g.host.now.Sub(g.clock.leaderAt) > aloneAfter*g.timing.Election
}

// admissible reports whether a host may have a place in a group at all.
func (s *Groups) admissible(name GroupID, host string) bool {
	return s.config.Admit == nil || s.config.Admit(name, host)
}

// admits reports whether a member may speak from a host. Who was removed is told
// so; who is newer than what this member knows is asked about.
func (g *group) admits(from string, member uint64) bool {
	if m := g.image.members.find(member); m != nil {
		return m.Host == from
	}
	if member < g.image.members.next {
		g.host.frames.add(from, packet{kind: packetGone, group: g.id, to: member})
		return false
	}
	if host, known := g.routes[member]; known {
		return host == from
	}
	if g.trusts(from) {
		return g.route(member, from)
	}
	if g.host.admissible(g.id, from) && g.askWhoAt.Reached(g.host.now) {
		g.askWhoAt = g.host.now.Add(askWhoAfter)
		for _, host := range g.known() {
			g.host.frames.add(host, packet{kind: packetWho, group: g.id, from: g.member, to: member})
		}
	}
	return false
}

// route notes where a member is that is not in the list yet.
func (g *group) route(member uint64, host string) bool {
	if len(g.routes) >= 2*SeatsMax {
		return false
	}
	g.routes[member] = host
	return true
}

// known are the hosts that could vouch for somebody.
func (g *group) known() []string {
	var all []string
	seen := map[string]bool{g.host.config.Host: true}
	add := func(host string) {
		if !seen[host] {
			seen[host] = true
			all = append(all, host)
		}
	}
	for _, m := range g.image.members.all {
		add(m.Host)
	}
	for _, member := range slices.Sorted(maps.Keys(g.routes)) {
		add(g.routes[member])
	}
	return all
}

// vouch answers who a member is.
func (g *group) vouch(from string, p packet) {
	if m := g.image.members.find(p.to); m != nil {
		g.host.frames.add(from, packet{kind: packetIs, group: g.id, from: m.ID, to: p.from, body: []byte(m.Host)})
	}
}

// vouched believes a member's host about another member.
func (g *group) vouched(from string, p packet) {
	host := string(p.body)
	if p.to != g.member || p.from < g.image.members.next || !g.trusts(from) || id.CheckName(host) != nil || !g.host.admissible(g.id, host) {
		return
	}
	if _, known := g.routes[p.from]; !known {
		g.route(p.from, host)
	}
}

// accepts reports whether an invitation is good: into a group that is not here, by
// whoever may be in it, and in place of a member that is here, by whom that member
// trusts.
func (s *Groups) accepts(from string, p packet, g *group) bool {
	if !s.admissible(p.group, from) {
		return false
	}
	if g == nil {
		return len(s.order) < GroupsMax
	}
	return g.member < p.to && g.trusts(from)
}
