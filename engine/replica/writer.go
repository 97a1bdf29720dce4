package replica

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// batchAim is where a batch is closed and the rest waits for the next, so that one
// flush does not hold up everybody's for long.
const batchAim = 4 << 20

// writer hands batches of all groups to the journal, one at a time: while one is
// in flight the next one fills. That is group commit, and it makes the order
// plain: what a batch carries, and what waits for it, comes out when it is durable.
type writer struct {
	tail    journal.Tail
	first   uint64 // the oldest segment that was not dropped
	pending []*item
	flight  *flight
	op      uint64

	marked  bool // nothing unmarked is durable
	markAt  instant.Instant
	retryAt instant.Instant

	mute   Reason // why the host takes part in nothing; empty: it does
	failed bool   // for good
}

// item is what one group wants written, and what waits for it.
type item struct {
	g         *group
	records   []journal.Record
	base      bool   // the records hold the group's base
	gone      bool   // the records void the group
	create    uint64 // the request that is answered then; 0: none
	hard      hard   // term 0: unchanged
	snapshot  *pb.Snapshot
	entries   []*pb.Entry
	responses []*pb.Message
}

// flight is a batch that is being written.
type flight struct {
	op    uint64
	write journal.Write
	items []*item
	mark  bool
	since instant.Instant
}

// queue adds an item to the next batch.
func (s *Groups) queue(i *item) {
	i.g.waiting++
	s.writer.pending = append(s.writer.pending, i)
}

// write hands the next batch out, when none is in flight and there is something to
// write or to mark.
func (s *Groups) write() {
	w := &s.writer
	if w.flight != nil || w.failed {
		if w.flight != nil && w.retryAt.Reached(s.now) {
			w.retryAt = instant.Never
			w.flight.since = s.now
			s.out.Writes = append(s.out.Writes, Write{w.flight.op, w.flight.write})
		}
		return
	}
	var items []*item
	var records []byte
	if len(w.pending) > 0 {
		items = s.rebase()
		for _, i := range items {
			records = appendAll(records, i.records)
		}
		taken := 0
		for _, i := range w.pending {
			if taken > 0 && len(records) >= batchAim {
				break
			}
			taken++
			items = append(items, i)
			if !i.g.dead {
				records = appendAll(records, i.records)
			}
		}
		w.pending = append([]*item(nil), w.pending[taken:]...)
	}
	mark := len(records) == 0
	if mark && len(items) > 0 {
		// Nothing to write: they only waited for what is durable by now.
		s.release(items, 0)
		s.write()
		return
	}
	if mark && (w.marked || !w.markAt.Reached(s.now)) {
		return
	}
	w.op++
	w.markAt, w.retryAt = instant.Never, instant.Never
	w.flight = &flight{op: w.op, write: w.tail.Place(records, s.config.SegmentSize), items: items, mark: mark, since: s.now}
	s.out.Writes = append(s.out.Writes, Write{w.op, w.flight.write})
}

func appendAll(b []byte, records []journal.Record) []byte {
	for _, r := range records {
		b = journal.Append(b, r)
	}
	return b
}

// rebase writes the groups anew whose bases stand in the oldest segment, when
// there are too many. Nothing is in flight, so what is durable is what a group's
// store says, and the base goes before whatever is pending.
func (s *Groups) rebase() []*item {
	oldest := s.oldest()
	if s.writer.tail.Segment < oldest+s.config.SegmentsKept {
		return nil
	}
	var items []*item
	size := 0
	for _, g := range s.order {
		if g.segment != oldest || size > batchAim {
			continue
		}
		i := &item{g: g, base: true}
		if g.lost {
			i.records = lostRecord(g)
		} else {
			if !g.active() {
				continue // a halted group keeps what it had
			}
			b := g.base(g.applied, g.store.term(g.applied))
			i.records = []journal.Record{b}
			size += len(b.Data)
			if tail, err := g.store.tail(g.applied+1, g.store.last()); err == nil && len(tail) > 0 {
				i.records = append(i.records, entriesRecord(g.id, tail))
				for _, e := range tail {
					size += len(e.GetData())
				}
			}
		}
		g.waiting++
		items = append(items, i)
	}
	return items
}

