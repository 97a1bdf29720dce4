package facts

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Store is the facts of one group, one copy of them.
type Store struct {
	revision uint64
	facts    map[string]*Fact
	keys     []string // in order
	bytes    int      // of keys and values
	leases   map[string]*Lease
	bound    map[string][]string // keys by lease, in order
	history  history

	// What follows is this copy's alone.
	leads  bool
	clocks map[string]clock
	dirty  []string // while it leads: leases that began or were renewed since it looked
	next   instant.Instant
}

// New returns an empty store.
func New() *Store {
	return &Store{facts: map[string]*Fact{}, leases: map[string]*Lease{}, bound: map[string][]string{}, clocks: map[string]clock{}, next: instant.Never}
}

// Revision returns how often the store changed.
func (s *Store) Revision() uint64 { return s.revision }

// Apply carries out a command. It never fails: what cannot be is a Result with a
// reason.
func (s *Store) Apply(_ uint64, command []byte) []byte {
	c, err := Decode(command)
	if err != nil {
		return Result{Reason: ReasonMalformed, Revision: s.revision}.encode()
	}
	return s.Do(c).encode()
}

// Do carries out a command.
func (s *Store) Do(c Command) Result {
	var r Result
	switch c := c.(type) {
	case Txn:
		r = s.txn(c)
	case Acquire:
		r = s.acquire(c)
	case Renew:
		r = s.renew(c)
	case Release:
		r = s.end(c.Token, 0, false)
	case End:
		r = s.end(c.Token, c.Renewals, true)
	}
	r.Revision = s.revision
	return r
}

// txn checks everything before it changes anything.
func (s *Store) txn(t Txn) Result {
	for _, token := range t.Under {
		if x := s.leases[token.Lease]; x == nil || x.Epoch != token.Epoch {
			return Result{Reason: ReasonOldEpoch, Key: token.Lease}
		}
	}
	for _, cond := range t.If {
		revision := uint64(0)
		if f := s.facts[cond.Key]; f != nil {
			revision = f.Revision
		}
		if revision != cond.Revision {
			return Result{Reason: ReasonChanged, Key: cond.Key}
		}
	}
	keys, bytes := len(s.keys), s.bytes
	changes := false
	seen, binds := map[string]bool{}, map[string]int{}
	for _, op := range t.Ops {
		if op.Key == "" || len(op.Key) > KeySizeMax || len(op.Value) > ValueSizeMax || seen[op.Key] {
			return Result{Reason: ReasonMalformed, Key: op.Key}
		}
		seen[op.Key] = true
		if op.Lease != "" && s.leases[op.Lease] == nil && !op.Delete {
			return Result{Reason: ReasonNoLease, Key: op.Lease}
		}
		f := s.facts[op.Key]
		if op.Lease != "" && !op.Delete && (f == nil || f.Lease != op.Lease) {
			binds[op.Lease]++
			if len(s.bound[op.Lease])+binds[op.Lease] > KeysBoundMax {
				return Result{Reason: ReasonFull, Key: op.Lease}
			}
		}
		if f != nil {
			keys--
			bytes -= len(f.Key) + len(f.Value)
			changes = true
		}
		if !op.Delete {
			keys++
			bytes += len(op.Key) + len(op.Value)
			changes = true
		}
	}
	if keys > KeysMax || bytes > BytesMax {
		if keys > len(s.keys) || bytes > s.bytes {
			return Result{Reason: ReasonFull}
		}
	}
	if !changes {
		return Result{}
	}
	s.revision++
	for _, op := range t.Ops {
		if op.Delete {
			s.remove(op.Key)
		} else {
			s.put(op)
		}
	}
	return Result{}
}

func (s *Store) put(op Op) {
	f := s.facts[op.Key]
	if f == nil {
		f = &Fact{Key: op.Key, Created: s.revision}
		s.facts[op.Key] = f
		s.keys = insert(s.keys, op.Key)
		s.bytes += len(op.Key)
	}
	if f.Lease != op.Lease {
		s.unbind(f)
		if f.Lease = op.Lease; op.Lease != "" {
			s.bound[op.Lease] = insert(s.bound[op.Lease], op.Key)
		}
	}
	s.bytes += len(op.Value) - len(f.Value)
	f.Value, f.Revision = op.Value, s.revision
	s.history.add(Change{Revision: s.revision, Key: op.Key, Value: op.Value})
}

