package replica

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// touch lets a group do all that follows from what it was just told.
func (g *group) touch() {
	for g.active() {
		g.drain()
		changed := g.clock.observe(g)
		g.pump()
		g.ask()
		g.tend()
		if !changed && !g.raft.HasReady() {
			break
		}
	}
	g.answerReads()
}

// drain takes from raft what it has ready.
func (g *group) drain() {
	for g.raft != nil && g.raft.HasReady() {
		rd := g.raft.Ready()
		for _, state := range rd.ReadStates {
			g.confirmed(state)
		}
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				g.keep(m)
			case raft.LocalApplyThread:
				g.apply(m)
			default:
				g.send(m)
			}
		}
	}
}

// keep hands to the journal what raft must not forget. Its responses, which say so
// to others or to raft itself, wait until it is durable. A commit index that grew
// is not worth a write: it is learned again.
func (g *group) keep(m *pb.Message) {
	i := &item{g: g, snapshot: m.GetSnapshot(), entries: m.GetEntries(), responses: m.GetResponses()}
	if m.GetTerm() != 0 {
		h := hard{m.GetTerm(), m.GetVote(), m.GetCommit()}
		if h.term != g.queued.term || h.vote != g.queued.vote {
			i.hard = h
			i.records = append(i.records, journal.Vote{Group: string(g.id), Term: h.term, Vote: h.vote, Commit: h.commit})
		}
		g.queued = h
	}
	if i.snapshot != nil {
		meta := i.snapshot.GetMetadata()
		conf, err := proto.Marshal(meta.GetConfState())
		if err != nil {
			panic(err)
		}
		i.base = true
		i.hard = g.queued
		i.records = append(i.records, journal.Base{
			Group: string(g.id), Member: g.member, Term: g.queued.term, Vote: g.queued.vote, Commit: meta.GetIndex(),
			Index: meta.GetIndex(), EntryTerm: meta.GetTerm(), Conf: conf, Data: i.snapshot.GetData(),
		})
		g.last = meta.GetIndex()
	}
	if n := len(i.entries); n > 0 {
		i.records = append(i.records, entriesRecord(g.id, i.entries))
		g.last = i.entries[n-1].GetIndex()
	}
	if len(i.records) == 0 && g.waiting == 0 {
		g.respond(i.responses)
		return
	}
	g.host.queue(i)
}

// wrote makes an item that is durable part of what raft can read, and lets its
// responses out.
func (g *group) wrote(i *item) {
	if i.hard.term != 0 {
		g.durable = i.hard
	}
	if i.snapshot != nil {
		meta := i.snapshot.GetMetadata()
		img, err := parseImage(i.snapshot.GetData())
		if err != nil {
			panic(err)
		}
		g.takeImage(img)
		g.conf = meta.GetConfState()
		g.applied = meta.GetIndex()
		if err := g.store.base(meta.GetIndex(), meta.GetTerm(), g.conf); err != nil {
			panic(err)
		}
		g.routes = map[uint64]string{}
		g.afterRestore()
	}
	if err := g.store.add(i.entries); err != nil {
		panic(err)
	}
	g.respond(i.responses)
}

// respond delivers responses: to raft itself, or to other hosts.
func (g *group) respond(all []*pb.Message) {
	for _, m := range all {
		if m.GetTo() == g.member {
			_ = g.raft.Step(m)
		} else {
			g.send(m)
		}
	}
}

// send puts a message into the frame for its member's host. A witness is sent
// entries and snapshots without their data: it counts them and keeps their terms.
func (g *group) send(m *pb.Message) {
	to := g.image.members.find(m.GetTo())
	host := g.hostOf(m.GetTo())
	if host == "" || host == g.host.config.Host {
		return
	}
	p := packet{kind: packetRaft, group: g.id, from: g.member, to: m.GetTo()}
	if to != nil {
		p.witness = to.Witness
		if to.Role == Learner {
			p.invite = to.Journal
		}
		if to.Witness {
			m = withoutData(m)
		}
	}
	if m.GetType() == pb.MsgSnap {
		g.moves.snapshots[m.GetTo()] = g.host.now
		p.bulk = true
	}
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	p.body = body
	g.host.frames.add(host, p)
}

// withoutData returns an append or a snapshot as a witness gets it.
func withoutData(m *pb.Message) *pb.Message {
	switch {
	case m.GetType() == pb.MsgApp && len(m.GetEntries()) > 0:
		c := proto.Clone(m).(*pb.Message)
		for _, e := range c.GetEntries() {
			if e.GetType() == pb.EntryNormal {
				e.Data = nil
			}
		}
		return c
	case m.GetType() == pb.MsgSnap:
		c := proto.Clone(m).(*pb.Message)
		if i, err := parseImage(c.GetSnapshot().GetData()); err == nil {
			i = image{members: i.members}
			c.Snapshot.Data = i.append(nil)
		}
		return c
	}
	return m
}

// apply carries out committed entries, which are durable here, and says so to
// raft.
func (g *group) apply(m *pb.Message) {
	for _, e := range m.GetEntries() {
		g.applyEntry(e)
		g.applied = e.GetIndex()
	}
	g.host.applied(g.id)
	for _, r := range m.GetResponses() {
		_ = g.raft.Step(r)
	}
	g.store.compact(g.applied)
}

func (g *group) applyEntry(e *pb.Entry) {
	switch e.GetType() {
	case pb.EntryNormal:
		if len(e.GetData()) == 0 || g.witness {
			return
		}
		origin, seq, command, err := parseCommand(e.GetData())
		if err != nil {
			panic(err)
		}
		switch g.image.sessions.take(origin, seq, e.GetIndex()) {
		case fresh:
			result := g.machine.Apply(e.GetIndex(), command)
			if origin == g.host.config.Boot {
				g.finish(seq, Answer{Result: result})
			}
		case doneIt, old:
			// If it is ours and still waits, its first time was in a snapshot.
			if origin == g.host.config.Boot {
				g.finish(seq, Answer{Reason: ReasonUnknown})
			}
		}
	case pb.EntryConfChange:
		panic("an entry changes members in a way that is never proposed")
	case pb.EntryConfChangeV2:
		cc := &pb.ConfChangeV2{}
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			panic(err)
		}
		g.applyChange(e.GetIndex(), cc)
	}
}

// moved notes that something of a group changed that is not its machine.
func (s *Groups) moved(name GroupID) {
	if s.out == nil {
		return // while it is made nobody knows another state
	}
	if n := len(s.out.Moved); n == 0 || s.out.Moved[n-1] != name {
		s.out.Moved = append(s.out.Moved, name)
	}
}

// applied notes that a group's machine changed.
func (s *Groups) applied(name GroupID) {
	if n := len(s.out.Applied); n == 0 || s.out.Applied[n-1] != name {
		s.out.Applied = append(s.out.Applied, name)
	}
}