func entriesRecord(name GroupID, entries []*pb.Entry) journal.Entries {
	r := journal.Entries{Group: string(name), First: entries[0].GetIndex(), Entries: make([]journal.Entry, len(entries))}
	for i, e := range entries {
		r.Entries[i] = journal.Entry{Term: e.GetTerm(), Kind: uint8(e.GetType()), Data: e.GetData()}
	}
	return r
}

// oldest is the first segment that a group needs.
func (s *Groups) oldest() uint64 {
	oldest := s.writer.tail.Segment
	for _, g := range s.order {
		if g.segment > 0 {
			oldest = min(oldest, g.segment)
		}
	}
	return oldest
}

// wrote lets out what waited for the batch in flight.
func (s *Groups) wrote(op uint64) {
	w := &s.writer
	if w.flight == nil || w.flight.op != op || w.failed {
		return
	}
	f := w.flight
	w.flight = nil
	w.marked = f.mark
	if !f.mark {
		w.markAt = s.now.Add(markAfter)
	}
	if w.mute != "" {
		s.note("", w.mute, "over: the journal writes again")
		w.mute = ""
		for _, g := range s.order {
			g.clock.reset(g)
			s.moved(g.id)
		}
	}
	s.release(f.items, f.write.Segment)
	if oldest := s.oldest(); oldest > w.first {
		w.first = oldest
		s.out.Drops = append(s.out.Drops, oldest)
	}
}

// release tells groups what is durable.
func (s *Groups) release(items []*item, segment uint64) {
	for _, i := range items {
		i.g.waiting--
		if i.create != 0 {
			s.answer(Answer{Request: i.create})
			i.create = 0
		}
		if i.g.dead {
			continue
		}
		if i.gone {
			s.remove(i.g)
			continue
		}
		if i.base {
			i.g.segment = segment
		}
		if i.g.active() {
			i.g.guard(func() { i.g.wrote(i) })
		}
	}
	for _, g := range s.order {
		if g.active() && g.raft.HasReady() {
			g.guard(g.touch)
		}
	}
}

// writeFailed mutes the host: until the write is durable, nobody must believe
// anything that depends on it, and the other hosts elect other leaders.
func (s *Groups) writeFailed(ev WriteFailed) {
	w := &s.writer
	if w.flight == nil || w.flight.op != ev.Op {
		return
	}
	if !ev.Retry {
		w.failed = true
		for _, i := range append(w.flight.items, w.pending...) {
			if i.create != 0 {
				s.answer(Answer{Request: i.create, Reason: ReasonJournalFailed})
				i.create = 0
			}
		}
		s.hush(ReasonJournalFailed, ev.Err)
		return
	}
	w.retryAt = s.now.Add(retryAfter)
	s.hush(ReasonJournalFull, ev.Err)
}

// slow mutes the host when a write is not answered.
func (s *Groups) slow() {
	w := &s.writer
	if w.flight != nil && w.mute == "" && w.flight.since.Add(slowAfter).Reached(s.now) {
		s.hush(ReasonJournalSlow, "")
	}
}

// hush hands every lead to somebody else, as far as that goes at once, and then
// takes part in nothing.
func (s *Groups) hush(why Reason, detail string) {
	if s.writer.mute == why {
		return
	}
	s.writer.mute = why
	for _, g := range s.order {
		s.moved(g.id)
	}
	s.note("", why, "%s", detail)
	for _, g := range s.order {
		if g.leads() {
			g.guard(func() {
				if to := g.heir(); to != 0 {
					g.raft.TransferLeader(to)
				}
				g.drain()
			})
		}
		g.failRequests(why)
	}
}

func (w *writer) deadline() instant.Instant {
	if w.failed {
		return instant.Never
	}
	due := instant.Never
	if w.flight == nil && !w.marked {
		due = w.markAt
	}
	if w.flight != nil {
		due = w.retryAt
		if w.mute == "" {
			due = min(due, w.flight.since.Add(slowAfter))
		}
	}
	return due
}
