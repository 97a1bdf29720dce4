package seats

import (
	"cmp"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// lead looks after a group that this host leads.
func (s *Seats) lead(p *picture, g *replica.GroupStatus, out *Effects) {
	if g.Group != Fleet && !strings.HasPrefix(string(g.Group), SitePrefix) {
		return // somebody else decides about it
	}
	if o := s.origin(g.Group); o != nil && !o.Founded {
		return
	}
	s.hear(p, g)
	late := s.learners(p, g)
	thin := s.thin(p, g)
	if g.Joint || !settled(g) && len(late) == 0 {
		troubles := thin
		for _, m := range g.Members {
			if m.Role == replica.Learner && m.Goal == replica.Voter {
				troubles = append(troubles, Trouble{ReasonJoining, m.Host})
			}
		}
		s.plan(g.Group, byHost(aims(g)), troubles...)
		return
	}
	held := s.held(g, late)
	s.watch(p, held)
	places, troubles := p.placesOf(g.Group, held)
	if !slices.ContainsFunc(places, func(at place) bool { return at.want > 0 }) {
		if len(troubles) == 0 {
			troubles = []Trouble{{Reason: ReasonNoHost}}
		}
		s.plan(g.Group, byHost(aims(g)), append(troubles, thin...)...)
		return
	}
	next, more := p.fill(held, places, s.tried(p), s.order(p, g))
	troubles = append(append(troubles, thin...), more...)
	if len(next) == 1 {
		troubles = append(troubles, Trouble{ReasonOneVoter, next[0].Host})
	}
	if !s.safe(p, g, next) {
		for _, h := range held {
			if !slices.ContainsFunc(next, func(n replica.Seat) bool { return n.Host == h.Host }) {
				troubles = append(troubles, Trouble{ReasonKept, h.Host})
			}
		}
		// A change that waits for somebody who is late ends all the same.
		next = next[:0]
		for _, h := range held {
			next = append(next, h.Seat)
		}
	}
	if was := s.pending[g.Group]; was.refused.Reason != "" {
		troubles = append(troubles, was.refused)
	}
	next = byHost(next)
	s.plan(g.Group, next, troubles...)
	if !slices.Equal(next, byHost(aims(g))) && s.may(p.now, g.Group) {
		s.ask(p.now, g.Group)
		out.Changes = append(out.Changes, Change{g.Group, next})
	}
}

// A holder is a seat that is taken.
type holder struct {
	replica.Seat
	learns bool // it does not vote yet
}

// held lists who votes and who is on the way to it, but for those who take too
// long.
func (s *Seats) held(g *replica.GroupStatus, late map[string]bool) []holder {
	var held []holder
	for _, m := range g.Members {
		learns := m.Role == replica.Learner
		if m.Role == replica.Leaving || learns && (m.Goal != replica.Voter || late[m.Host]) {
			continue
		}
		if i := slices.IndexFunc(held, func(h holder) bool { return h.Host == m.Host }); i >= 0 {
			held[i].learns = held[i].learns && learns
			continue
		}
		held = append(held, holder{replica.Seat{Host: m.Host, Witness: m.Witness}, learns})
	}
	return held
}

// learners follows those who are to vote and are not up to date yet, and returns
// those for whom a change must not wait any more: they take too long, or may not
// have a seat after all.
func (s *Seats) learners(p *picture, g *replica.GroupStatus) map[string]bool {
	since := s.late[g.Group]
	if since == nil {
		since = map[string]instant.Instant{}
		s.late[g.Group] = since
	}
	learns, late := map[string]bool{}, map[string]bool{}
	for _, m := range g.Members {
		if m.Role != replica.Learner || m.Goal != replica.Voter {
			continue
		}
		learns[m.Host] = true
		if _, ok := since[m.Host]; !ok {
			since[m.Host] = p.now
		}
		wait := since[m.Host].Add(LearnFor)
		if !p.alive(m.Host) {
			wait = since[m.Host].Add(LearnAway)
		}
		switch {
		case !p.hosts[m.Host].Joined:
			late[m.Host] = true
		case wait.Reached(p.now):
			late[m.Host] = true
			if p.alive(m.Host) {
				s.benched[m.Host] = p.now.Add(LearnFor)
			}
		default:
			s.due = min(s.due, wait)
		}
	}
	for host := range since {
		if !learns[host] {
			delete(since, host)
		}
	}
	return late
}

// tried reports about hosts that did not manage to join lately.
func (s *Seats) tried(p *picture) func(string) bool {
	for host, until := range s.benched {
		if until.Reached(p.now) {
			delete(s.benched, host)
			continue
		}
		s.due = min(s.due, until)
	}
	return func(host string) bool { _, ok := s.benched[host]; return ok }
}

// order says which of two holders is kept first: the one that is well, and the
// leader among those.
func (s *Seats) order(p *picture, g *replica.GroupStatus) func(a, b holder) int {
	rank := func(seat holder) int {
		switch i := slices.IndexFunc(g.Members, func(m replica.MemberStatus) bool { return m.Host == seat.Host }); {
		case seat.Host == s.self:
			return 0
		case i >= 0 && !seat.learns && s.well(p, g, g.Members[i]):
			return 1
		case p.alive(seat.Host) && !seat.learns:
			return 2
		}
		return 3
	}
	return func(a, b holder) int { return cmp.Compare(rank(a), rank(b)) }
}

// safe reports whether a group with these seats could do its work: a majority is
// alive and has caught up, and one of it has the data. Who joins need only be
// alive: it votes when it has caught up, and not before.
func (s *Seats) safe(p *picture, g *replica.GroupStatus, next []replica.Seat) bool {
	well, data := 0, 0
	for _, seat := range next {
		ok, known := false, false
		for _, m := range g.Members {
			if m.Host == seat.Host && m.Role != replica.Learner {
				known = true
				ok = ok || s.well(p, g, m)
			}
		}
		if ok || !known && p.alive(seat.Host) {
			well++
			if !seat.Witness {
				data++
			}
		}
	}
	return data > 0 && well >= majority(len(next))
}

// thin says whom a group misses that cannot miss anybody more.
func (s *Seats) thin(p *picture, g *replica.GroupStatus) []Trouble {
	voters, well, away := 0, 0, []Trouble(nil)
	for _, m := range g.Members {
		if m.Role == replica.Learner {
			continue
		}
		voters++
		if s.well(p, g, m) {
			well++
		} else {
			away = append(away, Trouble{ReasonThin, m.Host})
		}
	}
	if well > majority(voters) {
		return nil
	}
	return away
}

// watch makes sure that somebody looks again when a dead host's time is over.
func (s *Seats) watch(p *picture, held []holder) {
	for _, seat := range held {
		if at := p.dead(seat.Host); !at.Reached(p.now) {
			s.due = min(s.due, at)
		}
	}
}

// aims lists the seats that a group is on its way to.
func aims(g *replica.GroupStatus) []replica.Seat {
	var seats []replica.Seat
	for _, m := range g.Members {
		if m.Goal == replica.Voter && m.Role != replica.Leaving {
			seats = append(seats, replica.Seat{Host: m.Host, Witness: m.Witness})
		}
	}
	return seats
}

// settled reports whether everybody is what they are to be.
func settled(g *replica.GroupStatus) bool {
	return !slices.ContainsFunc(g.Members, func(m replica.MemberStatus) bool { return m.Role != m.Goal })
}

// byHost puts seats in order.
func byHost(seats []replica.Seat) []replica.Seat {
	slices.SortFunc(seats, func(a, b replica.Seat) int { return cmp.Compare(a.Host, b.Host) })
	return seats
}
