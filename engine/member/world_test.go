package member_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
)

// world runs the members of a fleet in virtual time: links that delay, lose and
// are cut one way, hosts that die, agents that end, stop and pause.
type world struct {
	t      testing.TB
	rand   *rand.Rand
	now    instant.Instant
	queue  events
	seq    int
	hosts  []member.Host
	agents map[string]*agent
	cut    map[[2]string]bool // from, to
	loss   float64
	far    time.Duration // one way between sites
	sent   int
	trace  []string
	// check is called after each step of a running agent.
	check func(a *agent)
	set   member.Settings
}

type agent struct {
	host    member.Host
	m       *member.Member
	life    uint64
	up      bool // the machine is
	runs    bool // the agent does
	paused  bool
	waiting []member.Event // while it is paused
	wake    instant.Instant
	// changed is when it last changed its mind about a host.
	changed map[string]instant.Instant
}

type event struct {
	at  instant.Instant
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// newWorld starts every host of sites × each.
func newWorld(t testing.TB, seed uint64, sites, each int) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: instant.Instant(time.Second), agents: map[string]*agent{}, cut: map[[2]string]bool{}, far: 40 * time.Millisecond, set: member.Defaults()}
	for s := range sites {
		for h := range each {
			site := string(rune('a' + s))
			w.hosts = append(w.hosts, member.Host{Name: fmt.Sprintf("%s%d", site, h+1), Site: site})
		}
	}
	for _, h := range w.hosts {
		w.agents[h.Name] = &agent{host: h, up: true, changed: map[string]instant.Instant{}}
		w.at(time.Duration(w.rand.IntN(100))*time.Millisecond, func() { w.start(h.Name) })
	}
	return w
}

func (w *world) at(after time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(after), w.seq, do})
}

func (w *world) start(name string) {
	a := w.agents[name]
	if a.runs {
		return
	}
	a.up, a.runs, a.paused = true, true, false
	a.life++
	a.m = member.New(a.host, a.life, w.set)
	w.step(a, member.SetHosts{Hosts: w.hosts})
	w.step(a, member.Startup{})
}

func (w *world) step(a *agent, ev member.Event) {
	if !a.runs {
		return
	}
	if a.paused {
		if _, ok := ev.(member.Wake); !ok {
			a.waiting = append(a.waiting, ev)
		}
		return
	}
	var out member.Effects
	a.m.Step(w.now, ev, &out)
	for _, c := range out.Changes {
		a.changed[c.Host.Name] = w.now
		w.trace = append(w.trace, fmt.Sprintf("%8.3f %s: %s is %s, was %s (%s %s)", float64(w.now)/1e9, a.host.Name, c.Host.Name, c.To, c.From, c.Reason, c.By))
	}
	for _, s := range out.Sends {
		w.send(a, s)
	}
	for _, name := range out.Knocks {
		w.knock(a, name)
	}
	if d := a.m.Deadline(); d != instant.Never && d != a.wake {
		a.wake = d
		life := a.life
		w.at(max(d.Sub(w.now), 0), func() {
			if a.life == life && a.runs && a.m.Deadline() == d {
				w.step(a, member.Wake{})
			}
		})
	}
	if w.check != nil {
		w.check(a)
	}
}

func (w *world) delay(from, to member.Host) time.Duration {
	d := time.Duration(100+w.rand.IntN(900)) * time.Microsecond
	if from.Site != to.Site {
		d += w.far/2 + time.Duration(w.rand.Int64N(int64(w.far)))
	}
	return d
}

func (w *world) send(a *agent, s member.Send) {
	w.sent++
	to := w.agents[s.To]
	b := s.Report.Append(nil)
	r, err := member.ParseReport(b)
	if err != nil {
		w.t.Fatalf("a report of %s cannot be read: %v", a.host.Name, err)
	}
	if w.rand.Float64() < w.loss {
		return
	}
	w.at(w.delay(a.host, to.host), func() {
		if !w.cut[[2]string{a.host.Name, s.To}] {
			w.step(to, member.Heard{Report: r})
		}
	})
}

