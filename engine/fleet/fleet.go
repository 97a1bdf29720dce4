package fleet

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Times of the picture.
const (
	// PictureEvery is the least time between two pictures.
	PictureEvery = 100 * time.Millisecond
	// tickEvery is how often rates are worked out, and a picture made although
	// nothing happened.
	tickEvery = time.Second
	// staleAfter is how old a host's report may be before its state is unknown:
	// three reports.
	staleAfter = 3 * time.Second
)

// Options of New.
type Options struct {
	Origin  instant.Origin
	World   api.World
	Version string // of the program, for the drills' reports
}

// Fleet is the picture of all hosts and the clerk of commands.
type Fleet struct {
	options Options
	started instant.Instant
	now     instant.Instant // of this Step
	spec    *spec.Fleet
	text    string
	rev     uint64
	pools   map[string]string // by backend
	begun   map[string]bool   // clients that use their listener
	changed instant.Instant   // when the spec did last

	hosts     map[string]*member
	processes map[string]Process
	clients   map[string]*clients
	series    map[id.Ref]*series
	states    map[id.Ref]*standing // of everything that has a state
	ring      ring

	operator operator
	faults   []*fault // in the order they were asked for
	nextID   int
	drills   []*drill.Runner // in the spec's order
	running  *drill.Runner
	runFault string // the running drill's fault
	runs     map[string]int
	runBy    api.Seq

	tick    instant.Instant // the next one
	drawn   instant.Instant // the newest picture
	dirty   bool
	picture *api.Status
}

// member is what is known of one host.
type member struct {
	report host.Status
	at     instant.Instant // when it came
	heard  bool
	rev    uint64 // of the spec it was sent
}

// clients is what is known of built-in traffic.
type clients struct {
	lastError string
	errorAt   instant.Instant
}

// standing is the state of one thing and since when.
type standing struct {
	state  api.State
	reason string
	since  instant.Instant
	cause  api.Seq         // the newest event that concerns it
	said   api.State       // in the newest event of a change
	begun  instant.Instant // when it was first seen; 0 never

	blame   api.Seq         // the newest event of what was done to it
	blameAt instant.Instant // when
}

// New returns a Fleet that has no spec.
func New(o Options) *Fleet {
	return &Fleet{
		options: o, hosts: map[string]*member{}, processes: map[string]Process{}, clients: map[string]*clients{},
		series: map[id.Ref]*series{}, states: map[id.Ref]*standing{}, operator: newOperator(),
		runs: map[string]int{}, tick: instant.Never, begun: map[string]bool{},
	}
}

// Step tells the Fleet one event and adds what must be done to out.
func (f *Fleet) Step(now instant.Instant, ev Event, out *Effects) {
	f.now = now
	switch ev := ev.(type) {
	case SetSpec:
		f.started, f.tick = now, now.Add(tickEvery)
		f.setSpec(now, ev.Fleet, ev.Text, out)
		f.emit(api.Event{
			At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
			Text: fmt.Sprintf("started: %d sites, %d hosts, %d listeners", len(f.spec.Sites), len(f.hosts), len(f.spec.Listeners)),
		}, out)
	case Report:
		f.report(now, ev, out)
	case Noted:
		f.noted(ev, out)
	case Ask:
		f.ask(now, ev, out)
	case FaultDone:
		f.faultDone(now, ev, out)
	case Process:
		f.process(now, ev, out)
	case ClientsRead:
		f.clientsRead(now, ev)
	case Sampled:
		if r := f.running; r != nil && r.Name() == ev.Drill && f.runs[ev.Drill] == ev.Run {
			f.tellDrill(now, drill.Sampled{Samples: ev.Samples}, out)
		}
	case Wake:
	}
	f.expireFaults(now, out)
	f.tellDrill(now, drill.Wake{}, out)
	if f.tick.Reached(now) {
		f.second(now)
	}
	f.draw(now, out)
}

// Deadline is when the Fleet next wants Wake.
func (f *Fleet) Deadline() instant.Instant {
	next := f.tick
	if f.dirty {
		next = min(next, max(f.drawn.Add(PictureEvery), f.drawn))
	}
	for _, x := range f.faults {
		next = min(next, x.deadline())
	}
	if f.running != nil {
		next = min(next, f.running.Deadline())
	}
	return next
}

// Status returns the newest picture; nil before the first.
func (f *Fleet) Status() *api.Status { return f.picture }

