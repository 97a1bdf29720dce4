package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// caughtUp is how many entries a member may be behind and count as caught up.
const caughtUp = 64

// changeFor is how long an answer to Change and Transfer is waited for, in
// elections.
const changeFor = 10

// moves are what changes in who takes part and who leads.
type moves struct {
	change   uint64 // the request that waits for its first entry; 0: none
	changeAt instant.Instant
	changes  bool // there is one, whoever asked

	transfer   uint64
	transferAt instant.Instant
	transferTo uint64
	transfers  bool

	noticeAt  instant.Instant            // of a lost member
	snapshots map[uint64]instant.Instant // when each member was sent one
}

func (m *moves) due() instant.Instant {
	due := instant.Never
	if m.transfers {
		due = m.transferAt
	}
	if m.changes {
		due = min(due, m.changeAt)
	}
	return due
}

func lostRecord(g *group) []journal.Record {
	return []journal.Record{journal.Base{Group: string(g.id), Member: g.member, Lost: true, Data: g.imageBytes()}}
}

func goneRecord(g *group) []journal.Record {
	return []journal.Record{journal.Gone{Group: string(g.id)}}
}

// elected is called when this member began to lead.
func (g *group) elected() {
	g.moves.snapshots = map[uint64]instant.Instant{}
	g.host.note(g.id, ReasonLeads, "term %d", g.clock.term)
	g.hurry()
}

// deposed is called when it leads no more.
func (g *group) deposed() {
	g.moves.snapshots = nil
	if g.moves.changes {
		g.endChange(ReasonUnknown)
	}
	g.hurry()
}

// afterRestore is called when a snapshot became the group's state. What of ours
// is in it cannot be told from its entries any more.
func (g *group) afterRestore() {
	q := &g.requests
	rest := q.proposals[:0]
	for _, p := range q.proposals {
		if g.image.sessions.has(g.host.config.Boot, p.seq) {
			g.answerProposal(p, Answer{Reason: ReasonUnknown})
			continue
		}
		rest = append(rest, p)
	}
	q.proposals = rest
	g.host.applied(g.id)
	g.host.moved(g.id)
}

// change takes a new list of seats in. New members come first, as learners; once
// all that are to vote have caught up, one joint change makes them vote and lets
// go who is to leave. So the group never has fewer good copies on the way. Until
// then another list may take its place, or a new host that never gets there would
// stop all changes.
func (g *group) change(ev Change) {
	no := func(why Reason, detail string) {
		g.host.answer(Answer{Request: ev.Request, Reason: why, Detail: detail, Leader: g.leaderHost()})
	}
	switch {
	case !g.leads():
		no(ReasonNotLeader, "")
		return
	case !checkSeats(ev.Seats):
		no(ReasonSeats, "")
		return
	case g.moves.changes || g.joint():
		no(ReasonChangePending, "")
		return
	}
	next := g.image.members.clone()
	keep := map[uint64]bool{}
	for _, seat := range ev.Seats {
		m := next.staying(seat.Host)
		if m != nil {
			if m.Witness != seat.Witness {
				// It would need a new member on the same host, which would end the old
				// one before the new one counts.
				no(ReasonKind, seat.Host)
				return
			}
			m.Goal = seat.role()
			keep[m.ID] = true
			continue
		}
		generation, known := g.host.heard[seat.Host]
		if seat.Host == g.host.config.Host {
			generation, known = g.host.writer.tail.Generation, true
		}
		if !known {
			g.host.frames.add(seat.Host, packet{kind: packetHello})
			no(ReasonUnheard, seat.Host)
			return
		}
		x := next.add(seat.Host, generation, seat.role(), seat.Witness)
		keep[x.ID] = true
	}
	// A learner never counted for anything: it need not wait for anybody.
	next.all = slices.DeleteFunc(next.all, func(m Member) bool { return !keep[m.ID] && m.Role == Learner })
	for i := range next.all {
		if m := &next.all[i]; !keep[m.ID] {
			m.Goal = None
		}
	}
	if len(next.all) > 2*SeatsMax {
		no(ReasonChangePending, "")
		return
	}
	if slices.Equal(next.all, g.image.members.all) {
		g.host.answer(Answer{Request: ev.Request})
		return
	}
	if !g.proposeChange(next) {
		no(ReasonChangePending, "")
		return
	}
	g.moves.change = ev.Request
	g.moves.changeAt = g.host.now.Add(changeFor * g.timing.Election)
}

