package fleet_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// failer is a test, drawn or not.
type failer interface {
	Fatalf(string, ...any)
	Fatal(...any)
}

// world is a fleet with its hosts in virtual time: every probe takes a
// millisecond, every message arrives at once, and what is to go wrong is said.
type world struct {
	t      failer
	now    instant.Instant
	fleet  *fleet.Fleet
	hosts  map[string]*host.Host
	spec   *spec.Fleet
	second instant.Instant

	dead  map[string]bool // backends that answer no probe
	mute  map[string]bool // hosts that report nothing and hear nothing
	deaf  bool            // no fault order is answered
	stuck string          // why reverts fail
	begun map[string]bool // hosts that were told a spec
	began []string        // clients
	calls []call          // probes under way

	users    host.Reading
	words    *fleet.Words // the newest to be kept
	picture  *api.Status
	events   []api.Event
	receipts []api.Receipt
	probing  *fleet.ProbesOrder
	sampled  instant.Instant
	asks     int
	force    map[string]fleet.Adopt // faults in force, by their names
	reports  map[string]api.Drill   // of drills, as they are to be kept
	epoch    uint64
	kept     fleet.Keep               // the newest spec that was to be kept; Rev 0 none
	procs    map[string]fleet.Process // as they were told last
	lives    uint64                   // of hosts
}

type call struct {
	at   instant.Instant
	host string
	done probe.Finished
	who  string // address
}

const story = `
fleet: shop
sites:
  - name: tokyo
    hosts: [{name: h1}, {name: h2}]
probes:
  - {name: web, kind: tcp, interval: 500ms, timeout: 400ms, rise: 2, fall: 2, jitter: 0%, flap: {off: true}}
pools:
  - name: shop
    site: tokyo
    probe: web
    slow_start: 2s
    drain_for: 5s
    backends:
      - {name: b1, host: h1, port: 9001, service: {}}
      - {name: b2, host: h2, port: 9002, service: {}}
listeners:
  - {name: web, site: tokyo, protocol: http, port: 8080, pool: shop}
clients:
  - {name: users, listener: web, rate: 10}
drills:
  - {name: lose, why: a test, fault: {kind: kill, target: backend/any}, clients: users, objectives: {took: 2s}, hold: 3s, probe_every: 100ms}
`

func parse(t failer, text string) *spec.Fleet {
	s, err := spec.Parse("story.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newWorld(t failer, text string) *world { return nextWorld(t, text, nil) }

// nextWorld is one that goes on with what operators had set.
func nextWorld(t failer, text string, words []fleet.Word) *world {
	w := emptyWorld(t, text)
	w.fleet = fleet.New(fleet.Options{Origin: origin, World: api.WorldSimulation, Version: "v1"})
	w.tell(fleet.SetSpec{Fleet: w.spec, Text: text, Words: words})
	return w
}

var origin = instant.OriginAt(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))

func emptyWorld(t failer, text string) *world {
	return &world{
		t: t, hosts: map[string]*host.Host{}, dead: map[string]bool{}, mute: map[string]bool{}, begun: map[string]bool{},
		procs: map[string]fleet.Process{}, force: map[string]fleet.Adopt{}, reports: map[string]api.Drill{}, second: instant.Instant(time.Second), spec: parse(t, text),
	}
}

// tell tells the fleet and carries out what it asks.
func (w *world) tell(ev fleet.Event) {
	if p, ok := ev.(fleet.Process); ok {
		w.procs[p.Backend] = p
	}
	var out fleet.Effects
	w.fleet.Step(w.now, ev, &out)
	if out.Keep != nil {
		w.kept = *out.Keep
	}
	w.events = append(w.events, out.Events...)
	w.began = append(w.began, out.Begin...)
	if out.Picture != nil {
		w.picture = out.Picture
	}
	for _, a := range out.Answers {
		w.receipts = append(w.receipts, a.Receipt)
	}
	if out.Words != nil {
		w.words = out.Words
	}
	if out.Spec != nil {
		w.apply(out.Spec)
	}
	if out.StartProbes != nil {
		w.probing, w.sampled = out.StartProbes, w.now
	}
	if out.StopProbes {
		w.probing = nil
	}
	for _, d := range out.Reports {
		w.reports[d.Name] = d
	}
	for _, h := range out.Hosts {
		w.host(h.Host, h.Event)
	}
	for _, o := range out.Faults {
		w.fault(o)
	}
}

// succeed has another coordinator follow: it knows what was to be kept, and what
// hosts tell whoever is new.
func (w *world) succeed() {
	w.epoch++
	o := fleet.Options{Origin: origin, World: api.WorldSimulation, Version: "v1", Epoch: 1 + w.epoch, Ring: fmt.Sprintf("e%d", 1+w.epoch)}
	if n := len(w.events); n > 0 {
		o.Seq = w.events[n-1].Seq
	}
	w.fleet, w.probing = fleet.New(o), nil
	start := fleet.SetSpec{Fleet: w.spec, Text: story, Rev: max(w.kept.Rev, 1)}
	if w.kept.Rev > 0 {
		start.Text = w.kept.Text
	}
	if w.words != nil {
		start.Words = w.words.All
	}
	for _, n := range slices.Sorted(maps.Keys(w.reports)) {
		start.Reports = append(start.Reports, w.reports[n])
	}
	w.tell(start)
	for _, n := range slices.Sorted(maps.Keys(w.procs)) {
		w.tell(w.procs[n])
	}
	for _, n := range w.names() {
		w.connect(n)
	}
}

// connect has a host tell what is in force on it, as it tells whoever is new.
func (w *world) connect(name string) {
	for _, id := range slices.Sorted(maps.Keys(w.force)) {
		if x, ok := w.force[id]; ok && x.Host == name && !w.mute[name] {
			w.tell(x)
		}
	}
}

func (w *world) apply(s *spec.Fleet) {
	w.spec = s
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			if w.hosts[h.Name] == nil {
				w.hosts[h.Name] = w.born(h.Name, 1)
			}
		}
	}
	maps.DeleteFunc(w.hosts, func(name string, _ *host.Host) bool { h, _ := s.Host(name); return h == nil })
	for i := range s.Pools {
		for _, b := range s.Pools[i].Backends {
			if !w.begun[b.Name] {
				w.begun[b.Name] = true
				w.tell(fleet.Process{Backend: b.Name, PID: 1000 + len(w.begun), Running: true})
			}
		}
	}
}