// setSpec puts a spec into force.
func (f *Fleet) setSpec(now instant.Instant, s *spec.Fleet, text string, out *Effects) {
	before := f.spec
	f.spec, f.text = s, text
	f.rev++
	out.Spec = s
	f.operator.reconcile(before, s)
	f.changed, f.pools = now, map[string]string{}
	for i := range s.Pools {
		for j := range s.Pools[i].Backends {
			f.pools[s.Pools[i].Backends[j].Name] = s.Pools[i].Name
		}
	}
	maps.DeleteFunc(f.begun, func(name string, _ bool) bool { return s.ClientsOf(name) == nil })
	keep := map[string]bool{}
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			keep[h.Name] = true
			if f.hosts[h.Name] == nil {
				f.hosts[h.Name] = &member{at: now}
			}
			f.hosts[h.Name].rev = f.rev
			out.Hosts = append(out.Hosts, ToHost{h.Name, host.SetSpec{Fleet: s, Rev: f.rev}})
		}
	}
	for name := range f.hosts {
		if !keep[name] {
			delete(f.hosts, name)
		}
	}
	old := f.drills
	f.drills = nil
	for i := range s.Drills {
		r := drill.New(s.Drills[i])
		// A report outlives a change of the spec that leaves its drill alone.
		if j := slices.IndexFunc(old, func(o *drill.Runner) bool { return o.Name() == s.Drills[i].Name }); j >= 0 && old[j].Spec() == s.Drills[i] {
			r = old[j]
		}
		f.drills = append(f.drills, r)
	}
	f.prune()
	f.dirty = true
}

// beginAfter is how long clients wait for a listener that does not serve: then
// that is what they are there to see.
const beginAfter = 5 * time.Second

// begin lets clients begin once their listener serves. The first moments of a
// fleet, in which no probe has passed yet, are nobody's outage.
func (f *Fleet) begin(now instant.Instant, out *Effects) {
	for i := range f.spec.Clients {
		c := &f.spec.Clients[i]
		l, ok := f.picture.Listener(c.Listener)
		if f.begun[c.Name] || !ok {
			continue
		}
		p, ok := f.picture.Pool(l.Pool)
		if l.State == api.StateOK && (!ok || p.State == api.StateOK) || now.Sub(f.changed) >= beginAfter {
			f.begun[c.Name] = true
			out.Begin = append(out.Begin, c.Name)
		}
	}
}

// prune forgets the series and states of what is gone.
func (f *Fleet) prune() {
	keep := map[id.Ref]bool{}
	for i := range f.spec.Sites {
		keep[id.To(id.KindSite, f.spec.Sites[i].Name)] = true
		for _, h := range f.spec.Sites[i].Hosts {
			keep[id.To(id.KindHost, h.Name)] = true
		}
	}
	for i := range f.spec.Pools {
		keep[id.To(id.KindPool, f.spec.Pools[i].Name)] = true
		for _, b := range f.spec.Pools[i].Backends {
			keep[id.To(id.KindBackend, b.Name)] = true
		}
	}
	for i := range f.spec.Listeners {
		keep[id.To(id.KindListener, f.spec.Listeners[i].Name)] = true
	}
	for i := range f.spec.Clients {
		keep[id.To(id.KindClients, f.spec.Clients[i].Name)] = true
	}
	keep[id.To(id.KindFleet, f.spec.Name)] = true
	for ref := range f.series {
		if !keep[ref] {
			delete(f.series, ref)
		}
	}
	for ref := range f.states {
		if !keep[ref] {
			delete(f.states, ref)
		}
	}
	for name := range f.processes {
		if !keep[id.To(id.KindBackend, name)] {
			delete(f.processes, name)
		}
	}
}

// report takes a host's status.
func (f *Fleet) report(now instant.Instant, ev Report, out *Effects) {
	s := ev.Status
	m, ok := f.hosts[s.Host]
	if !ok {
		return // it left the spec while its report was under way
	}
	fresh := !m.heard || s.Rev < m.rev
	first := s.Rev < m.rev && m.heard && s.Rev == 0
	m.report, m.at, m.heard = s, now, true
	if first {
		// It was restarted: it has no spec and no word of any operator.
		out.Hosts = append(out.Hosts, ToHost{s.Host, host.SetSpec{Fleet: f.spec, Rev: f.rev}})
		for _, o := range f.operator.orders() {
			out.Hosts = append(out.Hosts, ToHost{s.Host, o})
		}
	}
	f.count(s)
	f.dirty = f.dirty || fresh || ev.Changed
	f.observe(now, out)
}

