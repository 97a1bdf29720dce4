package replica

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// hard is what a member must not forget of itself.
type hard struct{ term, vote, commit uint64 }

// group is one group's replica on this host: one member.
type group struct {
	host   *Groups
	id     GroupID
	member uint64
	timing Timing

	raft    *raft.RawNode // nil when lost or halted
	store   *store
	machine Machine // nil on a witness
	witness bool

	image   image // without the machine's part
	conf    *pb.ConfState
	applied uint64
	routes  map[uint64]string // hosts of members that are not in the image yet

	askWhoAt instant.Instant // when somebody unknown may be asked about again

	queued  hard   // as handed to the journal
	durable hard   // as in the journal
	last    uint64 // the last entry handed to the journal
	segment uint64 // where the base stands; 0: not durable yet
	waiting int    // writes that are handed to the journal and not durable

	dead   bool   // another replica took its place
	lost   bool   // it must not take part: its memory is lost
	halted string // it must not take part: it met what must not be
	gone   bool   // it was removed, and is forgotten once that is durable

	clock    clock
	requests requests
	moves    moves
}

func (s *Groups) newGroup(name GroupID, member uint64) *group {
	g := &group{host: s, id: name, member: member, timing: s.config.Timing(name), store: newStore(), conf: &pb.ConfState{}, routes: map[uint64]string{}}
	g.store.snapshot = g.snapshot
	g.image.members.next = 1
	g.clock.reset(g)
	g.clock.leaderAt = s.now
	return g
}

// found begins a new group, whose members all begin with the same first entry. It
// is answered when that is durable: until then it may be asked for again.
func (g *group) found(all members, request uint64) {
	for _, m := range all.all {
		if m.Role == Learner {
			g.conf.Learners = append(g.conf.Learners, m.ID)
		} else {
			g.conf.Voters = append(g.conf.Voters, m.ID)
		}
	}
	g.image.members = all
	g.witness = all.find(g.member).Witness
	g.openMachine()
	g.applied, g.last = 1, 1
	g.queued = hard{term: 1, commit: 1}
	g.durable = g.queued
	if err := g.store.base(1, 1, g.conf); err != nil {
		panic(err)
	}
	_ = g.store.SetHardState(g.durable.proto())
	g.host.queue(&item{g: g, records: []journal.Record{g.base(1, 1)}, base: true, create: request})
	g.start()
	for _, m := range all.all { // the first that could lead
		if m.Role != Learner && !m.Witness {
			if m.ID == g.member {
				g.clock.found(g)
			}
			break
		}
	}
}

// join begins without memory.
func (g *group) join() {
	g.openMachine()
	g.host.queue(&item{g: g, records: []journal.Record{journal.Base{Group: string(g.id), Member: g.member, Conf: g.confBytes(), Data: g.imageBytes()}}, base: true})
	g.start()
}

// lose keeps nothing but who the member was with, to ask them for a new place.
func (g *group) lose(base journal.Base, write bool) {
	g.lost = true
	if i, err := parseImage(base.Data); err == nil {
		g.image = image{members: i.members}
	}
	g.moves.noticeAt = g.host.now
	if write {
		g.host.queue(&item{g: g, records: lostRecord(g), base: true})
		return
	}
	g.segment = g.host.writer.tail.Segment
}

// load goes on from what the journal remembers.
func (g *group) load(was *journal.Group) {
	base := was.Base
	g.segment = was.Segment
	if err := proto.Unmarshal(base.Conf, g.conf); err != nil {
		panic(fmt.Sprintf("its configuration cannot be read: %v", err))
	}
	i, err := parseImage(base.Data)
	if err != nil {
		panic(fmt.Sprintf("its base cannot be read: %v", err))
	}
	if m := i.members.find(g.member); m != nil {
		g.witness = m.Witness
	}
	g.openMachine()
	g.takeImage(i)
	if base.Index > 0 {
		if err := g.store.base(base.Index, base.EntryTerm, g.conf); err != nil {
			panic(err)
		}
	}
	entries := make([]*pb.Entry, len(was.Entries))
	for n, e := range was.Entries {
		kind := pb.EntryType(e.Kind)
		entries[n] = &pb.Entry{Term: new(e.Term), Index: new(base.Index + 1 + uint64(n)), Type: &kind, Data: bytes.Clone(e.Data)}
	}
	if err := g.store.add(entries); err != nil {
		panic(err)
	}
	g.applied, g.last = base.Index, g.store.last()
	g.durable = hard{was.Term, was.Vote, min(max(was.Commit, base.Index), g.last)}
	g.queued = g.durable
	_ = g.store.SetHardState(g.durable.proto())
	g.start()
}

func (h hard) proto() *pb.HardState {
	return &pb.HardState{Term: new(h.term), Vote: new(h.vote), Commit: new(h.commit)}
}

