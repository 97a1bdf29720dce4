package fleet

import (
	"maps"
	"slices"
	"strings"
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

	// The rest is of a fleet of agents, where coordinators follow each other.

	// Host is the one whose agent keeps the picture, under the lease of Epoch.
	Host  string
	Epoch uint64
	// Ring names the numbering of events, which goes on after Seq.
	Ring string
	Seq  api.Seq
	// Observer is for an agent that is alone: it shows what it sees, refuses every
	// command, and orders nothing. Why says how that came, or how this host became
	// the coordinator.
	Observer bool
	Why      string
}

// Fleet is the picture of all hosts and the clerk of commands.
type Fleet struct {
	options Options
	started instant.Instant
	now     instant.Instant // of this Step
	spec    *spec.Fleet
	text    string
	rev     uint64
	// revisions that are kept, oldest first; the last is in force.
	revisions []api.Revision
	unkept    map[Record]unkept // what the disk lacks
	pools     map[string]string // by backend
	weights   map[string]int    // of the spec, by backend
	// listeners of the spec, by name.
	listeners map[string]*spec.Listener
	begun     map[string]bool // clients that use their listener
	changed   instant.Instant // when the spec did last

	hosts     map[string]*reporter
	processes map[string]Process
	clients   map[string]*clients
	series    map[id.Ref]*series
	states    map[id.Ref]*standing // of everything that has a state
	seq       api.Seq              // of the newest event

	operator  operator
	admission admission
	faults    []*fault // in the order they were asked for
	nextID    int
	drills    []*drill.Runner // in the spec's order
	running   *drill.Runner
	runFault  string // the running drill's fault; empty before it
	runs      map[string]int
	past      map[string]api.Drill // reports of runs of the fleet before this one
	kept      map[string]run       // by drill: what the world has of it
	began     api.Seq              // the event of the start
	runBy     api.Seq              // what its next doings follow from
	// runReceipt is of the command that began it, or ended it.
	runReceipt string

	agents   map[string]*agent   // by host
	sees     map[string]sees     // who sees which hosts and sites, by who sees
	replicas map[string]replicas // by host
	leaders  map[string]string   // by group: as the newest event said
	clocks   map[string]trouble  // that disagree, by host
	journals map[string]trouble  // that are not well, by host

	tick  instant.Instant  // the next one
	drawn instant.Instant  // the newest picture
	dirty bool             // it lacks something
	news  news             // what it lacks of the hosts
	views map[string]*view // by backend
	whole bool             // every backend is to be drawn anew, but for its votes
	ticks int              // seconds that ended
	// bindings by listener; one that is missing is to be drawn anew.
	bindings map[string]bindings
	probes   map[string]described // of the spec, by name, as far as they were drawn
	picture  *api.Status
}

// described is a probe in words.
type described struct {
	text      string
	detection time.Duration
}

// reporter is what is known of one host.
type reporter struct {
	report host.Status
	at     instant.Instant // when it came
	heard  bool
	gone   bool   // since its last report others are sure that it is not there, or not to be reached
	shown  bool   // as one that was heard of not long ago
	rev    uint64 // of the spec it was sent
	// ordered is when it was last sent a spec or an order.
	ordered instant.Instant
	told    map[id.Ref]api.Seq // the newest event of each subject that it told of
	// listeners and backends are what it counted.
	listeners, backends tallies
}

// backend is the host's report on one backend; nil without any.
func (m *reporter) backend(name string) *host.Backend {
	i, ok := slices.BinarySearchFunc(m.report.Backends, name, func(b host.Backend, n string) int { return strings.Compare(b.Name, n) })
	if !ok {
		return nil
	}
	return &m.report.Backends[i]
}

// clients is what is known of built-in traffic.
type clients struct {
	lastError string
	errorAt   instant.Instant
	tally     tally
}

