package fleet

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// tally is what one host counted of one listener or backend: it makes what was
// added of totals. Fifty hosts count a thousand backends each second, so it knows
// the series that it belongs to and looks nothing up.
type tally struct {
	name   string
	last   api.Totals
	active int64
	seen   bool      // in the newest readings
	known  bool      // into is right for the spec in force
	into   []*series // empty: the spec does not have it
}

// add takes a reading. One whose totals went back was restarted: what it has now
// is new.
func (t *tally) add(r *host.Reading) {
	last := t.last
	if r.Totals.Requests < last.Requests || r.Totals.InBytes < last.InBytes || r.Totals.Flows < last.Flows {
		last = api.Totals{}
	}
	t.last = r.Totals
	d := api.Totals{
		Requests: r.Totals.Requests - last.Requests, Errors: r.Totals.Errors - min(last.Errors, r.Totals.Errors),
		Retries: r.Totals.Retries - min(last.Retries, r.Totals.Retries), Flows: r.Totals.Flows - last.Flows,
		InBytes: r.Totals.InBytes - last.InBytes, OutBytes: r.Totals.OutBytes - min(last.OutBytes, r.Totals.OutBytes),
	}
	for _, s := range t.into {
		s.delta(&d, &r.Latency)
	}
	t.open(r.Active)
}

// open takes the number of open flows.
func (t *tally) open(n int64) {
	if n == t.active {
		return
	}
	for _, s := range t.into {
		s.open += n - t.active
	}
	t.active = n
}

// leave takes it out of its series.
func (t *tally) leave() {
	t.open(0)
	t.known, t.into = false, nil
}

// tallies are a host's of its listeners or of its backends, sorted by name.
type tallies []tally

// add takes readings, which are sorted by name. into are the series of a name.
// What the readings lack has no open flows; it is kept as long as the spec has it,
// because its totals go on when it comes back.
func (all *tallies) add(readings []host.Reading, into func(name string) []*series) {
	k := 0
	quiet := func() {
		t := &(*all)[k]
		t.open(0)
		t.seen = false
		k++
	}
	for i := range readings {
		r := &readings[i]
		if i > 0 && readings[i-1].Name >= r.Name {
			continue // no host of ours says such a thing
		}
		for k < len(*all) && (*all)[k].name != r.Name && (*all)[k].name < r.Name {
			quiet()
		}
		if k == len(*all) || (*all)[k].name != r.Name {
			*all = slices.Insert(*all, k, tally{name: r.Name})
		}
		t := &(*all)[k]
		if !t.known {
			t.known, t.into = true, into(r.Name)
		}
		t.seen = true
		t.add(r)
		k++
	}
	for k < len(*all) {
		quiet()
	}
}

// reset is for a new spec: what each one belongs to is to be looked up again, and
// those that nobody has any more are forgotten.
func (all *tallies) reset(has func(name string) bool) {
	for i := range *all {
		(*all)[i].leave()
	}
	*all = slices.DeleteFunc(*all, func(t tally) bool { return !t.seen && !has(t.name) })
}

// count adds a host's readings to every series they belong to.
func (f *Fleet) count(m *reporter, s *host.Status) {
	m.listeners.add(s.Readings.Listeners, func(name string) []*series {
		l := f.listeners[name]
		if l == nil {
			return nil
		}
		return []*series{f.seriesOf(id.KindListener, name), f.seriesOf(id.KindHost, s.Host), f.seriesOf(id.KindSite, l.Site)}
	})
	m.backends.add(s.Readings.Backends, func(name string) []*series {
		pool := f.pools[name]
		if pool == "" {
			return nil // it left the spec and has its last flows
		}
		return []*series{f.seriesOf(id.KindBackend, name), f.seriesOf(id.KindPool, pool)}
	})
}

// recount makes the tallies belong to the series of a new spec.
func (f *Fleet) recount() {
	for _, m := range f.hosts {
		m.listeners.reset(func(name string) bool { return f.listeners[name] != nil })
		m.backends.reset(func(name string) bool { return f.pools[name] != "" })
	}
}

func (f *Fleet) seriesOf(kind id.Kind, name string) *series {
	ref := id.To(kind, name)
	s, ok := f.series[ref]
	if !ok {
		s = &series{}
		f.series[ref] = s
	}
	return s
}