func (g *group) openMachine() {
	if !g.witness {
		g.machine = g.host.config.Machine(g.id)
	}
}

// takeImage makes an image the group's state.
func (g *group) takeImage(i image) {
	if g.machine != nil && len(i.machine) > 0 {
		if err := g.machine.Restore(bytes.Clone(i.machine)); err != nil {
			panic(fmt.Sprintf("its machine's state cannot be read: %v", err))
		}
	}
	g.image = image{members: i.members, sessions: i.sessions}
}

// start makes the library's part. Time is ours: it never elects by itself, see
// clock.
func (g *group) start() {
	n, err := raft.NewRawNode(&raft.Config{
		ID:                        g.member,
		ElectionTick:              g.timing.ticks(),
		HeartbeatTick:             1,
		Storage:                   g.store,
		Applied:                   g.applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             messageSizeMax,
		MaxCommittedSizePerReady:  4 * messageSizeMax,
		MaxUncommittedEntriesSize: uncommittedMax,
		MaxInflightMsgs:           inflightMax,
		MaxInflightBytes:          inflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		Logger:                    silent{},
		StepDownOnRemoval:         true,
	})
	if err != nil {
		panic(err)
	}
	g.raft = n
	g.clock.observe(g)
	if len(g.conf.GetVoters()) == 1 && g.conf.GetVoters()[0] == g.member && !g.witness {
		g.clock.campaignAt = g.host.now // nobody else could lead
	}
}

// imageBytes encodes the group's state as it is now.
func (g *group) imageBytes() []byte {
	i := g.image
	if g.machine != nil {
		i.machine = g.machine.Snapshot()
	}
	return i.append(nil)
}

func (g *group) confBytes() []byte {
	b, err := proto.Marshal(g.conf)
	if err != nil {
		panic(err)
	}
	return b
}

// base is the record that holds the group as it is now.
func (g *group) base(index, term uint64) journal.Base {
	return journal.Base{
		Group: string(g.id), Member: g.member, Term: g.durable.term, Vote: g.durable.vote, Commit: max(g.durable.commit, index),
		Index: index, EntryTerm: term, Conf: g.confBytes(), Data: g.imageBytes(),
	}
}

// snapshot is what raft sends to a follower that is too far behind.
func (g *group) snapshot() (*pb.Snapshot, error) {
	term := g.store.term(g.applied)
	if g.applied == 0 || term == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &pb.Snapshot{
		Data:     g.imageBytes(),
		Metadata: &pb.SnapshotMetadata{Index: new(g.applied), Term: new(term), ConfState: proto.Clone(g.conf).(*pb.ConfState)},
	}, nil
}

// guard runs what may meet a contradiction in the library, which panics then. One
// group stops; what it has not handed out yet is lost as in a crash.
func (g *group) guard(do func()) {
	defer func() {
		if r := recover(); r != nil {
			g.halted = fmt.Sprint(r)
			g.raft = nil
			g.host.moved(g.id)
			note := Note{g.id, ReasonHalted, g.halted}
			if g.host.out == nil {
				g.host.began = append(g.host.began, note)
				return
			}
			g.host.out.Notes = append(g.host.out.Notes, note)
			g.failRequests(ReasonHalted)
		}
	}()
	do()
}

// active reports whether the group takes part in anything.
func (g *group) active() bool {
	return g.raft != nil && !g.dead && !g.gone && !g.lost && g.halted == ""
}

func (g *group) leads() bool { return g.active() && g.clock.role == raft.StateLeader }

// due is when the group wants a look at its timers.
func (g *group) due() instant.Instant {
	if g.lost && !g.gone {
		return g.moves.noticeAt
	}
	if !g.active() {
		return instant.Never
	}
	due := min(g.clock.due(g), g.requests.due(), g.moves.due())
	if t, ok := g.machine.(Tender); ok && g.leads() {
		due = min(due, t.Due())
	}
	return due
}

// timers does what is due.
func (g *group) timers() {
	if g.lost {
		g.notice()
		return
	}
	g.clock.wake(g)
	g.expire()
	if g.leads() {
		g.advance()
	}
	g.touch()
}

// hostOf returns the host of a member, and the empty string when nobody knows.
func (g *group) hostOf(member uint64) string {
	if m := g.image.members.find(member); m != nil {
		return m.Host
	}
	return g.routes[member]
}

// leaderHost is the host that leads, as far as this one knows.
func (g *group) leaderHost() string {
	if g.clock.lead == raft.None {
		return ""
	}
	return g.hostOf(g.clock.lead)
}

// voters returns how many votes the group has, in the newer configuration.
func (g *group) voters() int { return len(g.conf.GetVoters()) }

func (g *group) isVoter(member uint64) bool { return slices.Contains(g.conf.GetVoters(), member) }
