package replica

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// hear takes a frame in. Who sent it was proved by its certificate; what is in it
// is believed only as far as it can be.
func (s *Groups) hear(from string, frame []byte) {
	generation, packets, err := parseFrame(frame)
	if err != nil || from == s.config.Host {
		s.note("", ReasonRefused, "from %s: %d bytes that are no frame", from, len(frame))
		return
	}
	s.noteHost(from, generation)
	var touched []*group
	for _, p := range packets {
		g := s.group(p.group)
		switch p.kind {
		case packetHello:
			s.frames.add(from, packet{kind: packetHere})
		case packetHere: // the frame says it
		case packetLost:
			switch {
			case g == nil || !g.active():
			case g.image.members.find(p.from) == nil && p.from < g.image.members.next:
				s.frames.add(from, packet{kind: packetGone, group: g.id, to: p.from})
			case g.leads():
				g.guard(func() { g.refill(from, p.from) })
			}
		case packetGone:
			if g != nil && p.to == g.member && !g.gone && g.trusts(from) {
				g.leave(from)
			}
		case packetWho:
			if g != nil && g.active() {
				g.vouch(from, p)
			}
		case packetIs:
			if g != nil && g.active() {
				g.vouched(from, p)
			}
		case packetRaft:
			if g = s.hearRaft(from, p, g); g != nil {
				touched = append(touched, g)
			}
		default:
			s.note(p.group, ReasonRefused, "from %s: a packet of kind %d", from, p.kind)
		}
	}
	for _, g := range touched {
		if g.active() {
			g.guard(g.touch)
		}
	}
}

// hearRaft lets a group hear a message of raft, and returns it when it did.
func (s *Groups) hearRaft(from string, p packet, g *group) *group {
	m := &pb.Message{}
	if err := proto.Unmarshal(p.body, m); err != nil || m.GetFrom() != p.from || m.GetTo() != p.to || p.from == 0 || p.to == 0 {
		s.note(p.group, ReasonRefused, "from %s: a message that cannot be read or is somebody else's", from)
		return nil
	}
	if g == nil || g.member < p.to || g.lost && g.member == p.to {
		if g = s.invited(from, p, m, g); g == nil {
			return nil
		}
	}
	if g.member > p.to || !g.active() || !g.admits(from, p.from) {
		return nil
	}
	if why := g.impossible(m); why != "" {
		s.note(p.group, ReasonRefused, "from %s: %s %s", from, m.GetType(), why)
		return nil
	}
	g.guard(func() { g.hear(m) })
	return g
}

// fromLeader reports whether only a leader sends such a message.
func fromLeader(m *pb.Message) bool {
	kind := m.GetType()
	return kind == pb.MsgApp || kind == pb.MsgHeartbeat || kind == pb.MsgSnap
}

// stranger is a member that this host was spoken to as, and is not.
type stranger struct {
	group  GroupID
	member uint64
}

// invited decides what a message to a member means that is not here. A learner
// that was added for this very journal begins; anybody else is lost, and whoever
// leads makes a new member for this host.
func (s *Groups) invited(from string, p packet, m *pb.Message, g *group) *group {
	if !fromLeader(m) {
		return nil
	}
	if p.to <= s.left[p.group] {
		return nil // a frame from long ago: who left does not come back as who it was
	}
	if p.invite == s.writer.tail.Generation && s.accepts(from, p, g) {
		return s.begin(p.group, p.to, p.witness, p.from, from)
	}
	who := stranger{p.group, p.to}
	if at, known := s.asked[who]; known && s.now.Sub(at) < noticeAfter {
		return nil
	}
	if len(s.asked) >= GroupsMax {
		clear(s.asked) // it only spares frames
	}
	s.asked[who] = s.now
	s.frames.add(from, packet{kind: packetLost, group: p.group, from: p.to})
	return nil
}