func (w *world) fault(o fleet.FaultOrder) {
	if w.deaf {
		return
	}
	done := fleet.FaultDone{ID: o.ID, Revert: o.Revert, At: w.now}
	if o.Revert {
		done.Err = w.stuck
	}
	if done.Err == "" {
		if w.force[o.ID] = (fleet.Adopt{Host: o.Host, Order: o, By: o.By, Since: w.now}); o.Revert {
			delete(w.force, o.ID)
		}
		w.dead[o.Target.Name] = !o.Revert && (o.Kind == api.FaultKill || o.Kind == api.FaultFreeze)
	}
	w.tell(done)
	if done.Err == "" && o.Kind == api.FaultKill && w.begun[o.Target.Name] {
		p := fleet.Process{Backend: o.Target.Name, Reason: "killed"}
		if o.Revert {
			p = fleet.Process{Backend: o.Target.Name, PID: 2000, Running: true}
		}
		w.tell(p)
	}
}

// host tells a host and carries out what it asks.
func (w *world) host(name string, ev host.Event) {
	h := w.hosts[name]
	if h == nil || w.mute[name] {
		return
	}
	var out host.Effects
	h.Step(w.now, ev, &out)
	for _, l := range out.Launches {
		w.calls = append(w.calls, call{w.now.Add(time.Millisecond), name, probe.Finished{Target: l.Target, Attempt: l.Attempt}, l.Address})
	}
	if out.Table != nil {
		for _, l := range out.Table.Listeners {
			w.host(name, host.Bound{Listener: l.Spec.Name, Address: l.Bind, OK: true})
		}
	}
	if out.Table != nil || len(out.Notes) > 0 {
		w.report(name, true)
	}
	if len(out.Notes) > 0 {
		w.tell(fleet.Noted{Host: name, Notes: slices.Clone(out.Notes)})
	}
}

func (w *world) report(name string, changed bool) {
	if h := w.hosts[name]; h != nil && !w.mute[name] {
		w.tell(fleet.Report{Status: h.Status(w.now), Changed: changed})
	}
}

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.hosts)) }

// born begins another life of a host.
func (w *world) born(name string, seed uint64) *host.Host {
	w.lives++
	return host.New(host.Options{Name: name, Life: w.lives, Seed: seed})
}

// restart takes a host's memory.
func (w *world) restart(name string) {
	w.hosts[name] = w.born(name, 2)
	w.calls = slices.DeleteFunc(w.calls, func(c call) bool { return c.host == name })
	w.report(name, true)
}