// standing is the state of one thing and since when.
type standing struct {
	state    api.State
	word     string // what it is, where the state would not tell two things apart
	reason   string
	since    instant.Instant
	cause    api.Seq         // the newest event that concerns it
	by       id.Ref          // the thing that its state follows from; zero: itself
	said     api.State       // in the newest event of a change
	saidIn   api.Seq         // which event that was
	saidWord string          // of that event
	told     api.State       // in the newest event of its own: those of others stand for it too
	begun    instant.Instant // when it was first seen; 0 never

	// The newest event of what was done to it, or happened to its process, when,
	// and whether that made it worse.
	blame    api.Seq
	blameAt  instant.Instant
	blameBad bool
}

// New returns a Fleet that has no spec.
func New(o Options) *Fleet {
	return &Fleet{
		options: o, hosts: map[string]*reporter{}, processes: map[string]Process{}, clients: map[string]*clients{},
		series: map[id.Ref]*series{}, states: map[id.Ref]*standing{}, operator: newOperator(), unkept: map[Record]unkept{},
		seq: o.Seq, runs: map[string]int{}, past: map[string]api.Drill{}, kept: map[string]run{}, agents: map[string]*agent{}, sees: map[string]sees{}, replicas: map[string]replicas{}, leaders: map[string]string{}, clocks: map[string]trouble{}, journals: map[string]trouble{}, views: map[string]*view{}, bindings: map[string]bindings{}, probes: map[string]described{}, tick: instant.Never, begun: map[string]bool{},
	}
}

// Step tells the Fleet one event and adds what must be done to out.
func (f *Fleet) Step(now instant.Instant, ev Event, out *Effects) {
	f.now = now
	switch ev.(type) {
	case SetSpec, Ask, FaultDone, Adopt, Process, Admission, Admitted:
		f.whole = true
	case Report, Noted, ClientsRead, Sampled, Kept, Members, Groups, Clock, Agent, Wake: // they change backends by their reports only
	}
	switch ev := ev.(type) {
	case SetSpec:
		f.start(now, ev, out)
	case Kept:
		f.wasKept(now, ev, out)
	case Report:
		f.report(now, ev, out)
	case Noted:
		f.noted(ev, out)
	case Ask:
		f.ask(now, ev, out)
	case FaultDone:
		f.faultDone(now, ev, out)
	case Adopt:
		f.adopt(now, ev, out)
	case Members:
		f.seen(now, ev)
	case Groups:
		f.heardReplicas(now, ev)
	case Clock:
		f.measured(now, ev)
	case Agent:
		f.agentOf(ev.Host).version, f.dirty = ev.Version, true
	case Process:
		f.process(now, ev, out)
	case ClientsRead:
		f.clientsRead(now, ev)
	case Sampled:
		if r := f.running; r != nil && r.Name() == ev.Drill && f.runs[ev.Drill] == ev.Run {
			f.tellDrill(now, drill.Sampled{Samples: ev.Samples}, out)
		}
	case Admission:
		f.admission.picture, f.dirty = ev.Picture, true
	case Admitted:
		f.admitted(now, ev, out)
	case Wake:
	}
	if !f.options.Observer {
		f.expireFaults(now, out)
	}
	f.tellDrill(now, drill.Wake{}, out)
	f.keepReports(now, out)
	if f.tick.Reached(now) {
		f.second(now)
	}
	f.draw(now, out)
	if f.options.Observer {
		orderNothing(out)
	}
}

// Deadline is when the Fleet next wants Wake.
func (f *Fleet) Deadline() instant.Instant {
	next := f.tick
	if f.dirty && f.spec != nil {
		next = min(next, f.drawAt())
	}
	if !f.options.Observer {
		for _, x := range f.faults {
			next = min(next, x.deadline())
		}
	}
	if f.running != nil {
		next = min(next, f.running.Deadline())
	}
	return next
}

// Status returns the newest picture; nil before the first.
func (f *Fleet) Status() *api.Status { return f.picture }

