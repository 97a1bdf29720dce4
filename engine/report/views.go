package report

import (
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// What a host says once a second whether or not it is another thing than before. As
// before is said by nothing: a message without fields.
const (
	membersSelf      = 1
	membersSite      = 2
	membersGateway   = 3
	membersIsolation = 4
	membersLink      = 5

	linkSite   = 1
	linkState  = 2
	linkReason = 3
	linkVia    = 4

	groupsGeneration = 1
	groupsSegments   = 2
	groupsMute       = 3
	groupsGroup      = 4

	groupName    = 1
	groupMember  = 2
	groupLeads   = 3
	groupLeader  = 4
	groupTerm    = 5
	groupApplied = 6
	groupLast    = 7
	groupWitness = 8
	groupReason  = 9
	groupDetail  = 10
	groupWaiting = 11
	groupJoint   = 12
	groupOne     = 13

	oneID      = 1
	oneHost    = 2
	oneJournal = 3
	oneRole    = 4
	oneGoal    = 5
	oneWitness = 6
	oneMatch   = 7
	oneActive  = 8
	oneWhole   = 9
)

const (
	// linksMax is how many sites a host sees, groupsMax how many groups it is in, and
	// onesMax how many members one has.
	linksMax  = 1 << 10
	groupsMax = 1 << 10
	onesMax   = 1 << 6
)

// unlessSame leaves out what was said last in the same words. b begins at the
// message's kind.
func unlessSame(b []byte, start int, last *string) []byte {
	if said := string(b[start:]); said != *last {
		*last = said
		return b
	}
	return b[:start]
}

// appendMembers appends how a host sees the other sites. Of the hosts of a fleet it says nothing
// here: a picture takes that from its own host.
func appendMembers(b []byte, s *member.Status) []byte {
	b = wire.AppendBytes(b, membersSelf, cut(s.Self.Name, nameMax))
	b = wire.AppendBytes(b, membersSite, cut(s.Self.Site, nameMax))
	b = wire.AppendYes(b, membersGateway, s.Gateway)
	b = wire.AppendBytes(b, membersIsolation, cut(string(s.Isolation), nameMax))
	for i := range s.Sites[:min(len(s.Sites), linksMax)] {
		x := &s.Sites[i]
		var mark int
		b, mark = wire.Begin(b, membersLink)
		b = wire.AppendBytes(b, linkSite, cut(x.Site, nameMax))
		b = wire.AppendBytes(b, linkState, cut(string(x.State), nameMax))
		b = wire.AppendBytes(b, linkReason, cut(string(x.Reason), nameMax))
		b = wire.AppendBytes(b, linkVia, cut(x.Via, nameMax))
		b = wire.End(b, mark)
	}
	return b
}

func (d *Decoder) readMembers(f *wire.Fields) Message {
	var s member.Status
	any := false
	for f.Next() {
		any = true
		switch f.Field() {
		case membersSelf:
			s.Self.Name = f.Text(nameMax)
		case membersSite:
			s.Self.Site = f.Text(nameMax)
		case membersGateway:
			s.Gateway = f.Yes()
		case membersIsolation:
			s.Isolation = member.Isolation(f.Text(nameMax))
		case membersLink:
			if len(s.Sites) == linksMax {
				f.Fail("too many sites")
				break
			}
			s.Sites = append(s.Sites, readLink(f))
		}
	}
	if any && f.Err() == nil {
		d.members = s
	}
	return Links{fleet.Members{Status: d.members}}
}

func readLink(f *wire.Fields) member.SiteStatus {
	var x member.SiteStatus
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case linkSite:
			x.Site = g.Text(nameMax)
		case linkState:
			x.State = member.State(g.Text(nameMax))
		case linkReason:
			x.Reason = member.Reason(g.Text(nameMax))
		case linkVia:
			x.Via = g.Text(nameMax)
		}
	}
	f.Check(g.Err())
	return x
}

