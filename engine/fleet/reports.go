package fleet

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Whether a host is told again what its report lacks.
const (
	// orderAgain is how long an order may take to show in the host's report: one
	// report, and as much again on a busy machine.
	orderAgain = 2 * time.Second
	// notesWithin is how long a picture waits for the notes of a host whose report
	// changed.
	notesWithin = 10 * time.Millisecond
)

// report takes a host's status.
func (f *Fleet) report(now instant.Instant, ev Report, out *Effects) {
	s := ev.Status
	m, ok := f.hosts[s.Host]
	if !ok {
		return // it left the spec while its report was under way
	}
	if m.heard && (s.Life < m.report.Life || s.Life == m.report.Life && s.At < m.report.At) {
		return // it was overtaken on its way; another life has a clock of its own
	}
	fresh := !m.heard || s.Rev < m.rev || now.Sub(m.at) > staleAfter
	restarted := m.heard && s.Life > m.report.Life
	known := m.report.Backends
	counted := m.heard && s.Life == m.report.Life && s.Readings.Number == m.report.Readings.Number
	if !slices.Equal(m.report.Bindings, s.Bindings) || !m.heard {
		clear(f.bindings)
	}
	m.report, m.at, m.heard = s, now, true
	if a := f.agents[s.Host]; a != nil {
		f.gone(m, a)
	}
	if restarted && f.options.Host != "" {
		f.endFaults(now, s.Host, out)
	}
	f.see(s.Host, m, known)
	switch late := now.Sub(m.ordered) >= orderAgain; {
	case s.Rev < m.rev && (restarted || late):
		// It was restarted, or the spec was lost on its way.
		m.ordered = now
		out.Hosts = append(out.Hosts, ToHost{s.Host, host.SetSpec{Fleet: f.spec, Rev: f.rev}})
		for _, o := range f.operator.all(f.hostsBackends(s.Host)) {
			out.Hosts = append(out.Hosts, ToHost{s.Host, o})
		}
	case s.Rev == m.rev && late:
		if lost := f.operator.lost(s.Backends, f.weights); len(lost) > 0 {
			m.ordered = now
			for _, o := range lost {
				out.Hosts = append(out.Hosts, ToHost{s.Host, o})
			}
		}
	}
	if !counted {
		f.count(m, &s)
	}
	if f.dirty = f.dirty || fresh || ev.Changed; ev.Changed {
		f.news.came(now)
	}
	f.observe(now, out)
}