// knock is answered by a machine that is there.
func (w *world) knock(a *agent, name string) {
	to := w.agents[name]
	there, back := [2]string{a.host.Name, name}, [2]string{name, a.host.Name}
	w.at(w.delay(a.host, to.host)*2, func() {
		switch {
		case !to.up || w.cut[there] || w.cut[back]:
		case to.runs:
			w.step(a, member.Answered{Host: name})
		default:
			w.step(a, member.Refused{Host: name})
		}
	})
}

func (w *world) run(d time.Duration) {
	until := w.now.Add(d)
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// The faults.

func (w *world) kill(name string) { w.agents[name].up, w.agents[name].runs = false, false } // the machine
func (w *world) end(name string)  { w.agents[name].runs = false }                           // the agent, by SIGKILL
func (w *world) stop(name string) {
	w.step(w.agents[name], member.Shutdown{})
	w.agents[name].runs = false
}
func (w *world) pause(name string) { w.agents[name].paused = true }
func (w *world) resume(name string) {
	a := w.agents[name]
	a.paused = false
	all := a.waiting[:min(len(a.waiting), 500)] // a socket's buffer is not endless
	a.waiting = nil
	w.step(a, member.Wake{})
	for _, ev := range all {
		w.step(a, ev)
	}
}

// part cuts every link from those that is holds for to the others, one way.
func (w *world) part(is func(from, to member.Host) bool) {
	for _, a := range w.hosts {
		for _, b := range w.hosts {
			if is(a, b) {
				w.cut[[2]string{a.Name, b.Name}] = true
			}
		}
	}
}
func (w *world) heal() { clear(w.cut) }

func (w *world) status(by string) member.Status { return w.agents[by].m.Status(w.now) }

func (w *world) sees(by, of string) member.HostStatus {
	s := w.status(by)
	h, ok := s.Host(of)
	if !ok {
		w.t.Fatalf("%s does not know %s", by, of)
	}
	return h
}

// others lists the running hosts besides some.
func (w *world) others(besides ...string) []string {
	var all []string
	for _, h := range w.hosts {
		if a := w.agents[h.Name]; a.runs && !a.paused && !strings.Contains(strings.Join(besides, " "), h.Name) {
			all = append(all, h.Name)
		}
	}
	return all
}

// all requires that everybody of by sees of in a state.
func (w *world) all(what string, by []string, of string, want member.State) {
	w.t.Helper()
	for _, name := range by {
		if name == of {
			continue
		}
		if h := w.sees(name, of); h.State != want {
			w.t.Errorf("%s: %s says that %s is %s (%s), not %s", what, name, of, h.State, h.Reason, want)
		}
	}
	w.explain()
}

// calm requires that everybody sees everybody alive.
func (w *world) calm(what string) {
	w.t.Helper()
	for _, h := range w.hosts {
		if w.agents[h.Name].runs {
			w.all(what, w.others(), h.Name, member.StateAlive)
		}
	}
	for _, name := range w.others() {
		if s := w.status(name); s.Isolation != member.IsolationNone {
			w.t.Errorf("%s: %s says that it is isolated: %s", what, name, s.Isolation)
		}
		for _, s := range w.status(name).Sites {
			if s.State != member.StateAlive {
				w.t.Errorf("%s: %s says that site %s is %s (%s)", what, name, s.Site, s.State, s.Reason)
			}
		}
	}
	w.explain()
}

func (w *world) explain() {
	w.t.Helper()
	if w.t.Failed() {
		w.t.Fatalf("what was said:\n%s", strings.Join(w.trace, "\n"))
	}
}

// never requires that no line of the trace since a mark says a thing.
func (w *world) never(mark int, parts ...string) {
	w.t.Helper()
	for _, line := range w.trace[mark:] {
		hit := true
		for _, p := range parts {
			hit = hit && strings.Contains(line, p)
		}
		if hit {
			w.t.Fatalf("said: %s\nall of it:\n%s", line, strings.Join(w.trace, "\n"))
		}
	}
}