// refill makes a new member for a host that lost its memory of another.
func (g *group) refill(from string, member uint64) {
	m := g.image.members.find(member)
	if m == nil || m.Host != from || m.Role == Leaving || m.Goal == None || g.moves.changes || g.joint() || m.ID == g.member {
		return
	}
	next := g.image.members.clone()
	was := *m
	next.find(member).Goal = None
	if was.Role == Learner {
		next.drop(member) // it never counted for anything
	}
	if len(next.all) >= 2*SeatsMax {
		return
	}
	x := next.add(from, g.host.heard[from], was.Goal, was.Witness)
	if g.proposeChange(next) {
		g.host.note(g.id, ReasonRefill, "member %d on %s becomes member %d", member, from, x.ID)
	}
	g.touch()
}

func (g *group) joint() bool { return len(g.conf.GetVotersOutgoing()) > 0 }

// proposeChange proposes the list as it shall be next: what differs from now in
// who there is, and in roles, becomes raft's change; goals are for later.
func (g *group) proposeChange(next members) bool {
	cc := &pb.ConfChangeV2{}
	add := func(kind pb.ConfChangeType, member uint64) {
		cc.Changes = append(cc.Changes, &pb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(member)})
	}
	now := g.image.members
	for _, m := range next.all {
		was := now.find(m.ID)
		switch {
		case m.Role == Leaving && was.Role != Leaving:
			add(pb.ConfChangeRemoveNode, m.ID)
		case m.Role == Learner && (was == nil || was.Role != Learner):
			add(pb.ConfChangeAddLearnerNode, m.ID)
		case m.Role == Voter && (was == nil || was.Role != Voter):
			add(pb.ConfChangeAddNode, m.ID)
		}
	}
	for _, m := range now.all {
		if next.find(m.ID) == nil {
			add(pb.ConfChangeRemoveNode, m.ID)
		}
	}
	if len(cc.Changes) == 0 {
		// Only goals change. A learner that is one already carries the news.
		add(pb.ConfChangeUpdateNode, g.member)
	}
	cc.Context = next.append(nil)
	if g.raft.ProposeConfChange(cc) != nil {
		return false
	}
	g.moves.changes = true
	g.moves.changeAt = g.host.now.Add(changeFor * g.timing.Election)
	return true
}

// applyChange makes a change of members that is committed take effect.
func (g *group) applyChange(index uint64, cc *pb.ConfChangeV2) {
	// That the change is committed must not be forgotten, or this member would ask
	// for the votes of those who are gone once it is restarted.
	g.queued.commit = max(g.queued.commit, index)
	g.host.queue(&item{g: g, hard: g.queued, records: []journal.Record{
		journal.Vote{Group: string(g.id), Term: g.queued.term, Vote: g.queued.vote, Commit: g.queued.commit},
	}})
	leaving := cc.LeaveJoint()
	if !leaving {
		r := fieldsOf(cc.GetContext())
		next := r.members()
		if r.Err() != nil || len(next.all) == 0 {
			panic("a change of members carries none")
		}
		g.image.members = next
	}
	g.conf = g.raft.ApplyConfChange(cc)
	g.host.moved(g.id)
	if !g.joint() {
		for _, m := range g.image.members.clone().all {
			if m.Role == Leaving {
				g.image.members.drop(m.ID)
			}
		}
	}
	for member := range g.routes {
		if g.image.members.find(member) != nil {
			delete(g.routes, member)
		}
	}
	if g.moves.changes && !leaving {
		g.endChange("")
	}
}

