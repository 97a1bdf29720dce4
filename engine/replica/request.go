package replica

import (
	"encoding/binary"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// requests are what this host waits for in one group.
type requests struct {
	seq       uint64
	proposals []proposal // by number
	reads     []read     // in the order of asking
	asked     uint64     // the last question of raft's index
	answered  uint64     // the last one that was answered
	askAt     instant.Instant
}

type proposal struct {
	seq     uint64
	request uint64 // 0: nobody waits
	data    []byte
	until   instant.Instant
	sendAt  instant.Instant
	sent    bool // raft took it at least once, so it may be carried out
}

type read struct {
	request uint64
	query   []byte
	until   instant.Instant
	since   uint64 // the first question that was asked after it; 0: none yet
	ready   bool
	index   uint64
}

func (g *group) until(d time.Duration) instant.Instant {
	return g.host.now.Add(max(g.timing.Heartbeat, min(d, RequestForMax)))
}

// propose takes a command in.
func (g *group) propose(ev Propose) {
	q := &g.requests
	switch {
	case g.witness:
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonWitness, Leader: g.leaderHost()})
	case len(ev.Command) > CommandSizeMax:
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonTooLarge})
	case g.full():
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonBusy})
	default:
		q.seq++
		q.proposals = append(q.proposals, proposal{
			seq: q.seq, request: ev.Request, data: appendCommand(nil, g.host.config.Boot, q.seq, ev.Command), until: g.until(ev.For), sendAt: g.host.now,
		})
	}
}

// full reports whether no more proposals fit, or would overtake the oldest by more
// than the sessions can tell apart.
func (g *group) full() bool {
	p := g.requests.proposals
	return len(p) >= RequestsMax || len(p) > 0 && g.requests.seq-p[0].seq >= sessionWindow-1
}

// pump hands proposals to raft, which sends them to the leader; what is not
// carried out in a while is handed over again, and the sessions see to it that it
// is carried out once.
func (g *group) pump() {
	for i := range g.requests.proposals {
		p := &g.requests.proposals[i]
		if !p.sendAt.Reached(g.host.now) {
			continue
		}
		p.sendAt = g.host.now.Add(g.timing.Heartbeat)
		if g.clock.lead != raft.None && g.raft.Propose(p.data) == nil {
			p.sent = true
			p.sendAt = g.host.now.Add(2 * g.timing.Election)
		}
	}
}

// finish answers a proposal that was carried out.
func (g *group) finish(seq uint64, a Answer) {
	q := &g.requests
	for i, p := range q.proposals {
		if p.seq == seq {
			q.proposals = append(q.proposals[:i], q.proposals[i+1:]...)
			g.answerProposal(p, a)
			return
		}
	}
}

func (g *group) answerProposal(p proposal, a Answer) {
	if p.request != 0 {
		a.Request = p.request
		g.host.answer(a)
	}
}

// giveUp answers a proposal that was not carried out as far as this host knows.
func (g *group) giveUp(p proposal, why Reason) {
	if p.sent {
		why = ReasonUnknown
	}
	g.answerProposal(p, Answer{Reason: why, Leader: g.leaderHost()})
}

// read takes a question in.
func (g *group) read(ev Read) {
	q := &g.requests
	switch {
	case g.witness:
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonWitness, Leader: g.leaderHost()})
	case len(ev.Query) > CommandSizeMax:
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonTooLarge})
	case len(q.reads) >= RequestsMax:
		g.host.answer(Answer{Request: ev.Request, Reason: ReasonBusy})
	default:
		q.reads = append(q.reads, read{request: ev.Request, query: ev.Query, until: g.until(ev.For)})
	}
}

// ask asks the leader, which asks a majority, how far the group is. One question
// serves all reads that came before it, and is asked again when there is no
// answer.
func (g *group) ask() {
	q := &g.requests
	fresh, open := false, false
	for i := range q.reads {
		fresh = fresh || q.reads[i].since == 0
		open = open || !q.reads[i].ready
	}
	waits := q.asked > q.answered && !q.askAt.Reached(g.host.now)
	if !open || waits || !fresh && q.asked == q.answered {
		return
	}
	if g.clock.lead == raft.None || !g.current() {
		q.askAt = g.host.now.Add(g.timing.Heartbeat)
		return
	}
	q.asked++
	q.askAt = g.host.now.Add(g.timing.Election)
	for i := range q.reads {
		if q.reads[i].since == 0 {
			q.reads[i].since = q.asked
		}
	}
	// The number is the host's life and a count, so that an answer to an earlier
	// life's question is no answer to this one's.
	mark := binary.LittleEndian.AppendUint64(nil, g.host.config.Boot)
	g.raft.ReadIndex(binary.LittleEndian.AppendUint64(mark, q.asked))
}

