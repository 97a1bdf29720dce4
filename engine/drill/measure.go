package drill

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// measure is what the probes saw: since the fault, and before it while there is
// none. Its size does not depend on how much they saw.
type measure struct {
	every time.Duration
	since instant.Instant // of the fault; Never before
	tally
	before tally // of the baseline, once there is a fault

	clean     time.Duration // of the stretch of good probes up to now
	cleanFrom instant.Instant
	first     time.Duration // of the failed probes, the earliest sent; since the fault
	last      time.Duration // of the failed probes, the latest end
	good      histogram     // latencies of good answers
	answered  instant.Instant
	gap       time.Duration   // the longest between two good answers
	newest    instant.Instant // the latest end of any probe
	sentAt    instant.Instant // the latest time that one was sent
	reasons   []api.DrillReason
	window    window
	strip     [stripColumns]byte
	column    time.Duration
}

// tally counts probes.
type tally struct{ sent, failed, late, unsent uint64 }

const (
	stripColumns = 60
	// reasonsMax is how many reasons of failures are told apart: a listener on
	// three hosts rarely fails in more ways. Further ones count as others.
	reasonsMax = 8
)

const otherReasons = "other reasons"

func newMeasure(every time.Duration) measure {
	m := measure{every: every, since: instant.Never, cleanFrom: instant.Never, column: 100 * time.Millisecond}
	for i := range m.strip {
		m.strip[i] = '_'
	}
	return m
}

// fault begins the count anew: what is measured is what came after it.
func (m *measure) fault(at instant.Instant) {
	m.since, m.answered = at, at
	m.before, m.tally = m.tally, tally{}
	m.reasons, m.window, m.good = nil, window{}, histogram{}
}

func (m *measure) add(all []Sample) {
	for i := range all {
		m.one(&all[i])
	}
}

func (m *measure) one(s *Sample) {
	end := s.At.Add(s.Took)
	if m.since != instant.Never && end.Before(m.since) {
		return // it was over before the fault: its result says nothing of it
	}
	m.sent++
	m.newest, m.sentAt = max(m.newest, end), max(m.sentAt, s.At)
	if s.Late || s.Unsent {
		m.late++
	}
	if s.Unsent {
		m.unsent++
		return
	}
	m.stretch(s)
	m.window.add(end, s.OK)
	if !s.OK {
		m.failed++
		m.because(s.Reason)
	}
	if m.since == instant.Never {
		return
	}
	at := max(s.At.Sub(m.since), 0)
	m.mark(at, s.OK)
	if s.OK {
		m.good.add(s.Took)
		if end > m.answered {
			m.gap, m.answered = max(m.gap, end.Sub(m.answered)), end
		}
		return
	}
	if m.failed == 1 || at < m.first {
		m.first = at
	}
	// A request is over for its user when it has failed, not when it was sent.
	m.last = max(m.last, end.Sub(m.since))
}

// stretch keeps the length of the clean stretch.
func (m *measure) stretch(s *Sample) {
	if !s.OK {
		m.clean, m.cleanFrom = 0, instant.Never
		return
	}
	if m.cleanFrom == instant.Never {
		m.cleanFrom = s.At
	}
	m.clean = max(m.clean, s.At.Sub(m.cleanFrom))
}

// because counts why a probe failed.
func (m *measure) because(text string) {
	if text == "" {
		text = "no reason is known"
	}
	i := slices.IndexFunc(m.reasons, func(r api.DrillReason) bool { return r.Text == text })
	if i < 0 && len(m.reasons) >= reasonsMax-1 {
		text = otherReasons
		i = slices.IndexFunc(m.reasons, func(r api.DrillReason) bool { return r.Text == text })
	}
	if i < 0 {
		i, m.reasons = len(m.reasons), append(m.reasons, api.DrillReason{Text: text})
	}
	m.reasons[i].Count++
}

// topReasons are the reasons, the most frequent first.
func (m *measure) topReasons() []api.DrillReason {
	all := append([]api.DrillReason{}, m.reasons...)
	slices.SortFunc(all, func(a, b api.DrillReason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// measured is how many probes said something of the listener.
func (m *measure) measured() uint64 { return m.sent - m.unsent }

// missing is how many probes should have been heard of and were not, counted to
// the newest one that was sent.
func (m *measure) missing() uint64 {
	if m.since == instant.Never || m.every <= 0 {
		return 0
	}
	if due := uint64(max(m.sentAt.Sub(m.since), 0) / m.every); due > m.sent {
		return due - m.sent
	}
	return 0
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
