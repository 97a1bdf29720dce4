package host

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Host is the deciders of one host.
type Host struct {
	name     string
	life     uint64
	site     string
	rev      uint64
	prober   *probe.Prober
	balancer *balance.Balancer
	bindings []Binding // sorted by listener
	readings Readings
	backends map[string]*spec.Backend // of the pools served
	unprobed map[string]bool          // of them, those whose pool has no probe

	probed   probe.Effects
	balanced balance.Effects
}

// Options of New.
type Options struct {
	Name string
	// Life numbers the lives of this host: each start has a greater one.
	Life uint64
	Seed uint64 // of the probes' jitter
}

// New returns a Host that serves nothing until it is told its spec.
func New(o Options) *Host {
	return &Host{name: o.Name, life: o.Life, prober: probe.New(o.Seed), balancer: balance.New(), backends: map[string]*spec.Backend{}}
}

// Step tells the Host one event and adds what must be done to out.
func (h *Host) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case SetSpec:
		h.setSpec(now, ev, out)
	case Probed:
		h.probe(now, ev.Finished, why{}, out)
	case Saw:
		h.balance(now, ev.Outcomes, why{}, out)
	case Flows:
		h.balance(now, ev.Active, why{}, out)
	case Bound:
		h.bound(now, ev, out)
	case Order:
		h.order(now, ev, out)
	case Measured:
		ev.Readings.Number = h.readings.Number + 1
		h.readings = ev.Readings
	case Wake:
		h.probe(now, probe.Wake{}, why{}, out)
		h.balance(now, balance.Wake{}, why{}, out)
	}
}

// Deadline is when the Host next wants Wake.
func (h *Host) Deadline() instant.Instant {
	return min(h.prober.Deadline(), h.balancer.Deadline())
}

// why says what led to an event: a command's record, or an earlier note.
type why struct {
	seq     api.Seq
	after   int
	by      string
	receipt string
	quiet   bool // what follows is no news
	follows bool // nothing new led to it
}

// note adds a note and returns its place, from 1.
func (h *Host) note(now instant.Instant, out *Effects, because why, ev api.Event) int {
	ev.Site, ev.Cause, ev.By, ev.Receipt = h.site, because.seq, because.by, because.receipt
	out.Notes = append(out.Notes, Note{At: now, Event: ev, After: because.after, Follows: because.follows && because.seq == 0 && because.after == 0})
	return len(out.Notes)
}

// probe tells the prober and passes on what it found.
func (h *Host) probe(now instant.Instant, ev probe.Event, because why, out *Effects) {
	h.probed.Reset()
	h.prober.Step(now, ev, &h.probed)
	out.Launches = append(out.Launches, h.probed.Launches...)
	for _, c := range h.probed.Changes {
		h.health(now, c, because, out)
	}
}

// health takes a change of a backend's health to the balancer.
func (h *Host) health(now instant.Instant, c probe.Change, because why, out *Effects) {
	set := balance.SetHealth{Backend: c.Subject, Health: c.Health, Reason: c.Reason}
	if c.Health.Forced == "" && c.Before.Forced == "" && c.Before.Effective != api.Down && c.Health.Effective != api.Down {
		// That a fresh target is well is no news, and neither is what follows.
		h.balance(now, set, why{quiet: true}, out)
		return
	}
	because.follows = c.Health.Effective != api.Down
	text := sentence(c.Health)
	if h.unprobed[c.Subject] && c.Health.Forced == "" {
		text = "counts as up"
	}
	n := h.note(now, out, because, api.Event{
		Subject: id.To(id.KindBackend, c.Subject), Lane: api.LaneHealth, State: stateOf(c.Health.Effective),
		Text: text, Reason: c.Reason,
	})
	h.balance(now, set, why{after: n, by: because.by, receipt: because.receipt}, out)
}

// sentence says a health in words.
func sentence(h api.Health) string {
	switch {
	case h.Forced != "":
		return fmt.Sprintf("is forced %s, probes say %s", h.Forced, h.Measured)
	case h.Effective == api.Up:
		return "passes its probes"
	case h.Effective == api.Down:
		return "fails its probes"
	}
	return "is not measured"
}

func stateOf(m api.Measure) api.State {
	switch m {
	case api.Up:
		return api.StateOK
	case api.Down:
		return api.StateDown
	case api.Unknown:
	}
	return api.StateUnknown
}

