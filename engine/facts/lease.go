package facts

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// DriftMax is how much faster or slower than true time a host's monotonic clock may
// run: one in DriftMax. Clocks that are not broken stay a hundred times closer; a
// virtual machine's may not for a while.
const DriftMax = 100

// KeysBoundMax is how many keys one lease may have bound to it: they all go in one
// revision, and an answer holds a revision whole.
const KeysBoundMax = 256

// endAgain is when End is asked for again that was not carried out.
const endAgain = time.Second

// HeldUntil returns when a holder must stop at the latest that asked for a lease,
// or for its renewal, at an instant of its own clock and was given it. It is
// shorter than the lease by what two clocks may run apart.
func HeldUntil(asked instant.Instant, ttl time.Duration) instant.Instant {
	return asked.Add(ttl - ttl*2/DriftMax)
}

// clock is when a lease is to be ended, as this copy saw it.
type clock struct {
	epoch, renewals uint64
	at              instant.Instant
}

func (s *Store) acquire(c Acquire) Result {
	switch {
	case c.Lease == "" || len(c.Lease) > KeySizeMax || c.Holder == "" || len(c.Holder) > KeySizeMax || c.TTL < TTLMin || c.TTL > TTLMax:
		return Result{Reason: ReasonMalformed, Key: c.Lease}
	case s.leases[c.Lease] != nil:
		return Result{Reason: ReasonHeld, Key: c.Lease, Lease: *s.leases[c.Lease]}
	case len(s.leases) >= LeasesMax:
		return Result{Reason: ReasonFull, Key: c.Lease}
	}
	s.revision++
	x := &Lease{Name: c.Lease, Holder: c.Holder, Epoch: s.revision, TTL: c.TTL}
	s.leases[c.Lease] = x
	s.touch(c.Lease)
	s.history.add(Change{Revision: s.revision, Lease: true, Key: c.Lease, Value: []byte(c.Holder)})
	return Result{Lease: *x}
}

// touch notes that a lease counts anew.
func (s *Store) touch(lease string) {
	if s.leads {
		s.dirty = append(s.dirty, lease)
	}
}

func (s *Store) renew(c Renew) Result {
	x := s.leases[c.Lease]
	if x == nil || x.Epoch != c.Epoch {
		return Result{Reason: ReasonOldEpoch, Key: c.Lease}
	}
	x.Renewals++
	s.touch(c.Lease)
	return Result{Lease: *x}
}

// end ends a lease and what is bound to it.
func (s *Store) end(token Token, renewals uint64, ranOut bool) Result {
	x := s.leases[token.Lease]
	switch {
	case x == nil || x.Epoch != token.Epoch:
		if ranOut {
			return Result{Reason: ReasonVoid, Key: token.Lease}
		}
		return Result{Reason: ReasonOldEpoch, Key: token.Lease}
	case ranOut && x.Renewals != renewals:
		return Result{Reason: ReasonVoid, Key: token.Lease}
	}
	s.revision++
	for _, key := range slices.Clone(s.bound[token.Lease]) {
		s.remove(key)
	}
	delete(s.leases, token.Lease)
	delete(s.clocks, token.Lease)
	s.history.add(Change{Revision: s.revision, Lease: true, Gone: true, Key: token.Lease, Value: []byte(x.Holder)})
	return Result{}
}

// Tend ends leases that ran out, when this copy leads. A lease counts from when
// this copy, leading, first saw its last renewal: later than the holder asked for
// it, whatever happened in between.
func (s *Store) Tend(now instant.Instant, leads bool) [][]byte {
	if !leads {
		s.leads = false
		s.dirty = s.dirty[:0]
		return nil
	}
	if !s.leads {
		s.leads = true
		clear(s.clocks)
		s.dirty = append(s.dirty[:0], slices.Collect(maps.Keys(s.leases))...)
		s.next = instant.Never
	}
	for _, name := range s.dirty {
		x := s.leases[name]
		if x == nil {
			continue
		}
		if c, known := s.clocks[name]; known && c.epoch == x.Epoch && c.renewals == x.Renewals {
			continue
		}
		c := clock{x.Epoch, x.Renewals, now.Add(x.TTL)}
		s.clocks[name] = c
		s.next = min(s.next, c.at)
	}
	s.dirty = s.dirty[:0]
	if !s.next.Reached(now) {
		return nil
	}
	var ends [][]byte
	s.next = instant.Never
	for _, name := range slices.Sorted(maps.Keys(s.clocks)) {
		c := s.clocks[name]
		if c.at.Reached(now) {
			ends = append(ends, Encode(End{Token{name, c.epoch}, c.renewals}))
			c.at = now.Add(endAgain)
			s.clocks[name] = c
		}
		s.next = min(s.next, c.at)
	}
	return ends
}

// Due is when Tend wants to be called.
func (s *Store) Due() instant.Instant {
	if !s.leads {
		return instant.Never
	}
	return s.next
}
