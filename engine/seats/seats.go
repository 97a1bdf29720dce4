package seats

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Times.
const (
	// DeadFor is how long a host is dead before its seat goes to another: longer
	// than a restart, an upgrade of the system or a look at a cable takes, since
	// what moves has to be copied.
	DeadFor = 10 * time.Minute
	// LearnAway is how long a change waits for a new host that went away before it
	// was up to date, and LearnFor for one that lives and does not get there. The
	// latter is not tried again for as long.
	LearnAway = time.Minute
	LearnFor  = 10 * time.Minute
	// ActiveFor is how long a member counts as well after the leader heard it: the
	// leader forgets that by itself each election.
	ActiveFor = 5 * time.Second
	// RetryAfter is when something that was refused is asked for again, and
	// AnswerFor when it is as if nobody will answer any more.
	RetryAfter = time.Second
	AnswerFor  = time.Minute
)

// Sizes of groups.
const (
	// VotersMax is how many vote in a group: two may be lost, and a write waits for
	// no more than three disks.
	VotersMax = 5
	// AloneMax is how many hosts of a fleet's only site vote in the group fleet.
	AloneMax = 3
	// CaughtUp is how many entries a member may be behind and count as caught up.
	CaughtUp = 64
)

// Fleet is the group of the fleet's facts.
const Fleet replica.GroupID = "fleet"

// SitePrefix begins the names of sites' groups.
const SitePrefix = "site/"

// OfSite names the group of a site.
func OfSite(site string) replica.GroupID { return replica.GroupID(SitePrefix + site) }

// Site is a site of the spec.
type Site struct {
	Name    string
	Witness bool // its hosts vote for the fleet and do nothing else
	Hosts   []string
}

// Host is what is known of a host.
type Host struct {
	Name string
	// Joined says that it has a place in the fleet: it came with a token, and was
	// neither removed nor asked to leave.
	Joined bool
	State  member.State // as seen from here; of this host it does not matter
	Since  instant.Instant
}

// Origin says who founds a group, and whether that was done. Those of sites are
// facts of the fleet; the fleet's own is known to its first host only.
type Origin struct {
	Group   replica.GroupID
	Host    string
	Founded bool
}

// View is all that is decided from.
type View struct {
	Sites   []Site
	Hosts   []Host                // also those of the fleet that the spec does not name
	Groups  []replica.GroupStatus // of this host
	Origins []Origin
}

// Event is what a Seats is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// Look is how everything is now. It is not changed afterwards.
	Look struct{ View View }
	// Ended says what came of a Create, Change or Transfer; no reason: it was done.
	Ended struct {
		Group  replica.GroupID
		Reason replica.Reason
		Detail string
	}
	// Shutdown says that this agent is about to stop.
	Shutdown struct{}
	// Wake says that the deadline came.
	Wake struct{}
)

func (Look) event()     {}
func (Ended) event()    {}
func (Shutdown) event() {}
func (Wake) event()     {}

// Create founds a group on this host.
type Create struct {
	Group replica.GroupID
	Seats []replica.Seat
}

// Change gives a group that this host leads other seats.
type Change struct {
	Group replica.GroupID
	Seats []replica.Seat
}

// Transfer hands the lead of a group to another host.
type Transfer struct {
	Group replica.GroupID
	To    string
}

// Name makes it a fact that a host founds a group, if the fact is still that Was
// does; empty: if there is none.
type Name struct {
	Group replica.GroupID
	Host  string
	Was   string
}

// Found makes it a fact that this host founded a group, if the fact is that it is
// to.
type Found struct{ Group replica.GroupID }

// Effects are what a Seats asks for.
type Effects struct {
	Creates   []Create
	Changes   []Change
	Transfers []Transfer
	Names     []Name
	Founds    []Found
}

// Reset empties the effects and keeps their memory.
func (e *Effects) Reset() {
	e.Creates, e.Changes, e.Transfers = e.Creates[:0], e.Changes[:0], e.Transfers[:0]
	e.Names, e.Founds = e.Names[:0], e.Founds[:0]
}

// Seats decides for one host.
type Seats struct {
	self    string
	view    View
	looked  bool
	stopped bool

	pending map[replica.GroupID]pending
	written map[replica.GroupID]instant.Instant            // when a fact about a group was asked for
	heard   map[replica.GroupID]map[uint64]instant.Instant // when members were active last
	late    map[replica.GroupID]map[string]instant.Instant // since when hosts have been learning
	benched map[string]instant.Instant                     // until when hosts are not tried again
	plans   []Plan
	due     instant.Instant
}

