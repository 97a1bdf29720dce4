package balance

import (
	"net/netip"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Affinity remembers which backend a source address was given: persistence by
// source. It is bounded: the address that was used longest ago makes room.
type Affinity struct {
	keep    time.Duration
	entries map[netip.Addr]*affine
	oldest  *affine // a ring through root would be shorter but harder to read
	newest  *affine
	most    int
}

type affine struct {
	source       netip.Addr
	backend      string
	until        instant.Instant
	older, newer *affine
}

// AffinityMax is how many sources one pool remembers on one host: about 20 MB.
const AffinityMax = 1 << 17

// NewAffinity returns an empty memory that keeps an address for keep after its
// newest flow.
func NewAffinity(keep time.Duration) *Affinity {
	return &Affinity{keep: keep, entries: map[netip.Addr]*affine{}, most: AffinityMax}
}

// Get returns the backend of a source, and the empty string for an unknown one.
func (a *Affinity) Get(now instant.Instant, source netip.Addr) string {
	e, ok := a.entries[source]
	if !ok {
		return ""
	}
	if e.until.Reached(now) {
		a.drop(e)
		return ""
	}
	return e.backend
}

// Set remembers a source's backend from now on.
func (a *Affinity) Set(now instant.Instant, source netip.Addr, backend string) {
	e, ok := a.entries[source]
	if ok {
		a.unlink(e)
	} else {
		if len(a.entries) >= a.most {
			a.drop(a.oldest)
		}
		e = &affine{source: source}
		a.entries[source] = e
	}
	e.backend, e.until = backend, now.Add(a.keep)
	e.older, e.newer = a.newest, nil
	if a.newest != nil {
		a.newest.newer = e
	} else {
		a.oldest = e
	}
	a.newest = e
}

// Len is the number of sources remembered.
func (a *Affinity) Len() int { return len(a.entries) }

func (a *Affinity) drop(e *affine) {
	a.unlink(e)
	delete(a.entries, e.source)
}

func (a *Affinity) unlink(e *affine) {
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		a.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		a.newest = e.older
	}
}