// setSpec puts a spec into force. cause is the event that recorded who wanted it.
// It returns what operators had set that ends with it.
func (f *Fleet) setSpec(now instant.Instant, s *spec.Fleet, text string, cause api.Seq, out *Effects) []Word {
	before := f.spec
	f.spec, f.text = s, text
	f.rev++
	out.Spec = s
	lost := f.operator.reconcile(before, s)
	f.changed, f.pools, f.weights, f.listeners = now, map[string]string{}, map[string]int{}, map[string]*spec.Listener{}
	for i := range s.Listeners {
		f.listeners[s.Listeners[i].Name] = &s.Listeners[i]
	}
	for i := range s.Pools {
		for j := range s.Pools[i].Backends {
			f.pools[s.Pools[i].Backends[j].Name] = s.Pools[i].Name
			f.weights[s.Pools[i].Backends[j].Name] = s.Pools[i].Backends[j].WeightNow()
		}
	}
	maps.DeleteFunc(f.begun, func(name string, _ bool) bool { return s.ClientsOf(name) == nil })
	keep := map[string]bool{}
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			keep[h.Name] = true
			if f.hosts[h.Name] == nil {
				f.hosts[h.Name] = &reporter{at: now, told: map[id.Ref]api.Seq{}}
			}
			f.hosts[h.Name].rev, f.hosts[h.Name].ordered = f.rev, now
			out.Hosts = append(out.Hosts, ToHost{h.Name, host.SetSpec{Fleet: s, Rev: f.rev, Cause: cause}})
		}
	}
	for name := range f.hosts {
		if !keep[name] {
			for i := range f.hosts[name].report.Backends {
				f.unsee(f.hosts[name].report.Backends[i].Name, name)
			}
			f.hosts[name].listeners.reset(func(string) bool { return false })
			f.hosts[name].backends.reset(func(string) bool { return false })
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
	if r := f.running; r != nil && !slices.Contains(f.drills, r) {
		// It is seen until it has ended, whatever the spec says of it by then.
		f.drills = slices.DeleteFunc(f.drills, func(o *drill.Runner) bool { return o.Name() == r.Name() })
		f.drills = append(f.drills, r)
	}
	clear(f.bindings)
	clear(f.probes)
	f.recount()
	f.prune()
	f.keepDrill(now, before, cause, out)
	f.moveFaults(now, before, cause, out)
	f.dirty = true
	return lost
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
		if drawn := ref.Kind == id.KindGroup || ref.Kind == id.KindLink; !keep[ref] && !(drawn && f.picture != nil && f.picture.Exists(ref)) {
			delete(f.states, ref)
		}
	}
	maps.DeleteFunc(f.views, func(name string, _ *view) bool { return !keep[id.To(id.KindBackend, name)] })
	maps.DeleteFunc(f.processes, func(name string, _ Process) bool { return !keep[id.To(id.KindBackend, name)] })
	maps.DeleteFunc(f.clients, func(name string, _ *clients) bool { return !keep[id.To(id.KindClients, name)] })
	gone := func(host string) bool { return f.hosts[host] == nil }
	maps.DeleteFunc(f.agents, func(host string, _ *agent) bool { return gone(host) })
	maps.DeleteFunc(f.sees, func(host string, _ sees) bool { return gone(host) })
	maps.DeleteFunc(f.replicas, func(host string, _ replicas) bool { return gone(host) })
	maps.DeleteFunc(f.clocks, func(host string, _ trouble) bool { return gone(host) })
	maps.DeleteFunc(f.journals, func(host string, _ trouble) bool { return gone(host) })
	for _, m := range f.hosts {
		maps.DeleteFunc(m.told, func(ref id.Ref, _ api.Seq) bool { return !keep[ref] })
	}
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
	if c.tally.into == nil {
		c.tally.into = []*series{f.seriesOf(id.KindClients, ev.Name)}
	}
	c.tally.add(&ev.Reading)
}

// second ends a second of every series.
func (f *Fleet) second(now instant.Instant) {
	for _, s := range f.series {
		s.roll()
	}
	f.whole = true
	f.ticks++
	f.tick = f.tick.Add(tickEvery)
	if f.tick.Reached(now) { // the world slept; do not run after it
		f.tick = now.Add(tickEvery)
	}
	f.dirty = true
}