// impossible says what is wrong with a message, before raft, which panics, sees
// it. Only what hosts send each other passes.
func (g *group) impossible(m *pb.Message) string {
	if m.GetType() != pb.MsgProp && m.GetType() != pb.MsgReadIndex && m.GetTerm() == 0 {
		return "has no term" // raft would take it for a message to itself
	}
	// The rest is for raft itself, and never from another host.
	//exhaustive:ignore
	switch m.GetType() {
	case pb.MsgApp:
		term := m.GetLogTerm()
		for i, e := range m.GetEntries() {
			if e.GetIndex() != m.GetIndex()+1+uint64(i) || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
				return "has entries out of order"
			}
			term = e.GetTerm()
		}
	case pb.MsgSnap:
		if m.GetSnapshot().GetMetadata().GetIndex() == 0 || len(m.GetSnapshot().GetMetadata().GetConfState().GetVoters()) == 0 {
			return "has no configuration"
		}
		if _, err := parseImage(m.GetSnapshot().GetData()); err != nil {
			return "has an image that cannot be read"
		}
	case pb.MsgAppResp:
		if !m.GetReject() && m.GetTerm() == g.clock.term && m.GetIndex() > g.last && g.clock.role == raft.StateLeader {
			return fmt.Sprintf("has entry %d, and the last is %d", m.GetIndex(), g.last)
		}
	case pb.MsgHeartbeatResp:
		if n := len(m.GetContext()); n != 0 && n != 8 {
			return "answers nothing that was asked"
		}
	case pb.MsgHeartbeat, pb.MsgVote, pb.MsgVoteResp, pb.MsgPreVote, pb.MsgPreVoteResp:
	case pb.MsgTimeoutNow:
		if g.witness {
			return "asks a witness to lead"
		}
	case pb.MsgReadIndex, pb.MsgReadIndexResp:
		if len(m.GetEntries()) != 1 || len(m.GetEntries()[0].GetData()) != readMarkSize {
			return "has no question"
		}
	case pb.MsgProp:
		if len(m.GetEntries()) == 0 {
			return "proposes nothing"
		}
		for _, e := range m.GetEntries() {
			if e.GetType() != pb.EntryNormal {
				return "proposes other members; only a leader does"
			}
			if _, _, command, err := parseCommand(e.GetData()); err != nil || len(command) > CommandSizeMax {
				return "proposes what is no command"
			}
		}
	default:
		return "is not for other hosts"
	}
	return ""
}

// hear lets raft hear a message.
func (g *group) hear(m *pb.Message) {
	g.clock.count(g)
	kind := m.GetType()
	if kind == pb.MsgHeartbeat && m.GetTerm() >= g.clock.term && m.GetCommit() > g.last {
		// The leader counts only what this member said was durable here.
		g.forgot(fmt.Sprintf("the leader counts on entry %d, and the last here is %d", m.GetCommit(), g.last))
		return
	}
	if (kind == pb.MsgProp || kind == pb.MsgReadIndex) && g.clock.role != raft.StateLeader || kind == pb.MsgReadIndex && !g.current() {
		// Whoever sent it to one that does not lead finds out who does, and tries
		// again: handed on, it would come from somebody else.
		return
	}
	_ = g.raft.Step(m) // what it refuses is as good as lost on the way
	g.drain()
	g.clock.observe(g)
	if fromLeader(m) && g.clock.role == raft.StateFollower && g.clock.lead == m.GetFrom() && g.clock.term == m.GetTerm() {
		g.clock.contact(g)
	}
}

// forgot takes a member out that turns out to have lost something durable. It
// must not vote, and asks for a new place.
func (g *group) forgot(why string) {
	g.host.note(g.id, ReasonLost, "%s", why)
	g.host.moved(g.id)
	g.failRequests(ReasonLost)
	g.raft = nil
	g.lost = true
	g.moves.noticeAt = g.host.now
	g.host.queue(&item{g: g, base: true, records: lostRecord(g)})
}

// notice tells the other hosts that the member is lost; whoever leads makes a new
// one.
func (g *group) notice() {
	g.moves.noticeAt = g.host.now.Add(noticeAfter)
	told := map[string]bool{g.host.config.Host: true}
	for _, m := range g.image.members.all {
		if !told[m.Host] {
			told[m.Host] = true
			g.host.frames.add(m.Host, packet{kind: packetLost, group: g.id, from: g.member})
		}
	}
}

// leave forgets the group: another member says that this one was removed.
func (g *group) leave(from string) {
	g.host.note(g.id, ReasonRemoved, "member %d, says %s", g.member, from)
	g.host.moved(g.id)
	g.failRequests(ReasonRemoved)
	g.raft = nil
	g.gone = true
	if len(g.host.left) < GroupsMax {
		g.host.left[g.id] = g.member
	}
	g.host.queue(&item{g: g, gone: true, records: goneRecord(g)})
}

// unreachable lets raft know that what it sent last may be lost.
func (g *group) unreachable(host string) {
	if !g.leads() {
		return
	}
	g.guard(func() {
		for _, m := range g.image.members.all {
			if m.Host == host && m.ID != g.member {
				g.raft.ReportUnreachable(m.ID)
			}
		}
		g.touch()
	})
}

// ended forgets a leader whose process is known to have ended. A member without a
// leader grants votes at once, so the first to stand is elected as soon as a
// majority knows; they do not all stand at the same moment.
func (g *group) ended(host string) {
	if !g.active() || g.leads() || g.clock.lead == raft.None || g.leaderHost() != host {
		return
	}
	g.guard(func() {
		if g.raft.ForgetLeader() != nil {
			return
		}
		g.clock.observe(g)
		g.clock.soon(g)
		g.touch()
	})
}

// retrySnapshots lets raft send a snapshot again that nobody acknowledged; it would
// wait for ever.
func (g *group) retrySnapshots() {
	if len(g.moves.snapshots) == 0 {
		return
	}
	for _, m := range g.image.members.all {
		at, sent := g.moves.snapshots[m.ID]
		if sent && g.host.now.Sub(at) > 10*g.timing.Election {
			delete(g.moves.snapshots, m.ID)
			g.raft.ReportSnapshot(m.ID, raft.SnapshotFailure)
		}
	}
}
