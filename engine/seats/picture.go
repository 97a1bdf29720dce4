package seats

import (
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// picture is a view with what is looked up in it.
type picture struct {
	now   instant.Instant
	self  string
	hosts map[string]Host
	sites []place // all of the spec's, nobody wanted yet
}

// A place is where a group may have seats: some hosts of one site.
type place struct {
	site    string
	witness bool
	want    int      // how many of them are to have one
	hosts   []string // those that may, in the spec's order
}

func (s *Seats) picture(now instant.Instant) *picture {
	p := &picture{now: now, self: s.self, hosts: make(map[string]Host, len(s.view.Hosts))}
	for _, h := range s.view.Hosts {
		p.hosts[h.Name] = h
	}
	for _, site := range s.view.Sites {
		at := place{site: site.Name, witness: site.Witness}
		for _, h := range site.Hosts {
			if p.hosts[h].Joined {
				at.hosts = append(at.hosts, h)
			}
		}
		p.sites = append(p.sites, at)
	}
	return p
}

// alive reports whether a host may be given something to do.
func (p *picture) alive(host string) bool {
	return host == p.self || p.hosts[host].State == member.StateAlive
}

// dead is when a host has been dead for so long that its seat is another's.
func (p *picture) dead(host string) instant.Instant {
	h := p.hosts[host]
	if host == p.self || h.State != member.StateDead {
		return instant.Never
	}
	return h.Since.Add(DeadFor)
}

// well reports whether a member is alive and has caught up, as the leader sees it.
func (s *Seats) well(p *picture, g *replica.GroupStatus, m replica.MemberStatus) bool {
	if m.Host == p.self {
		return m.ID == g.Member
	}
	heard, ever := s.heard[g.Group][m.ID]
	return p.alive(m.Host) && (m.Active || ever && !heard.Add(ActiveFor).Reached(p.now)) && m.Match+CaughtUp >= g.Last
}

// hear notes which members are active.
func (s *Seats) hear(p *picture, g *replica.GroupStatus) {
	heard := s.heard[g.Group]
	if heard == nil {
		heard = map[uint64]instant.Instant{}
		s.heard[g.Group] = heard
	}
	here := map[uint64]bool{}
	for _, m := range g.Members {
		here[m.ID] = true
		if m.Active {
			heard[m.ID] = p.now
		}
	}
	for id := range heard {
		if !here[id] {
			delete(heard, id)
		}
	}
}

// Needed returns the groups which this host leads and which would stop if another
// went now: too few of their voters would be left.
func (s *Seats) Needed(now instant.Instant, host string) []replica.GroupID {
	p := s.picture(now)
	var groups []replica.GroupID
	for i := range s.view.Groups {
		g := &s.view.Groups[i]
		if !g.Leads {
			continue
		}
		voters, left, has := 0, 0, false
		for _, m := range g.Members {
			if m.Role == replica.Learner {
				continue
			}
			voters++
			if m.Host == host {
				has = true
			} else if s.well(p, g, m) {
				left++
			}
		}
		if has && left < majority(voters) {
			groups = append(groups, g.Group)
		}
	}
	return groups
}

func majority(voters int) int { return voters/2 + 1 }