func appendGroups(b []byte, s *replica.Status) []byte {
	b = wire.AppendNumber(b, groupsGeneration, s.Generation)
	b = wire.AppendNumber(b, groupsSegments, s.Segments)
	b = wire.AppendBytes(b, groupsMute, cut(string(s.Mute), nameMax))
	for i := range s.Groups[:min(len(s.Groups), groupsMax)] {
		x := &s.Groups[i]
		var mark int
		b, mark = wire.Begin(b, groupsGroup)
		b = wire.AppendBytes(b, groupName, cut(string(x.Group), sentenceMax))
		b = appendChange(b, groupMember, 0, x.Member)
		b = appendIf(b, groupLeads, x.Leads)
		b = wire.AppendBytes(b, groupLeader, cut(x.Leader, nameMax))
		b = appendChange(b, groupTerm, 0, x.Term)
		b = appendChange(b, groupApplied, 0, x.Applied)
		b = appendChange(b, groupLast, 0, x.Last)
		b = appendIf(b, groupWitness, x.Witness)
		b = appendWord(b, groupReason, "", x.Reason, nameMax)
		b = appendWord(b, groupDetail, "", x.Detail, sentenceMax)
		b = appendChange(b, groupWaiting, 0, counted(x.Waiting))
		b = appendIf(b, groupJoint, x.Joint)
		for j := range x.Members[:min(len(x.Members), onesMax)] {
			b = appendOne(b, &x.Members[j])
		}
		b = wire.End(b, mark)
	}
	return b
}

// appendIf appends a field that is yes; one that is absent is no.
func appendIf(b []byte, field int, yes bool) []byte {
	if !yes {
		return b
	}
	return wire.AppendYes(b, field, true)
}

func appendOne(b []byte, m *replica.MemberStatus) []byte {
	b, mark := wire.Begin(b, groupOne)
	b = appendChange(b, oneID, 0, m.ID)
	b = wire.AppendBytes(b, oneHost, cut(m.Host, nameMax))
	b = appendChange(b, oneJournal, 0, m.Journal)
	b = appendChange(b, oneRole, 0, uint64(m.Role))
	b = appendChange(b, oneGoal, 0, uint64(m.Goal))
	b = appendIf(b, oneWitness, m.Witness)
	b = appendChange(b, oneMatch, 0, m.Match)
	b = appendIf(b, oneActive, m.Active)
	b = appendIf(b, oneWhole, m.Whole)
	return wire.End(b, mark)
}

func (d *Decoder) readGroups(f *wire.Fields) Message {
	var s replica.Status
	any := false
	for f.Next() {
		any = true
		switch f.Field() {
		case groupsGeneration:
			s.Generation = f.Number()
		case groupsSegments:
			s.Segments = f.Number()
		case groupsMute:
			s.Mute = replica.Reason(f.Text(nameMax))
		case groupsGroup:
			if len(s.Groups) == groupsMax {
				f.Fail("too many groups")
				break
			}
			s.Groups = append(s.Groups, readGroup(f))
		}
	}
	if any && f.Err() == nil {
		d.groups = s
	}
	return Replicas{fleet.Groups{Status: d.groups}}
}

func readGroup(f *wire.Fields) replica.GroupStatus {
	var x replica.GroupStatus
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case groupName:
			x.Group = replica.GroupID(g.Text(sentenceMax))
		case groupMember:
			x.Member = g.Number()
		case groupLeads:
			x.Leads = g.Yes()
		case groupLeader:
			x.Leader = g.Text(nameMax)
		case groupTerm:
			x.Term = g.Number()
		case groupApplied:
			x.Applied = g.Number()
		case groupLast:
			x.Last = g.Number()
		case groupWitness:
			x.Witness = g.Yes()
		case groupReason:
			x.Reason = replica.Reason(g.Text(nameMax))
		case groupDetail:
			x.Detail = g.Text(sentenceMax)
		case groupWaiting:
			x.Waiting = g.Count(countMax)
		case groupJoint:
			x.Joint = g.Yes()
		case groupOne:
			if len(x.Members) == onesMax {
				g.Fail("too many members")
				break
			}
			x.Members = append(x.Members, readOne(&g))
		}
	}
	f.Check(g.Err())
	return x
}

func readOne(f *wire.Fields) replica.MemberStatus {
	var m replica.MemberStatus
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case oneID:
			m.ID = g.Number()
		case oneHost:
			m.Host = g.Text(nameMax)
		case oneJournal:
			m.Journal = g.Number()
		case oneRole:
			m.Role = replica.Role(g.Count(1<<8 - 1))
		case oneGoal:
			m.Goal = replica.Role(g.Count(1<<8 - 1))
		case oneWitness:
			m.Witness = g.Yes()
		case oneMatch:
			m.Match = g.Number()
		case oneActive:
			m.Active = g.Yes()
		case oneWhole:
			m.Whole = g.Yes()
		}
	}
	f.Check(g.Err())
	return m
}