// current reports whether a leader knows how far the group is: it does once an
// entry of its own term is carried out. The library waits for that by itself, but
// not in a group of one voter.
func (g *group) current() bool {
	return g.clock.role != raft.StateLeader || g.voters() > 1 || g.joint() || g.store.term(g.applied) == g.clock.term
}

// confirmed is raft's answer.
func (g *group) confirmed(state raft.ReadState) {
	q := &g.requests
	if len(state.RequestCtx) != readMarkSize || binary.LittleEndian.Uint64(state.RequestCtx) != g.host.config.Boot {
		return
	}
	asked := binary.LittleEndian.Uint64(state.RequestCtx[8:])
	if asked > q.asked {
		return
	}
	q.answered = max(q.answered, asked)
	for i := range q.reads {
		if r := &q.reads[i]; r.since != 0 && r.since <= asked && !r.ready {
			r.ready, r.index = true, state.Index
		}
	}
}

// readMarkSize is the length of a question's number.
const readMarkSize = 16

// answerReads answers what the machine is far enough for.
func (g *group) answerReads() {
	q := &g.requests
	rest := q.reads[:0]
	for _, r := range q.reads {
		if r.ready && g.applied >= r.index && g.active() {
			g.host.answer(Answer{Request: r.request, Result: g.machine.Query(r.query)})
			continue
		}
		rest = append(rest, r)
	}
	clear(q.reads[len(rest):])
	q.reads = rest
}

// expire ends what took too long.
func (g *group) expire() {
	q := &g.requests
	proposals := q.proposals[:0]
	for _, p := range q.proposals {
		if p.until.Reached(g.host.now) {
			g.giveUp(p, ReasonNoLeader)
			continue
		}
		proposals = append(proposals, p)
	}
	clear(q.proposals[len(proposals):])
	q.proposals = proposals
	reads := q.reads[:0]
	for _, r := range q.reads {
		if r.until.Reached(g.host.now) {
			g.host.answer(Answer{Request: r.request, Reason: ReasonNoQuorum, Leader: g.leaderHost()})
			continue
		}
		reads = append(reads, r)
	}
	clear(q.reads[len(reads):])
	q.reads = reads
	g.expireMoves()
}

// failRequests ends everything that waits.
func (g *group) failRequests(why Reason) {
	q := &g.requests
	for _, p := range q.proposals {
		g.giveUp(p, why)
	}
	for _, r := range q.reads {
		g.host.answer(Answer{Request: r.request, Reason: why})
	}
	q.proposals, q.reads = nil, nil
	g.failMoves(why)
}

func (q *requests) due() instant.Instant {
	due := instant.Never
	for _, p := range q.proposals {
		due = min(due, p.until, p.sendAt)
	}
	open := false
	for _, r := range q.reads {
		due = min(due, r.until)
		open = open || !r.ready
	}
	if open && q.asked > q.answered {
		due = min(due, q.askAt)
	}
	return due
}

// hurry hands everything over anew: there is another leader.
func (g *group) hurry() {
	for i := range g.requests.proposals {
		g.requests.proposals[i].sendAt = g.host.now
	}
	g.requests.askAt = g.host.now
}

// tend proposes what the machine wants to be proposed by the clock.
func (g *group) tend() {
	t, ok := g.machine.(Tender)
	if !ok {
		return
	}
	for _, command := range t.Tend(g.host.now, g.leads()) {
		if g.full() || len(command) > CommandSizeMax {
			return // the machine asks again
		}
		q := &g.requests
		q.seq++
		q.proposals = append(q.proposals, proposal{
			seq: q.seq, data: appendCommand(nil, g.host.config.Boot, q.seq, command), until: g.host.now.Add(4 * g.timing.Election), sendAt: g.host.now,
		})
	}
	g.pump()
}