// count adds a host's readings to every series they belong to.
func (f *Fleet) count(s host.Status) {
	for i := range s.Readings.Listeners {
		r := &s.Readings.Listeners[i]
		l := f.spec.Listener(r.Name)
		if l == nil {
			continue
		}
		source := s.Host + "/" + r.Name
		f.seriesOf(id.KindListener, r.Name).add(source, r)
		f.seriesOf(id.KindHost, s.Host).add(source, r)
		f.seriesOf(id.KindSite, l.Site).add(source, r)
	}
	for i := range s.Readings.Backends {
		r := &s.Readings.Backends[i]
		source := s.Host + "/" + r.Name
		f.seriesOf(id.KindBackend, r.Name).add(source, r)
		if pool := f.pools[r.Name]; pool != "" {
			f.seriesOf(id.KindPool, pool).add(source, r)
		}
	}
}

func (f *Fleet) seriesOf(kind id.Kind, name string) *series {
	ref := id.To(kind, name)
	s, ok := f.series[ref]
	if !ok {
		s = newSeries()
		f.series[ref] = s
	}
	return s
}

// noted numbers a host's notes.
func (f *Fleet) noted(ev Noted, out *Effects) {
	seqs := make([]api.Seq, len(ev.Notes))
	for i, n := range ev.Notes {
		e := n.Event
		e.At, e.Host = f.options.Origin.Wall(n.At), ev.Host
		if n.After > 0 && n.After <= i {
			e.Cause = seqs[n.After-1]
		} else if st, ok := f.states[e.Subject]; ok && e.Cause == 0 && n.At.Sub(st.blameAt) <= blameFor {
			e.Cause = st.blame
		}
		seqs[i] = f.emit(e, out).Seq
	}
	f.dirty = true
}

// emit numbers an event and remembers it as the cause of what its subject does
// next.
func (f *Fleet) emit(e api.Event, out *Effects) api.Event {
	e = f.ring.add(e)
	out.Events = append(out.Events, e)
	if e.Subject.Kind == id.KindBackend || e.Subject.Kind == id.KindListener {
		f.standing(e.Subject).cause = e.Seq
		if pool := f.pools[e.Subject.Name]; e.Subject.Kind == id.KindBackend && pool != "" {
			f.standing(id.To(id.KindPool, pool)).cause = e.Seq
		}
	}
	if e.Subject.Kind == id.KindBackend && (e.Lane == api.LaneFault || e.Lane == api.LanePeople || e.Lane == api.LaneFleet) {
		st := f.standing(e.Subject)
		st.blame, st.blameAt = e.Seq, f.now
	}
	f.dirty = true
	return e
}

// blameFor is how long what was done to a backend, or happened to its process,
// counts as the cause of what its probes find: longer than any detection.
const blameFor = time.Minute

func (f *Fleet) standing(ref id.Ref) *standing {
	s, ok := f.states[ref]
	if !ok {
		s = &standing{state: api.StateUnknown, since: f.started}
		f.states[ref] = s
	}
	return s
}

func (f *Fleet) process(now instant.Instant, ev Process, out *Effects) {
	before := f.processes[ev.Backend]
	f.processes[ev.Backend] = ev
	f.dirty = true
	if before.Running == ev.Running && before.PID == ev.PID {
		return
	}
	e := api.Event{At: f.options.Origin.Wall(now), Subject: id.To(id.KindBackend, ev.Backend), Lane: api.LaneFleet, State: api.StateOK, Text: "its process was started"}
	if !ev.Running {
		e.State, e.Text, e.Reason = api.StateDown, "its process ended", ev.Reason
	}
	if before.PID == 0 && before.Backend == "" {
		return // the first start of a fleet is no news
	}
	if x := f.faultOn(e.Subject); x != nil {
		e.Cause = x.cause
	}
	f.emit(e, out)
}

func (f *Fleet) clientsRead(now instant.Instant, ev ClientsRead) {
	c, ok := f.clients[ev.Name]
	if !ok {
		c = &clients{}
		f.clients[ev.Name] = c
	}
	if ev.LastError != "" {
		c.lastError, c.errorAt = ev.LastError, now
	}
	f.seriesOf(id.KindClients, ev.Name).add(ev.Name, &ev.Reading)
}

// second ends a second of every series.
func (f *Fleet) second(now instant.Instant) {
	for _, s := range f.series {
		s.roll()
	}
	f.tick = f.tick.Add(tickEvery)
	if f.tick.Reached(now) { // the world slept; do not run after it
		f.tick = now.Add(tickEvery)
	}
	f.dirty = true
}
