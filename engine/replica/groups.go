package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// Machine is what is replicated. It must do the same with the same commands,
// whatever the time and the host.
type Machine interface {
	// Apply carries out a command; the result goes to whoever proposed it.
	Apply(index uint64, command []byte) (result []byte)
	// Query answers from the state as it is, and changes nothing.
	Query(query []byte) (answer []byte)
	// Snapshot returns the whole state; Restore takes it back, or says why not.
	Snapshot() []byte
	Restore(state []byte) error
}

// Tender is a Machine whose state has time in it, such as leases. The leader's copy
// is tended: it returns commands that are to be proposed, and they are
// conditional on what it saw, since it may not lead any more.
type Tender interface {
	Tend(now instant.Instant, leads bool) (commands [][]byte)
	Due() instant.Instant
}

// Config is what a host's replicas need to know.
type Config struct {
	Host string
	// Boot is random and another one at each start: by it, what an earlier life
	// asked for is told from what this one did.
	Boot    uint64
	Rand    *rand.Rand
	Machine func(GroupID) Machine
	Timing  func(GroupID) Timing // nil: Near
	// Admit reports whether a host may have a place in a group at all, as far as its
	// name and certificate tell. It is asked where nobody vouches for a host. Nil:
	// any host may.
	Admit func(GroupID, string) bool
	// SegmentSize and SegmentsKept bound the journal: a group whose base is older
	// than SegmentsKept segments is written anew. Zero: journal.SegmentSize and 4,
	// which makes 64 MiB to read at a start.
	SegmentSize  int64
	SegmentsKept uint64
}

// Groups are the replicas of a host.
type Groups struct {
	config Config
	order  []*group // by name
	heard  map[string]uint64
	asked  map[stranger]instant.Instant // when somebody was told so last
	left   map[GroupID]uint64           // as whom this process left groups

	writer writer
	frames frames
	now    instant.Instant
	out    *Effects
	began  []Note // said with the first step
}

// New returns the replicas that the journal remembers. What Recover asked to be
// cut must have been cut.
func New(config Config, now instant.Instant, found *journal.Recovered) *Groups {
	if config.Timing == nil {
		config.Timing = func(GroupID) Timing { return Near }
	}
	if config.SegmentSize == 0 {
		config.SegmentSize = journal.SegmentSize
	}
	if config.SegmentsKept == 0 {
		config.SegmentsKept = 4
	}
	s := &Groups{config: config, heard: map[string]uint64{}, asked: map[stranger]instant.Instant{}, left: map[GroupID]uint64{}, now: now}
	s.writer = writer{tail: found.Tail, first: found.First, markAt: instant.Never, marked: true}
	if found.Tail.Seq == 0 {
		// A new journal, or one after rot: what the host was before is void.
		s.writer.tail.Generation = 0
		for s.writer.tail.Generation == 0 {
			s.writer.tail.Generation = config.Rand.Uint64()
		}
		s.writer.first = 0
	}
	s.frames.generation = s.writer.tail.Generation
	if found.Rot != "" {
		s.began = append(s.began, Note{Reason: ReasonJournalRotten, Text: found.Rot})
	}
	for _, name := range sortedGroups(found) {
		was := found.Groups[name]
		g := s.newGroup(GroupID(name), was.Base.Member)
		s.insert(g)
		if found.Rot != "" || was.Base.Lost {
			g.lose(was.Base, found.Rot != "")
			continue
		}
		g.guard(func() { g.load(was) })
	}
	return s
}