func (w *world) ask(c api.Command, confirm string) api.Receipt {
	w.asks++
	w.tell(fleet.Ask{ID: fmt.Sprintf("r%d", w.asks), Request: api.Request{Command: c, By: api.Actor{Name: "ana"}, Confirm: confirm}})
	return w.receipts[len(w.receipts)-1]
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 1_000_000 {
			w.t.Fatalf("%s: nothing gets on; the fleet's deadline is %s", time.Duration(w.now), time.Duration(w.fleet.Deadline()))
		}
		next := min(w.fleet.Deadline(), w.second)
		for _, n := range w.names() {
			if !w.mute[n] {
				next = min(next, w.hosts[n].Deadline())
			}
		}
		for _, c := range w.calls {
			next = min(next, c.at)
		}
		if w.probing != nil {
			next = min(next, w.sampled.Add(w.probing.Every))
		}
		if next > end {
			break
		}
		w.now = max(w.now, next)
		w.due()
	}
	w.now = end
}

// due does what is due now.
func (w *world) due() {
	due := slices.Clone(w.calls)
	w.calls = slices.DeleteFunc(w.calls, func(c call) bool { return c.at <= w.now })
	for _, c := range due {
		if c.at > w.now {
			continue
		}
		c.done.Outcome = probe.Outcome{Verdict: probe.Pass, Latency: time.Millisecond}
		for i := range w.spec.Pools {
			for _, b := range w.spec.Pools[i].Backends {
				if b.AddrPort() == c.who && w.dead[b.Name] {
					c.done.Outcome = probe.Outcome{Verdict: probe.Fail, Latency: time.Millisecond, Reason: "connection refused"}
				}
			}
		}
		w.host(c.host, host.Probed{Finished: c.done})
	}
	for _, n := range w.names() {
		if w.hosts[n].Deadline() <= w.now {
			w.host(n, host.Wake{})
		}
	}
	if p := w.probing; p != nil && w.sampled.Add(p.Every) <= w.now {
		w.sampled = w.now
		w.tell(fleet.Sampled{Drill: p.Drill, Run: p.Run, Samples: []drill.Sample{{At: w.now, OK: true}}})
	}
	if w.second <= w.now {
		w.second = w.second.Add(time.Second)
		for _, n := range w.names() {
			w.report(n, false)
		}
		w.users.Totals.Requests += 10
		w.tell(fleet.ClientsRead{Name: "users", Reading: w.users})
	}
	if w.fleet.Deadline() <= w.now {
		w.tell(fleet.Wake{})
	}
}

// line says an event and what led to it.
func line(e api.Event) string {
	s := fmt.Sprintf("#%-3d %-6s %-14s %s", e.Seq, e.At.Sub(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)).Truncate(time.Second), e.Subject, e.Text)
	if e.Host != "" {
		s += " [" + e.Host + "]"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Cause > 0 {
		s += fmt.Sprintf(" ← #%d", e.Cause)
	}
	if e.Receipt != "" {
		s += " " + e.Receipt
	}
	return s
}

// show is the picture in short.
func (w *world) show() string {
	var b strings.Builder
	s := w.picture
	since := func(t time.Time) time.Duration { return t.Sub(s.Started).Truncate(time.Second) }
	fmt.Fprintf(&b, "%s at %s, rev %d, %s\n", s.Fleet, since(s.At), s.Rev, s.State)
	for _, x := range s.Sites {
		fmt.Fprintf(&b, "  site %-8s %-8s %-6s %s\n", x.Name, x.State, since(x.Since), x.Reason)
	}
	for _, x := range s.Hosts {
		fmt.Fprintf(&b, "  host %-8s %-8s %-6s %s\n", x.Name, x.State, since(x.Since), x.Reason)
	}
	for _, x := range s.Listeners {
		fmt.Fprintf(&b, "  lstn %-8s %-8s %-6s %s\n", x.Name, x.State, since(x.Since), x.Reason)
	}
	for _, x := range s.Pools {
		fmt.Fprintf(&b, "  pool %-8s %-8s %-6s %s\n", x.Name, x.State, since(x.Since), x.Reason)
	}
	for _, x := range s.Backends {
		fmt.Fprintf(&b, "  bknd %-8s %-8s %-6s %s %d%% weight %d: %s\n", x.Name, x.State, since(x.Since), x.Phase, int(100*x.Share), x.Weight, x.Reason)
	}
	for _, x := range s.Faults {
		fmt.Fprintf(&b, "  falt %-8s %-8s %-6s %s %s by %s: %s\n", x.ID, x.State, since(x.Since), x.Kind, x.Target, x.By, x.Reason)
	}
	for _, x := range s.Drills {
		fmt.Fprintf(&b, "  dril %-8s %-8s run %d %s\n", x.Name, x.Phase, x.Run, x.Reason)
	}
	for _, x := range s.Problems {
		fmt.Fprintf(&b, "  prob %-8s %-8s %-6s %s; %s ← #%d\n", x.Subject.Name, x.State, since(x.Since), x.Text, x.Effect, x.Cause)
	}
	return b.String()
}