// balance tells the balancer and passes on what it decided.
func (h *Host) balance(now instant.Instant, ev balance.Event, because why, out *Effects) {
	h.balanced.Reset()
	h.balancer.Step(now, ev, &h.balanced)
	e := &h.balanced
	if e.Table != nil {
		out.Table = e.Table
	}
	out.Cut = append(out.Cut, e.Cut...)
	for _, c := range e.Changes {
		if because.quiet || c.Before == "" {
			continue // a fresh backend's first phases are no news
		}
		because.follows = c.Phase != api.PhaseEjected && c.Phase != api.PhaseOut
		h.note(now, out, because, api.Event{
			Subject: id.To(id.KindBackend, c.Backend), Lane: api.LanePool, State: PhaseState(c.Phase),
			Text: phaseText(c), Reason: c.Reason,
		})
	}
	for _, c := range e.Panics {
		state, text := api.StateOK, "uses only its usable backends again"
		if c.Panic {
			state, text = api.StateDegraded, "panics: it uses all its backends"
		}
		because.follows = !c.Panic
		h.note(now, out, because, api.Event{Subject: id.To(id.KindPool, c.Pool), Lane: api.LanePool, State: state, Text: text, Reason: c.Reason})
	}
}

// PhaseState is how a backend's phase looks to people.
func PhaseState(p api.Phase) api.State {
	switch p {
	case api.PhaseServing, api.PhaseStandby:
		return api.StateOK
	case api.PhaseRising, api.PhaseDraining, api.PhaseDrained, api.PhaseEjected, api.PhaseIdle:
		return api.StateDegraded
	case api.PhaseOut:
		return api.StateDown
	}
	return api.StateUnknown
}

func phaseText(c balance.Change) string {
	switch c.Phase {
	case api.PhaseServing:
		if c.Before == api.PhaseRising {
			return "has its full weight again"
		}
		return "takes flows"
	case api.PhaseRising:
		return "is back, by slow start"
	case api.PhaseStandby:
		return "stands by"
	case api.PhaseDraining:
		return "drains"
	case api.PhaseDrained:
		return "is drained"
	case api.PhaseEjected:
		return "is ejected"
	case api.PhaseOut:
		return "is out of its pool"
	case api.PhaseIdle:
		return "takes no flows"
	}
	return string(c.Phase)
}

