package sim

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/sim/agenda"
)

// World is one simulated fleet. It belongs to one goroutine.
type World struct {
	knobs Knobs
	rand  *rand.Rand
	now   instant.Instant
	queue agenda.Queue
	trace trace
	steps int

	spec   *spec.Fleet // in force
	site   site        // that it was drawn from, where it was
	fleet  *loop[fleet.Event, fleet.Effects]
	engine *fleet.Fleet
	hosts  []*simHost // sorted by name
	keeper *keeper
	net    *network
	users  *users
	people *people
	truth  *truth
	checks *checks
	plant  plant

	epoch   uint64               // of the coordinator, from 1
	kept    fleet.SetSpec        // what the next one begins with
	reports map[string]api.Drill // of drills, for it too
	picture *api.Status
	revs    []api.Revision                 // that the fleet keeps
	revise  func([]api.Revision)           // for whoever looks; nil: nobody does yet
	publish func(*api.Status, []api.Event) // for whoever watches; nil: nobody does yet
	begun   []api.Event                    // before anybody did
	healed  bool
	stalls  time.Duration // of the fleet's loop, all together
	failure error
}

// origin is the wall-clock time of instant zero: a fixed one, so that pictures
// are the same each time.
var origin = instant.OriginAt(time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC))

// newWorld makes a fleet of a spec and starts it.
func newWorld(k Knobs, r *rand.Rand, s *spec.Fleet, text string, lines io.Writer, p plant) *World {
	w := &World{knobs: k, rand: r, spec: s, trace: newTrace(lines), plant: p}
	w.net = &network{world: w, blocked: map[link]instant.Instant{}, ordered: map[string]instant.Instant{}}
	w.keeper = &keeper{world: w}
	w.users = &users{world: w, groups: map[string]*group{}}
	w.truth = newTruth(w)
	w.checks = newChecks(w)
	w.people = newPeople(w)
	w.engine = fleet.New(fleet.Options{Origin: origin, World: api.WorldSimulation})
	w.fleet = &loop[fleet.Event, fleet.Effects]{
		world: w, machine: w.engine, wake: fleet.Wake{}, reset: (*fleet.Effects).Reset, before: w.before, after: w.carry,
	}
	if p.ask != nil {
		w.fleet.alter = func(ev fleet.Event) fleet.Event {
			if a, ok := ev.(fleet.Ask); ok {
				return p.ask(w, a)
			}
			return ev
		}
	}
	w.trace.text(k.String())
	w.trace.text(text)
	w.epoch, w.kept, w.reports = 1, fleet.SetSpec{Fleet: s, Text: text, Rev: 1}, map[string]api.Drill{}
	w.fleet.take(fleet.SetSpec{Fleet: s, Text: text})
	w.users.flows()
	w.tick()
	return w
}

// late is how far behind its deadline a wake comes.
func (w *World) late() time.Duration { return between(w.rand, 0, w.knobs.LateMax) }

// fail ends a run: the first promise that was broken is the one to look at.
func (w *World) fail(check, format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf("%s: at %.4fs: %s", check, float64(w.now)/1e9, fmt.Sprintf(format, args...))
		w.trace.say(w.now, "FAILED %v", w.failure)
	}
}

// advance lets everything happen up to an instant.
func (w *World) advance(to instant.Instant) {
	for w.failure == nil && w.queue.Next() <= to {
		e := w.queue.Take()
		w.now = max(w.now, e.At)
		e.Do()
	}
	if w.failure == nil {
		w.now = max(w.now, to)
	}
}

// tick lets checkers look at what takes time.
func (w *World) tick() {
	w.queue.Add(w.now.Add(tickEvery), func() {
		w.checks.tick()
		w.tick()
	})
}

// tickEvery is how often that is.
const tickEvery = 100 * time.Millisecond

func (w *World) host(name string) *simHost {
	i, ok := slices.BinarySearchFunc(w.hosts, name, func(h *simHost, n string) int { return compare(h.name, n) })
	if !ok {
		return nil
	}
	return w.hosts[i]
}

func compare(a, b string) int { return cmp.Compare(a, b) }