func sortedGroups(found *journal.Recovered) []string {
	names := make([]string, 0, len(found.Groups))
	for name := range found.Groups {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Groups) insert(g *group) {
	s.moved(g.id)
	at, found := slices.BinarySearchFunc(s.order, g.id, func(x *group, name GroupID) int { return strings.Compare(string(x.id), string(name)) })
	if found {
		// Until the new base is durable the journal needs the old one.
		g.segment = s.order[at].segment
		s.order[at].dead = true
		s.order[at] = g
		return
	}
	s.order = slices.Insert(s.order, at, g)
}

func (s *Groups) group(name GroupID) *group {
	at, found := slices.BinarySearchFunc(s.order, name, func(x *group, name GroupID) int { return strings.Compare(string(x.id), string(name)) })
	if !found {
		return nil
	}
	return s.order[at]
}

// Step advances the replicas by one event and adds what must be done to out.
func (s *Groups) Step(now instant.Instant, ev Event, out *Effects) {
	s.now, s.out = now, out
	out.Notes = append(out.Notes, s.began...)
	s.began = nil
	quiet := s.writer.mute != "" // what is sent in the step that mutes still goes out
	switch ev := ev.(type) {
	case Wake:
	case Heard:
		if s.writer.mute == "" {
			s.hear(ev.From, ev.Frame)
		}
	case Unreachable:
		for _, g := range s.order {
			g.unreachable(ev.Host)
		}
	case Ended:
		for _, g := range s.order {
			g.unreachable(ev.Host)
			g.ended(ev.Host)
		}
	case Wrote:
		s.wrote(ev.Op)
		quiet = s.writer.mute != ""
	case WriteFailed:
		s.writeFailed(ev)
	case Create:
		s.create(ev)
	case Propose:
		s.request(ev.Group, ev.Request, func(g *group) { g.propose(ev) })
	case Read:
		s.request(ev.Group, ev.Request, func(g *group) { g.read(ev) })
	case Change:
		s.request(ev.Group, ev.Request, func(g *group) { g.change(ev) })
	case Transfer:
		s.request(ev.Group, ev.Request, func(g *group) { g.transfer(ev) })
	case Yield:
		s.request(ev.Group, ev.Request, func(g *group) { g.transfer(Transfer{ev.Request, ev.Group, g.hostOf(g.heir())}) })
	}
	s.slow()
	for _, g := range s.order {
		if s.writer.mute == "" && g.due().Reached(now) {
			g.guard(g.timers)
		}
	}
	s.write()
	s.frames.flush(out, !quiet)
	s.out = nil
}

// Deadline is when the replicas next want Wake.
func (s *Groups) Deadline() instant.Instant {
	first := s.writer.deadline()
	if s.writer.mute != "" {
		return first
	}
	for _, g := range s.order {
		first = min(first, g.due())
	}
	return first
}

// request lets a group take a request, or refuses it.
func (s *Groups) request(name GroupID, request uint64, take func(*group)) {
	g := s.group(name)
	switch {
	case g == nil:
		s.answer(Answer{Request: request, Reason: ReasonNoGroup, Detail: string(name)})
	case s.writer.mute != "":
		s.answer(Answer{Request: request, Reason: s.writer.mute})
	case g.gone:
		s.answer(Answer{Request: request, Reason: ReasonRemoved})
	case g.lost:
		s.answer(Answer{Request: request, Reason: ReasonLost})
	case g.halted != "":
		s.answer(Answer{Request: request, Reason: ReasonHalted, Detail: g.halted})
	default:
		g.guard(func() {
			take(g)
			g.touch()
		})
	}
}

func (s *Groups) answer(a Answer) { s.out.Answers = append(s.out.Answers, a) }

func (s *Groups) note(g GroupID, why Reason, format string, args ...any) {
	s.out.Notes = append(s.out.Notes, Note{g, why, fmt.Sprintf(format, args...)})
}

// create founds a group.
func (s *Groups) create(ev Create) {
	switch {
	case s.writer.mute != "":
		s.answer(Answer{Request: ev.Request, Reason: s.writer.mute})
		return
	case s.group(ev.Group) != nil:
		s.answer(Answer{Request: ev.Request, Reason: ReasonExists})
		return
	case len(s.order) >= GroupsMax:
		s.answer(Answer{Request: ev.Request, Reason: ReasonBusy, Detail: "groups"})
		return
	case len(ev.Group) == 0 || len(ev.Group) > journal.GroupLengthMax || !checkSeats(ev.Seats):
		s.answer(Answer{Request: ev.Request, Reason: ReasonSeats})
		return
	}
	all := members{next: 1}
	self := uint64(0)
	for _, seat := range ev.Seats {
		m := all.add(seat.Host, 0, seat.role(), seat.Witness)
		all.find(m.ID).Role = seat.role()
		if seat.Host == s.config.Host {
			self = m.ID
		}
	}
	if self == 0 {
		s.answer(Answer{Request: ev.Request, Reason: ReasonSeats, Detail: "none is on this host"})
		return
	}
	g := s.newGroup(ev.Group, self)
	s.insert(g)
	g.guard(func() {
		g.found(all, ev.Request)
		g.touch()
	})
}

// remove forgets a group that the journal says is gone.
func (s *Groups) remove(g *group) {
	s.order = slices.DeleteFunc(s.order, func(x *group) bool { return x == g })
	g.dead = true
	s.moved(g.id)
}

// begin makes a replica without memory, as a member that was just added. It
// learns everything from the leader, and counts for nothing until it has.
func (s *Groups) begin(name GroupID, member uint64, witness bool, inviter uint64, host string) *group {
	g := s.newGroup(name, member)
	if was := s.group(name); was != nil {
		was.failRequests(ReasonRemoved)
	}
	s.insert(g)
	g.witness = witness
	g.routes[inviter] = host
	g.guard(g.join)
	return g
}

// noteHost remembers the generation of another host's journal.
func (s *Groups) noteHost(host string, generation uint64) {
	if _, known := s.heard[host]; known || len(s.heard) < GroupsMax && id.CheckName(host) == nil {
		s.heard[host] = generation
	}
}