func (s *Store) remove(key string) {
	f := s.facts[key]
	if f == nil {
		return
	}
	s.unbind(f)
	delete(s.facts, key)
	at, _ := slices.BinarySearch(s.keys, key)
	s.keys = slices.Delete(s.keys, at, at+1)
	s.bytes -= len(f.Key) + len(f.Value)
	s.history.add(Change{Revision: s.revision, Key: key, Gone: true})
}

func (s *Store) unbind(f *Fact) {
	if f.Lease == "" {
		return
	}
	keys := s.bound[f.Lease]
	if at, found := slices.BinarySearch(keys, f.Key); found {
		keys = slices.Delete(keys, at, at+1)
	}
	if len(keys) == 0 {
		delete(s.bound, f.Lease)
		return
	}
	s.bound[f.Lease] = keys
}

func insert(keys []string, key string) []string {
	at, found := slices.BinarySearch(keys, key)
	if found {
		return keys
	}
	return slices.Insert(keys, at, key)
}

// Query answers a question.
func (s *Store) Query(query []byte) []byte {
	q, err := DecodeQuery(query)
	if err != nil {
		return Answer{Revision: s.revision}.Encode()
	}
	return s.Ask(q).Encode()
}

// Ask answers a question. What it returns must not be changed.
func (s *Store) Ask(q Query) Answer {
	a := Answer{Revision: s.revision}
	switch q := q.(type) {
	case Get:
		if f := s.facts[q.Key]; f != nil {
			a.Facts = []Fact{*f}
		}
	case List:
		from := max(q.Prefix, q.After)
		at, found := slices.BinarySearch(s.keys, from)
		if found && q.After != "" && q.After == from {
			at++
		}
		size := 0
		for _, key := range s.keys[at:] {
			if !strings.HasPrefix(key, q.Prefix) {
				break
			}
			if len(a.Facts) >= ListMax || size > answerAim {
				a.More = true
				break
			}
			f := s.facts[key]
			size += len(f.Value) + len(f.Key)
			a.Facts = append(a.Facts, *f)
		}
	case Look:
		if x := s.leases[q.Lease]; x != nil {
			a.Lease = *x
		}
	case Since:
		s.history.since(q, s.revision, &a)
	}
	return a
}

const snapshotVersion = 1

// Snapshot returns the whole store. Copies that carried out the same commands
// return the same bytes.
func (s *Store) Snapshot() []byte {
	b := appendNumber([]byte{snapshotVersion}, s.revision)
	b = appendNumber(b, uint64(len(s.leases)))
	for _, name := range slices.Sorted(maps.Keys(s.leases)) {
		b = s.leases[name].append(b)
	}
	b = appendNumber(b, uint64(len(s.keys)))
	for _, key := range s.keys {
		b = s.facts[key].append(b)
	}
	return b
}

// Restore makes the store what Snapshot returned. On an error it is as it was.
func (s *Store) Restore(state []byte) error {
	r := fieldsOf(state)
	if r.Byte() != snapshotVersion {
		return ErrMalformed
	}
	n := New()
	n.revision = r.Number()
	for range r.Count(LeasesMax) {
		x := r.lease()
		if r.Err() != nil || x.Name == "" || n.leases[x.Name] != nil || x.Epoch == 0 || x.Epoch > n.revision || x.TTL < TTLMin || x.TTL > TTLMax {
			return ErrMalformed
		}
		n.leases[x.Name] = &x
	}
	for range r.Count(KeysMax) {
		f := r.fact()
		last := len(n.keys) - 1
		if r.Err() != nil || f.Key == "" || last >= 0 && n.keys[last] >= f.Key || f.Revision > n.revision || f.Lease != "" && n.leases[f.Lease] == nil {
			return ErrMalformed
		}
		n.keys = append(n.keys, f.Key)
		n.facts[f.Key] = &f
		n.bytes += len(f.Key) + len(f.Value)
		if f.Lease != "" {
			n.bound[f.Lease] = append(n.bound[f.Lease], f.Key)
		}
	}
	if r.Err() != nil || len(r.Left()) > 0 {
		return ErrMalformed
	}
	n.history.floor = n.revision
	*s = *n
	return nil
}
