package drill

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// measure is what the probes saw: since the fault, and before it while there is
// none.
type measure struct {
	every     time.Duration
	since     instant.Instant // of the fault; Never before
	sent      uint64
	failed    uint64
	late      uint64
	clean     time.Duration // of the stretch of good probes up to now
	cleanFrom instant.Instant
	first     time.Duration // failed, since the fault
	last      time.Duration
	detected  time.Duration
	good      []time.Duration // latencies of good answers
	stride    int             // one in stride is kept
	skipped   int
	recent    [recentMax]bool // the newest results: failed
	recents   int
	next      int
	strip     [stripColumns]byte
	column    time.Duration
}

const (
	stripColumns = 60
	// goodMax bounds the latencies kept: a minute of probes every millisecond.
	// Past it every second one makes room, and from then on one in stride is
	// kept.
	goodMax   = 60_000
	recentMax = 1000
)

func newMeasure(every time.Duration) measure {
	m := measure{every: every, since: instant.Never, cleanFrom: instant.Never, column: 100 * time.Millisecond, stride: 1}
	for i := range m.strip {
		m.strip[i] = '_'
	}
	return m
}

// fault begins the count anew: what is measured is what came after it.
func (m *measure) fault(at instant.Instant) {
	m.since = at
	m.sent, m.failed, m.late, m.good, m.recents, m.next = 0, 0, 0, m.good[:0], 0, 0
}

func (m *measure) add(all []Sample) {
	for _, s := range all {
		end := s.At.Add(s.Took)
		if m.since != instant.Never && end.Before(m.since) {
			continue // it was over before the fault: its result says nothing of it
		}
		m.sent++
		if s.Late || s.Unsent {
			m.late++
		}
		if s.Unsent {
			continue
		}
		m.newest(s)
		if m.since == instant.Never {
			continue
		}
		at := max(s.At.Sub(m.since), 0)
		m.mark(at, s.OK)
		if s.OK {
			m.keep(s.Took)
			continue
		}
		if m.failed == 0 || at < m.first {
			m.first = at
		}
		// A request is over for its user when it has failed, not when it was sent.
		m.last = max(m.last, end.Sub(m.since))
		m.failed++
	}
}

func (m *measure) keep(d time.Duration) {
	if m.skipped++; m.skipped < m.stride {
		return
	}
	m.skipped = 0
	m.good = append(m.good, d)
	if len(m.good) < goodMax {
		return
	}
	for i := range goodMax / 2 {
		m.good[i] = m.good[2*i]
	}
	m.good, m.stride = m.good[:goodMax/2], 2*m.stride
}

// newest keeps the length of the clean stretch and the newest results.
func (m *measure) newest(s Sample) {
	if !s.OK {
		m.clean, m.cleanFrom = 0, instant.Never
	} else {
		if m.cleanFrom == instant.Never {
			m.cleanFrom = s.At
		}
		m.clean = max(m.clean, s.At.Sub(m.cleanFrom))
	}
	m.recent[m.next] = !s.OK
	m.next = (m.next + 1) % recentMax
	m.recents = min(m.recents+1, recentMax)
}

// recentErrors is the share of the newest probes that failed.
func (m *measure) recentErrors() float64 {
	failed := 0
	for i := range m.recents {
		if m.recent[(m.next-1-i+recentMax)%recentMax] {
			failed++
		}
	}
	return float64(failed) / float64(max(m.recents, 1))
}

// mark puts a result into the strip; when time runs past its end, columns are
// joined in pairs.
func (m *measure) mark(at time.Duration, ok bool) {
	for at >= m.column*stripColumns {
		for i := range stripColumns / 2 {
			m.strip[i] = worse(m.strip[2*i], m.strip[2*i+1])
		}
		for i := stripColumns / 2; i < stripColumns; i++ {
			m.strip[i] = '_'
		}
		m.column *= 2
	}
	mark := byte('.')
	if !ok {
		mark = 'X'
	}
	i := int(at / m.column)
	m.strip[i] = worse(m.strip[i], mark)
}

func worse(a, b byte) byte {
	for _, c := range []byte{'X', '.'} {
		if a == c || b == c {
			return c
		}
	}
	return '_'
}

// quantiles of the good answers' latencies.
func (m *measure) quantiles(qs ...float64) []time.Duration {
	out := make([]time.Duration, len(qs))
	if len(m.good) == 0 {
		return out
	}
	sorted := slices.Clone(m.good)
	slices.Sort(sorted)
	for i, q := range qs {
		out[i] = sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
	}
	return out
}
