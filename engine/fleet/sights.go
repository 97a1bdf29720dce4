package fleet

import (
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// view is what all hosts say of one backend, and how the newest picture shows
// it. Fifty hosts that probe a thousand backends say fifty thousand things a
// second, and next to nothing of it is new: a backend is drawn anew when a host
// says something else of it, and once a second for its numbers.
type view struct {
	sights []sight // by the host's name
	stale  bool    // what is drawn is not true any more
	sum    summary
	votes  []api.Vote // as drawn the last time; pictures share them
	drawn  api.Backend
}

// sight is one host's view of a backend.
type sight struct {
	from *reporter
	host string
	*host.Backend
}

// see takes a host's report to the views of its backends. before is its report
// before this one.
func (f *Fleet) see(name string, m *reporter, before []host.Backend) {
	for i := range m.report.Backends {
		b := &m.report.Backends[i]
		v := f.view(b.Name)
		if v == nil {
			continue
		}
		k, ok := v.find(name)
		if !ok {
			v.sights = slices.Insert(v.sights, k, sight{from: m, host: name, Backend: b})
			v.stale = true
			continue
		}
		s := &v.sights[k]
		v.stale = v.stale || s.from != m || !alike(s.Backend, b)
		s.from, s.Backend = m, b
	}
	if same := slices.EqualFunc(before, m.report.Backends, func(a, b host.Backend) bool { return a.Name == b.Name }); same {
		return
	}
	for i := range before {
		if m.backend(before[i].Name) == nil {
			f.unsee(before[i].Name, name)
		}
	}
}

// alike reports whether two sights look the same to people, but for the numbers
// and the strip that change with every probe.
func alike(a, b *host.Backend) bool {
	x, y := &a.Balance, &b.Balance
	p, q := &a.Probe, &b.Probe
	return x.Phase == y.Phase && x.Weight == y.Weight && x.Now == y.Now && x.Share == y.Share && x.Reason == y.Reason && x.DrainTo == y.DrainTo && x.Since == y.Since &&
		p.Health == q.Health && p.Reason == q.Reason && p.Warning == q.Warning && p.Since == q.Since
}

// unsee forgets what a host said of a backend.
func (f *Fleet) unsee(backend, name string) {
	v := f.views[backend]
	if v == nil {
		return
	}
	if k, ok := v.find(name); ok {
		v.sights, v.stale = slices.Delete(v.sights, k, k+1), true
	}
}

// view is the view of a backend of the spec; nil for others.
func (f *Fleet) view(backend string) *view {
	v := f.views[backend]
	if v == nil && f.pools[backend] != "" {
		v = &view{stale: true}
		f.views[backend] = v
	}
	return v
}

func (v *view) find(name string) (int, bool) {
	return slices.BinarySearchFunc(v.sights, name, func(s sight, n string) int { return strings.Compare(s.host, n) })
}

// bindings are what all hosts say of one listener, as the newest picture shows
// it.
type bindings struct {
	all                  []api.Binding
	bound, heard, silent int
	dead                 int    // others are sure that these hosts are not there
	lost                 bool   // nothing is wrong with it but that hosts are
	refusal              string // the first host's that has one
}

func (f *Fleet) bind(now instant.Instant, l *spec.Listener) bindings {
	k := bindings{all: make([]api.Binding, 0, len(l.Hosts))}
	for _, name := range slices.Sorted(slices.Values(l.Hosts)) {
		m := f.hosts[name]
		if m == nil || !m.heard {
			continue
		}
		i, ok := slices.BinarySearchFunc(m.report.Bindings, l.Name, func(b host.Binding, n string) int { return strings.Compare(b.Listener, n) })
		if !ok {
			continue
		}
		b := &m.report.Bindings[i]
		one := api.Binding{Host: name, Address: b.Address, Bound: b.Bound, Reason: b.Reason}
		switch {
		case !m.fresh(now) && f.dead(name):
			k.dead++
			one.Bound, one.Reason = false, f.says(name)
		case !m.fresh(now):
			k.silent++
			one.Reason = "the host is silent; this was so when it was last heard of"
		case b.Bound:
			k.heard, k.bound = k.heard+1, k.bound+1
		default:
			k.heard++
			if k.refusal == "" {
				k.refusal = name + ": " + b.Reason
			}
		}
		k.all = append(k.all, one)
	}
	k.lost = k.refusal == "" && k.dead+k.silent > 0 && f.options.Host != ""
	return k
}
