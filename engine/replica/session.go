package replica

import (
	"encoding/binary"
	"slices"
)

// sessions remember which commands were carried out, so that one that is sent
// again, because its answer got lost or the leader changed, is not carried out
// again. They are part of the replicated state: every replica decides the same.
type sessions struct{ all []session }

// session is one origin's: a life of a host.
type session struct {
	origin uint64
	used   uint64 // the index of its last command, to forget the one unused longest
	top    uint64 // the highest number carried out
	done   [sessionWindow / 64]uint64
}

// verdict is what becomes of a command.
type verdict uint8

const (
	fresh  verdict = iota // carried out now
	doneIt                // was carried out before
	old                   // so far behind that nobody knows
)

// take notes a command as carried out, and says whether it is to be.
func (s *sessions) take(origin, seq, index uint64) verdict {
	at, found := slices.BinarySearchFunc(s.all, origin, func(x session, o uint64) int {
		switch {
		case x.origin < o:
			return -1
		case x.origin > o:
			return 1
		}
		return 0
	})
	if !found {
		if len(s.all) >= sessionsMax {
			oldest := 0
			for i := range s.all {
				if s.all[i].used < s.all[oldest].used {
					oldest = i
				}
			}
			s.all = slices.Delete(s.all, oldest, oldest+1)
			if oldest < at {
				at--
			}
		}
		s.all = slices.Insert(s.all, at, session{origin: origin})
	}
	x := &s.all[at]
	x.used = index
	switch {
	case seq > x.top:
		if seq-x.top >= sessionWindow {
			x.done = [sessionWindow / 64]uint64{}
		} else {
			for n := x.top + 1; n < seq; n++ {
				x.done[n%sessionWindow/64] &^= 1 << (n % 64)
			}
		}
		x.top = seq
	case x.top-seq >= sessionWindow:
		return old
	case x.done[seq%sessionWindow/64]&(1<<(seq%64)) != 0:
		return doneIt
	}
	x.done[seq%sessionWindow/64] |= 1 << (seq % 64)
	return fresh
}

// has reports whether a command was carried out.
func (s *sessions) has(origin, seq uint64) bool {
	for i := range s.all {
		if x := &s.all[i]; x.origin == origin {
			return seq <= x.top && x.top-seq < sessionWindow && x.done[seq%sessionWindow/64]&(1<<(seq%64)) != 0
		}
	}
	return false
}

func (s *sessions) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.all)))
	for i := range s.all {
		x := &s.all[i]
		b = binary.LittleEndian.AppendUint64(b, x.origin)
		b = binary.AppendUvarint(b, x.used)
		b = binary.AppendUvarint(b, x.top)
		for _, word := range x.done {
			b = binary.AppendUvarint(b, word)
		}
	}
	return b
}

func (r *reader) sessions() sessions {
	var s sessions
	for range r.Count(sessionsMax) {
		var x session
		x.origin, x.used, x.top = r.Fixed(), r.Number(), r.Number()
		for i := range x.done {
			x.done[i] = r.Number()
		}
		if n := len(s.all); n > 0 && s.all[n-1].origin >= x.origin {
			r.Fail("the sessions are in no order") // the search in take needs the order
		}
		s.all = append(s.all, x)
	}
	return s
}

// A command travels with its origin and number before it.
func appendCommand(b []byte, origin, seq uint64, command []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, origin)
	b = binary.AppendUvarint(b, seq)
	return append(b, command...)
}

func parseCommand(b []byte) (origin, seq uint64, command []byte, err error) {
	r := fieldsOf(b)
	origin, seq = r.Fixed(), r.Number()
	if seq == 0 {
		r.Fail("a command has no number")
	}
	return origin, seq, r.Left(), r.refusal()
}
