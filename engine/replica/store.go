package replica

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// store is what raft reads of its own past: the entries that are durable and not
// yet compacted. The library's own storage in memory holds them; snapshots are
// made when a follower needs one, and not kept.
type store struct {
	*raft.MemoryStorage
	bytes    int // of the entries' data
	snapshot func() (*pb.Snapshot, error)
}

func newStore() *store { return &store{MemoryStorage: raft.NewMemoryStorage()} }

// Snapshot implements raft.Storage.
func (s *store) Snapshot() (*pb.Snapshot, error) { return s.snapshot() }

func (s *store) first() uint64 {
	n, _ := s.FirstIndex() // it has no error
	return n
}

func (s *store) last() uint64 {
	n, _ := s.LastIndex()
	return n
}

// term returns the term of an entry, and 0 when it is not there any more.
func (s *store) term(index uint64) uint64 {
	if index < s.first()-1 || index > s.last() {
		return 0
	}
	t, err := s.Term(index)
	if err != nil {
		return 0
	}
	return t
}

// add appends durable entries, over what they contradict.
func (s *store) add(entries []*pb.Entry) error {
	for _, e := range entries {
		s.bytes += len(e.GetData())
	}
	return s.Append(entries)
}

// base forgets everything and begins behind an index.
func (s *store) base(index, term uint64, conf *pb.ConfState) error {
	s.bytes = 0
	return s.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(index), Term: new(term), ConfState: conf}})
}

// compact forgets entries that are applied and that no follower needs who is only
// a little late.
func (s *store) compact(applied uint64) {
	if applied < s.first() || applied-s.first()+1 <= 2*entriesKept && s.bytes <= 2*entriesKeptBytes {
		return
	}
	// Appending over contradicted entries counts their bytes twice: count anew.
	all, err := s.tail(s.first(), s.last())
	if err != nil {
		return
	}
	s.bytes = 0
	for _, e := range all {
		s.bytes += len(e.GetData())
	}
	keep := s.first()
	for i, e := range all {
		index := s.first() + uint64(i)
		if index > applied || applied-index < entriesKept && s.bytes <= entriesKeptBytes {
			break
		}
		keep = index + 1
		s.bytes -= len(e.GetData())
	}
	if keep > s.first() {
		_ = s.Compact(keep - 1) // it refuses only what is compacted already
	}
}

// tail returns the entries from one index to another, both included.
func (s *store) tail(from, to uint64) ([]*pb.Entry, error) {
	if from > to {
		return nil, nil
	}
	return s.Entries(from, to+1, 1<<62)
}