// nameAt is the backend that a probe of an address reaches; a UDP service may
// have the address of a TCP one.
func (w *World) nameAt(address string, kind spec.ProbeKind) string {
	for _, p := range w.keeper.children {
		if p.address == address && (p.kind == string(spec.ServiceUDP)) == (kind == spec.ProbeUDP) {
			return p.name
		}
	}
	return address
}

// tellFleet hands an event to the fleet's loop.
func (w *World) tellFleet(ev fleet.Event) {
	if done, ok := ev.(fleet.FaultDone); ok && w.plant.done != nil {
		ev = w.plant.done(w, done)
	}
	w.fleet.tell(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax), ev)
}

// fromHost hands a host's event to the fleet's loop. A blocked link loses
// reports, of which another will come, and holds everything else up.
func (w *World) fromHost(name string, ev fleet.Event) {
	at := w.now.Add(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax))
	if until := w.net.blocked[link{name, fleetEnd}]; until > w.now {
		if _, ok := ev.(fleet.Report); ok {
			return
		}
		at = max(at, until)
	}
	w.fleet.tellAt(at, ev)
}

// drillReport is what the fleet says of a drill now.
func (w *World) drillReport(name string) api.Drill {
	if d, ok := w.engine.Status().Drill(name); ok {
		return *d
	}
	return api.Drill{}
}

// before lets the checkers see what the fleet is told.
func (w *World) before(ev fleet.Event) { w.checks.fleetTold(ev) }

// carry carries out what the fleet asks for.
func (w *World) carry(ev fleet.Event, out *fleet.Effects) {
	if w.plant.fleet != nil {
		w.plant.fleet(w, ev, out)
	}
	w.keep(out)
	if out.Spec != nil {
		w.apply(out.Spec)
	}
	w.checks.fleet(ev, out)
	for _, h := range out.Hosts {
		w.toHost(h.Host, h.Event)
	}
	for _, o := range out.Faults {
		w.keeper.order(o)
	}
	w.users.begin(out.Begin)
	if out.StartProbes != nil {
		w.users.startProbes(*out.StartProbes)
	}
	if out.StopProbes {
		w.users.stopProbes()
	}
	for _, e := range out.Events {
		w.trace.say(w.now, "#%d %s %s %s: %s %s (%d)", e.Seq, e.Host, e.Subject, e.State, e.Text, e.Reason, e.Cause)
	}
	if out.Revisions != nil {
		if w.revs = out.Revisions; w.revise != nil {
			w.revise(w.revs)
		}
	}
	if out.Picture != nil {
		w.picture = out.Picture
		w.trace.mark(w.now, string(out.Picture.State), uint64(out.Picture.Seq))
	}
	if w.publish != nil {
		w.publish(out.Picture, out.Events)
	} else if w.now == 0 {
		w.begun = append(w.begun, out.Events...)
	}
	for _, a := range out.Answers {
		w.people.answered(a.Receipt)
	}
}

// toHost hands an event to a host, whichever life of it there is by then.
func (w *World) toHost(name string, ev host.Event) {
	h := w.host(name)
	if h == nil {
		return
	}
	w.queue.Add(w.net.inOrder(name), func() {
		if h.down {
			return
		}
		h.loop.take(ev)
	})
}

// apply brings hosts, processes and clients to what a spec says.
func (w *World) apply(s *spec.Fleet) {
	w.spec = s
	wanted := map[string]bool{}
	for i := range s.Sites {
		for _, x := range s.Sites[i].Hosts {
			wanted[x.Name] = true
			if w.host(x.Name) == nil {
				h := &simHost{world: w, name: x.Name}
				w.hosts = append(w.hosts, h)
				slices.SortFunc(w.hosts, func(a, b *simHost) int { return strings.Compare(a.name, b.name) })
				h.boot()
			}
		}
	}
	w.hosts = slices.DeleteFunc(w.hosts, func(h *simHost) bool {
		if !wanted[h.name] {
			h.crash()
		}
		return !wanted[h.name]
	})
	w.keeper.apply(s)
	w.users.apply(s)
	w.truth.refresh()
}