func (g *group) endChange(why Reason) {
	if g.moves.change != 0 {
		g.host.answer(Answer{Request: g.moves.change, Reason: why})
	}
	g.moves.change, g.moves.changes = 0, false
}

// advance takes the next step towards everybody's goal, when all who are to vote
// have caught up.
func (g *group) advance() {
	if g.image.members.settled() || g.moves.changes || g.joint() || !g.current() {
		return
	}
	if g.image.members.find(g.member).Goal != Voter {
		// Whoever stays finishes it.
		if to := g.heir(); to != 0 {
			g.raft.TransferLeader(to)
			return
		}
	}
	behind := map[uint64]bool{}
	g.raft.WithProgress(func(member uint64, _ raft.ProgressType, p tracker.Progress) {
		if member != g.member && (p.State != tracker.StateReplicate || p.Match+caughtUp < g.last || !p.RecentActive) {
			behind[member] = true
		}
	})
	next := g.image.members.clone()
	for i := range next.all {
		m := &next.all[i]
		switch {
		case m.Goal == Voter && m.Role == Learner:
			if behind[m.ID] {
				return
			}
			m.Role = Voter
		case m.Goal == Learner && m.Role == Voter:
			m.Role = Learner
		case m.Goal == None && m.Role != Leaving:
			m.Role = Leaving
		}
	}
	g.proposeChange(next)
}

// heir returns the voter with data that is furthest and stays, and 0 when there is
// none.
func (g *group) heir() uint64 {
	best, match := uint64(0), uint64(0)
	g.raft.WithProgress(func(member uint64, _ raft.ProgressType, p tracker.Progress) {
		m := g.image.members.find(member)
		if m == nil || member == g.member || m.Role != Voter || m.Goal != Voter || m.Witness || !p.RecentActive {
			return
		}
		if best == 0 || p.Match > match {
			best, match = member, p.Match
		}
	})
	return best
}

// transfer hands the lead to another host.
func (g *group) transfer(ev Transfer) {
	no := func(why Reason) {
		g.host.answer(Answer{Request: ev.Request, Reason: why, Leader: g.leaderHost()})
	}
	if !g.leads() {
		no(ReasonNotLeader)
		return
	}
	m := g.image.members.on(ev.To)
	switch {
	case m == nil || m.Role != Voter || m.Witness:
		no(ReasonNotElectable)
	case m.ID == g.member:
		g.host.answer(Answer{Request: ev.Request, Leader: ev.To})
	case g.moves.transfers:
		no(ReasonBusy)
	default:
		g.moves.transfers, g.moves.transfer, g.moves.transferTo = true, ev.Request, m.ID
		g.moves.transferAt = g.host.now.Add(4 * g.timing.Election)
		g.raft.TransferLeader(m.ID)
	}
}

// checkTransfer ends a transfer that came true.
func (g *group) checkTransfer() {
	if g.moves.transfers && g.clock.lead == g.moves.transferTo {
		g.endTransfer("")
	}
}

func (g *group) endTransfer(why Reason) {
	g.host.answer(Answer{Request: g.moves.transfer, Reason: why, Leader: g.leaderHost()})
	g.moves.transfers, g.moves.transfer = false, 0
}

// expireMoves ends what took too long. What was proposed may still come.
func (g *group) expireMoves() {
	g.checkTransfer()
	if g.moves.transfers && g.moves.transferAt.Reached(g.host.now) {
		g.endTransfer(ReasonTransferFailed)
	}
	if g.moves.changes && g.moves.changeAt.Reached(g.host.now) {
		g.endChange(ReasonUnknown)
	}
}

func (g *group) failMoves(why Reason) {
	if g.moves.transfers {
		g.endTransfer(why)
	}
	if g.moves.changes {
		g.endChange(ReasonUnknown)
	}
}
