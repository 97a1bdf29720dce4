package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Status is a host's replicas, for the picture.
type Status struct {
	Host       string
	Generation uint64 // of the journal
	Segments   uint64 // of the journal that are still needed
	Mute       Reason // why the host takes part in nothing; empty: it does
	Groups     []GroupStatus
}

// GroupStatus is one of them.
type GroupStatus struct {
	Group   GroupID
	Member  uint64
	Leads   bool
	Leader  string // its host; empty: unknown
	Term    uint64
	Applied uint64
	Last    uint64 // the last entry here, durable or about to be
	Witness bool
	Reason  Reason // why it takes no part: lost, halted, removed
	Detail  string
	Waiting int // requests
	Joint   bool
	Members []MemberStatus
}

// MemberStatus is a member as this one sees it. The rest is known to the leader
// only.
type MemberStatus struct {
	Member
	Match  uint64 // how far it is durable there
	Active bool   // heard lately
	Whole  bool   // needs no snapshot
}

// Status returns a copy of the replicas' state.
func (s *Groups) Status() Status {
	st := Status{Host: s.config.Host, Generation: s.writer.tail.Generation, Mute: s.writer.mute}
	if s.writer.tail.Segment > 0 {
		st.Segments = s.writer.tail.Segment - s.oldest() + 1
	}
	for _, g := range s.order {
		st.Groups = append(st.Groups, g.status())
	}
	return st
}

func (g *group) status() GroupStatus {
	st := GroupStatus{
		Group: g.id, Member: g.member, Leads: g.leads(), Term: g.clock.term, Applied: g.applied, Last: g.last, Witness: g.witness,
		Waiting: len(g.requests.proposals) + len(g.requests.reads), Joint: g.joint(),
	}
	switch {
	case g.halted != "":
		st.Reason, st.Detail = ReasonHalted, g.halted
	case g.gone:
		st.Reason = ReasonRemoved
	case g.lost:
		st.Reason = ReasonLost
	default:
		st.Leader = g.leaderHost()
	}
	for _, m := range g.image.members.all {
		st.Members = append(st.Members, MemberStatus{Member: m})
	}
	if !st.Leads {
		return st
	}
	g.raft.WithProgress(func(member uint64, _ raft.ProgressType, p tracker.Progress) {
		for i := range st.Members {
			if m := &st.Members[i]; m.ID == member {
				m.Match, m.Active, m.Whole = p.Match, p.RecentActive, p.State != tracker.StateSnapshot
			}
		}
	})
	return st
}

// Machine returns a group's machine for reading what need not be the newest, and
// nil where there is none. It belongs to the loop that steps the replicas.
func (s *Groups) Machine(name GroupID) Machine {
	if g := s.group(name); g != nil && g.active() {
		return g.machine
	}
	return nil
}

// Leader is the host that leads a group, as far as this one knows, and the empty
// string when it does not.
func (s *Groups) Leader(name GroupID) string {
	if g := s.group(name); g != nil && g.active() {
		return g.leaderHost()
	}
	return ""
}