// pending is something that was asked for.
type pending struct {
	at      instant.Instant
	open    bool // it is not answered
	done    bool // it was, and the next Look shows it
	refused Trouble
}

// New returns the seats of one host.
func New(self string) *Seats {
	return &Seats{
		self: self, pending: map[replica.GroupID]pending{}, written: map[replica.GroupID]instant.Instant{}, heard: map[replica.GroupID]map[uint64]instant.Instant{},
		late: map[replica.GroupID]map[string]instant.Instant{}, benched: map[string]instant.Instant{}, due: instant.Never,
	}
}

// Deadline is when it wants Wake.
func (s *Seats) Deadline() instant.Instant { return s.due }

// Step advances by one event and adds what must be done to out.
func (s *Seats) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case Look:
		s.view, s.looked = ev.View, true
		for group, p := range s.pending {
			if p.done {
				delete(s.pending, group)
			}
		}
	case Ended:
		p := pending{at: now, done: ev.Reason == "" || ev.Reason == replica.ReasonExists}
		if !p.done {
			p.refused = Trouble{ReasonRefused, strings.TrimSpace(ev.Reason.Sentence() + " " + ev.Detail)}
		}
		s.pending[ev.Group] = p
	case Shutdown:
		s.stopped, s.due = true, instant.Never
		s.handOver(now, out)
	case Wake:
	}
	if s.looked && !s.stopped {
		s.decide(now, out)
	}
}

func (s *Seats) decide(now instant.Instant, out *Effects) {
	s.due = instant.Never
	s.plans = s.plans[:0]
	p := s.picture(now)
	s.found(p, out)
	for i := range s.view.Groups {
		g := &s.view.Groups[i]
		if g.Leads {
			s.lead(p, g, out)
		}
	}
	s.forget()
	slices.SortFunc(s.plans, func(a, b Plan) int { return strings.Compare(string(a.Group), string(b.Group)) })
}

// handOver gives every lead to whoever stays.
func (s *Seats) handOver(now instant.Instant, out *Effects) {
	p := s.picture(now)
	for i := range s.view.Groups {
		g := &s.view.Groups[i]
		if !g.Leads {
			continue
		}
		heir, match := "", uint64(0)
		for _, m := range g.Members {
			if m.Host == s.self || m.Role != replica.Voter || m.Goal != replica.Voter || m.Witness || !s.well(p, g, m) {
				continue
			}
			if heir == "" || m.Match > match {
				heir, match = m.Host, m.Match
			}
		}
		if heir != "" {
			out.Transfers = append(out.Transfers, Transfer{g.Group, heir})
		}
	}
}

// may reports whether something may be asked for of a group now.
func (s *Seats) may(now instant.Instant, group replica.GroupID) bool {
	p, ok := s.pending[group]
	if !ok {
		return true
	}
	after := RetryAfter
	switch {
	case p.done:
		return false
	case p.open:
		after = AnswerFor
	}
	if at := p.at.Add(after); !at.Reached(now) {
		s.due = min(s.due, at)
		return false
	}
	return true
}

func (s *Seats) ask(now instant.Instant, group replica.GroupID) {
	s.pending[group] = pending{at: now, open: true}
	s.due = min(s.due, now.Add(AnswerFor))
}

// write reports whether a fact about a group is to be asked for, and notes it. It is
// not answered: the next Look shows it, or it is asked for again.
func (s *Seats) write(now instant.Instant, group replica.GroupID) bool {
	at, before := s.written[group]
	if again := at.Add(RetryAfter); before && !again.Reached(now) {
		s.due = min(s.due, again)
		return false
	}
	s.written[group] = now
	s.due = min(s.due, now.Add(RetryAfter))
	return true
}

// forget drops what is known of groups that are not here any more.
func (s *Seats) forget() {
	for group := range s.heard {
		if i := slices.IndexFunc(s.view.Groups, func(g replica.GroupStatus) bool { return g.Group == group && g.Leads }); i < 0 {
			delete(s.heard, group)
			delete(s.late, group)
		}
	}
}

// Plan is what is intended for a group that this host leads, or is to found.
type Plan struct {
	Group    replica.GroupID
	Seats    []replica.Seat // as they shall be, by host
	Troubles []Trouble
}

// Trouble is what stands in the way, or what a group cannot survive.
type Trouble struct {
	Reason Reason
	Detail string // the host or site that it is about
}

// Status returns a copy of the plans, by group.
func (s *Seats) Status() []Plan {
	all := slices.Clone(s.plans)
	for i := range all {
		all[i].Seats, all[i].Troubles = slices.Clone(all[i].Seats), slices.Clone(all[i].Troubles)
	}
	return all
}