func (h *Host) setSpec(now instant.Instant, ev SetSpec, out *Effects) {
	h.rev = ev.Rev
	if _, site := ev.Fleet.Host(h.name); site != nil {
		h.site = site.Name
	}
	set := balance.SetSpec{Bind: map[string]string{}}
	served := map[string]bool{}
	serve := func(pool string) {
		if p := ev.Fleet.Pool(pool); p != nil && !served[pool] {
			served[pool] = true
			set.Pools = append(set.Pools, *p)
		}
	}
	for i := range ev.Fleet.Listeners {
		l := &ev.Fleet.Listeners[i]
		if !slices.Contains(l.Hosts, h.name) {
			continue
		}
		address := l.Address
		if address == "" {
			if own, _ := ev.Fleet.Host(h.name); own != nil {
				address = own.Address
			}
		}
		set.Listeners = append(set.Listeners, *l)
		set.Bind[l.Name] = spec.AddrPort(address, l.Port)
		serve(l.Pool)
		for _, r := range l.SNI {
			serve(r.Pool)
		}
	}
	var subjects []probe.Subject
	unprobed := map[string]bool{}
	h.backends = map[string]*spec.Backend{}
	for i := range set.Pools {
		p := &set.Pools[i]
		check := ev.Fleet.Probe(p.Probe)
		for j := range p.Backends {
			b := &p.Backends[j]
			h.backends[b.Name] = b
			if check == nil {
				unprobed[b.Name] = true
				continue
			}
			port := b.Port
			if check.Port != 0 {
				port = check.Port
			}
			subjects = append(subjects, probe.Subject{Name: b.Name, Address: spec.AddrPort(b.Address, port), Probe: *check})
		}
	}
	h.setBindings(now, set)
	because := why{seq: ev.Cause}
	forced := map[string]api.Measure{} // of backends that get their first probe now
	for _, x := range subjects {
		if f := h.balancer.Health(x.Name).Forced; f != "" && h.unprobed[x.Name] {
			forced[x.Name] = f
		}
	}
	h.unprobed = unprobed
	h.balance(now, set, because, out)
	for _, name := range slices.Sorted(maps.Keys(unprobed)) {
		h.trust(now, name, h.balancer.Health(name).Forced, because, out)
	}
	h.probe(now, probe.SetSubjects{Subjects: subjects}, because, out)
	for _, s := range h.prober.Status() {
		// A backend that is new to the balancer, in another pool or at another
		// address, may have a health that is not.
		if h.balancer.Health(s.Subject) != s.Health {
			h.balance(now, balance.SetHealth{Backend: s.Subject, Health: s.Health, Reason: s.Reason}, why{quiet: true}, out)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(forced)) {
		h.probe(now, probe.Force{Subject: name, Health: forced[name]}, because, out)
	}
}

// trust sets the health of a backend that nobody measures: it counts as up
// unless it is forced.
func (h *Host) trust(now instant.Instant, name string, forced api.Measure, because why, out *Effects) {
	before, reason := h.balancer.Health(name), "its pool has no probe"
	if forced != "" {
		reason = fmt.Sprintf("forced %s by an operator; its pool has no probe", forced)
	}
	health := api.Combine(api.Up, forced)
	if health == before {
		return
	}
	h.health(now, probe.Change{Subject: name, Health: health, Before: before, Reason: reason}, because, out)
}

// notBoundYet is the reason of a listener whose Bound has not come.
const notBoundYet = "not bound yet"

// setBindings keeps what is known of the listeners that stay.
func (h *Host) setBindings(now instant.Instant, set balance.SetSpec) {
	old := h.bindings
	h.bindings = nil
	for _, l := range set.Listeners {
		b := Binding{Listener: l.Name, Address: set.Bind[l.Name], Reason: notBoundYet, Since: now}
		if i := slices.IndexFunc(old, func(o Binding) bool { return o.Listener == b.Listener && o.Address == b.Address }); i >= 0 {
			b = old[i]
		}
		h.bindings = append(h.bindings, b)
	}
	slices.SortFunc(h.bindings, func(a, b Binding) int { return cmp.Compare(a.Listener, b.Listener) })
}

func (h *Host) bound(now instant.Instant, ev Bound, out *Effects) {
	// An answer about another address is one to an older table.
	i := slices.IndexFunc(h.bindings, func(b Binding) bool { return b.Listener == ev.Listener && b.Address == ev.Address })
	if i < 0 {
		return
	}
	b := &h.bindings[i]
	if b.Bound == ev.OK && b.Reason == ev.Reason {
		return
	}
	fresh := b.Reason == notBoundYet
	b.Bound, b.Reason, b.Since = ev.OK, ev.Reason, now
	if fresh && ev.OK {
		return // that a fresh listener listens is no news
	}
	state, text := api.StateOK, "listens on "+ev.Address
	if !ev.OK {
		state, text = api.StateDown, "cannot listen on "+ev.Address
	}
	h.note(now, out, why{follows: ev.OK}, api.Event{Subject: id.To(id.KindListener, ev.Listener), Lane: api.LaneFleet, State: state, Text: text, Reason: ev.Reason})
}

// order carries out a command's part.
func (h *Host) order(now instant.Instant, ev Order, out *Effects) {
	because := why{seq: ev.Cause, by: ev.By, receipt: ev.Receipt}
	switch c := ev.Command.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			h.balance(now, balance.SetWeight{Backend: w.Backend, Weight: w.Weight}, because, out)
		}
	case api.Drain:
		for _, name := range h.targets(c.Target) {
			h.balance(now, balance.Drain{Backend: name, For: c.For}, because, out)
		}
	case api.Undrain:
		for _, name := range h.targets(c.Target) {
			h.balance(now, balance.Undrain{Backend: name}, because, out)
		}
	case api.Force:
		h.force(now, c.Backend, c.Health, because, out)
	case api.Unforce:
		h.force(now, c.Backend, "", because, out)
	case api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
		// The fleet's own; it does not send them.
	}
}

func (h *Host) force(now instant.Instant, name string, m api.Measure, because why, out *Effects) {
	if _, ok := h.backends[name]; !ok {
		return
	}
	if h.unprobed[name] {
		h.trust(now, name, m, because, out)
		return
	}
	h.probe(now, probe.Force{Subject: name, Health: m}, because, out)
}

// targets are the served backends that a target stands for, sorted.
func (h *Host) targets(target id.Ref) []string {
	var names []string
	for name, b := range h.backends {
		if target == id.To(id.KindBackend, name) || target == id.To(id.KindHost, b.Host) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Status returns the host's report.
func (h *Host) Status(now instant.Instant) Status {
	s := Status{Host: h.name, Life: h.life, At: now, Rev: h.rev, Bindings: slices.Clone(h.bindings), Readings: h.readings, Panics: h.balancer.Panics()}
	probes := h.prober.Status()
	for _, b := range h.balancer.Status() {
		one := Backend{Name: b.Backend, Balance: b}
		if i, ok := slices.BinarySearchFunc(probes, b.Backend, func(p probe.Status, n string) int { return cmp.Compare(p.Subject, n) }); ok {
			one.Probe = probes[i]
		} else {
			one.Probe = probe.Status{Subject: b.Backend, Health: h.balancer.Health(b.Backend), Since: b.Since, Reason: b.Reason, HeldTo: instant.Never}
		}
		s.Backends = append(s.Backends, one)
	}
	return s
}
