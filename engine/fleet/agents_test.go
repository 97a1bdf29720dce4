package fleet_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/storytest"
)

// agents is a world of agents: each host judges the others by heartbeats, which
// links between sites let through or not, and one of them keeps the picture.
type agents struct {
	*world
	me      string // who keeps the picture
	epoch   uint64
	members map[string]*member.Member
	life    uint64
	gone    map[string]string  // hosts that are dead or stopped, and which of it
	cut     map[[2]string]bool // one site does not hear the other
	lead    map[string]string  // group: host
	terms   map[string]uint64  // of groups
	mutes   map[string]replica.Reason
	told    instant.Instant
}

const wide = `
fleet: shop
sites:
  - name: tokyo
    hosts: [{name: t1}, {name: t2}]
  - name: osaka
    hosts: [{name: o1}, {name: o2}]
  - name: seoul
    hosts: [{name: s1}, {name: s2}]
probes:
  - {name: web, kind: tcp, interval: 500ms, timeout: 400ms, rise: 2, fall: 2, jitter: 0%, flap: {off: true}}
pools:
  - {name: tokyo, site: tokyo, probe: web, backends: [{name: tb, host: t1, port: 9001, service: {}}, {name: tc, host: t2, port: 9001, service: {}}]}
  - {name: osaka, site: osaka, probe: web, backends: [{name: ob, host: o1, port: 9001, service: {}}]}
  - {name: seoul, site: seoul, probe: web, backends: [{name: sb, host: s1, port: 9001, service: {}}]}
listeners:
  - {name: tokyo, site: tokyo, protocol: http, port: 8080, pool: tokyo}
  - {name: osaka, site: osaka, protocol: http, port: 8080, pool: osaka}
  - {name: seoul, site: seoul, protocol: http, port: 8080, pool: seoul}
clients:
  - {name: users, listener: tokyo, rate: 10}
drills:
  - {name: lose, why: a test, fault: {kind: kill, target: backend/tb}, clients: users, objectives: {took: 2s}, hold: 3s, probe_every: 100ms}
`

var seats = map[string][]string{"fleet": {"o1", "s1", "t1"}, "site/tokyo": {"t1", "t2"}}

func newAgents(t failer) *agents {
	a := &agents{
		world: emptyWorld(t, wide), members: map[string]*member.Member{}, gone: map[string]string{}, cut: map[[2]string]bool{},
		lead: map[string]string{"fleet": "t1", "site/tokyo": "t1"}, terms: map[string]uint64{"fleet": 2, "site/tokyo": 2}, mutes: map[string]replica.Reason{},
	}
	a.act("t1", 1, "")
	for _, n := range a.names() {
		a.join(n)
	}
	return a
}

// act makes a host the coordinator; epoch 0 an observer.
func (a *agents) act(me string, epoch uint64, why string) {
	o := fleet.Options{Origin: origin, World: api.WorldAgent, Version: "v1", Host: me, Epoch: epoch, Ring: fmt.Sprintf("e%d", epoch), Why: why}
	if epoch == 0 {
		o.Observer, o.Ring = true, "alone:"+me
	} else if n := len(a.events); n > 0 {
		o.Seq = a.events[n-1].Seq
	}
	a.me, a.epoch, a.fleet, a.probing = me, epoch, fleet.New(o), nil
	start := fleet.SetSpec{Fleet: a.spec, Text: wide, Rev: 7}
	if a.words != nil {
		start.Words = a.words.All
	}
	for _, n := range slices.Sorted(maps.Keys(a.reports)) {
		start.Reports = append(start.Reports, a.reports[n])
	}
	a.reach()
	a.tell(start)
	for _, id := range slices.Sorted(maps.Keys(a.force)) {
		if x := a.force[id]; a.hears(x.Host, me) {
			a.tell(x)
		}
	}
	for _, n := range a.names() {
		a.report(n, true)
	}
}

func (a *agents) site(host string) string {
	_, s := a.spec.Host(host)
	return s.Name
}

// hears reports whether what one host says reaches another.
func (a *agents) hears(from, to string) bool {
	return a.gone[from] == "" && a.gone[to] == "" && !a.cut[[2]string{a.site(from), a.site(to)}]
}

// reach mutes the hosts that whoever keeps the picture cannot reach.
func (a *agents) reach() {
	for _, n := range a.names() {
		a.mute[n] = n != a.me && !(a.hears(n, a.me) && a.hears(a.me, n)) || a.gone[n] != ""
	}
}

func (a *agents) join(name string) {
	a.life++
	m := member.New(member.Host{Name: name, Site: a.site(name)}, a.life, member.Defaults())
	a.members[name] = m
	var all []member.Host
	for _, n := range a.names() {
		all = append(all, member.Host{Name: n, Site: a.site(n)})
	}
	a.member(name, member.SetHosts{Hosts: all})
	a.member(name, member.Startup{})
}

func (a *agents) member(name string, ev member.Event) {
	var out member.Effects
	a.members[name].Step(a.now, ev, &out)
	for _, s := range out.Sends {
		if a.hears(name, s.To) && a.members[s.To] != nil {
			a.member(s.To, member.Heard{Report: s.Report})
		}
	}
	for _, k := range out.Knocks {
		if near := a.site(k) == a.site(name); near && a.gone[k] == "stopped" {
			a.member(name, member.Refused{Host: k})
		}
	}
	if len(out.Changes) > 0 && name == a.me {
		a.tell(fleet.Members{Status: a.members[name].Status(a.now)})
	}
}

// pass lets time pass.
func (a *agents) pass(d time.Duration) {
	const step = 50 * time.Millisecond
	for end := a.now.Add(d); a.now < end; {
		a.reach()
		a.run(step)
		for _, n := range a.names() {
			if a.gone[n] == "" && a.members[n].Deadline() <= a.now {
				a.member(n, member.Wake{})
			}
		}
		if a.now.Sub(a.told) < time.Second {
			continue
		}
		a.told = a.now
		for _, n := range a.names() {
			if !a.mute[n] {
				a.tell(fleet.Members{Status: a.members[n].Status(a.now)})
				a.tell(fleet.Groups{Host: n, Status: a.replicas(n)})
			}
		}
	}
}

// replicas are a host's replicas: who leads is said by the story.
func (a *agents) replicas(name string) replica.Status {
	st := replica.Status{Host: name, Mute: a.mutes[name]}
	for _, g := range slices.Sorted(maps.Keys(seats)) {
		if !slices.Contains(seats[g], name) {
			continue
		}
		leader := a.lead[g]
		s := replica.GroupStatus{Group: replica.GroupID(g), Member: uint64(1 + slices.Index(seats[g], name)), Leads: leader == name, Leader: leader, Term: a.terms[g], Last: 100, Applied: 100}
		if leader != "" && !a.hears(leader, name) {
			s.Leader = ""
		}
		for i, h := range seats[g] {
			m := replica.MemberStatus{Member: replica.Member{ID: uint64(1 + i), Host: h, Role: replica.Voter, Goal: replica.Voter}}
			if s.Leads {
				m.Active, m.Match, m.Whole = a.hears(h, name) && a.hears(name, h), 100, true
			}
			s.Members = append(s.Members, m)
		}
		st.Groups = append(st.Groups, s)
	}
	return st
}

// TestAgentStories tells each testdata/agents/*.txt, in a fleet of three sites of
// two agents.
func TestAgentStories(t *testing.T) {
	storytest.RunIn(t, "testdata/agents", func(t *testing.T) storytest.Do {
		a, known, answers := newAgents(t), 0, 0
		return func(words []string, said *strings.Builder) {
			a.do(t, words, said)
			for ; answers < len(a.receipts); answers++ {
				r := a.receipts[answers]
				fmt.Fprintf(said, "%s ok=%v %s", r.ID, r.OK, r.Done)
				for _, no := range r.Refusals {
					fmt.Fprintf(said, " %s;", no)
				}
				said.WriteString("\n")
			}
			for ; known < len(a.events); known++ {
				said.WriteString(line(a.events[known]) + "\n")
			}
		}
	})
}

func (a *agents) do(t *testing.T, words []string, said *strings.Builder) {
	rest := words[1:]
	for len(rest) < 3 {
		rest = append(rest, "")
	}
	span := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	switch words[0] {
	case "pass":
		a.pass(span(rest[0]))
	case "show":
		said.WriteString(a.show() + a.showAgents())
	case "kill": // the machine is gone
		a.gone[rest[0]] = "dead"
	case "stop": // the agent, with a goodbye
		a.member(rest[0], member.Shutdown{})
		a.gone[rest[0]] = "stopped"
	case "crash": // the agent, without
		a.gone[rest[0]] = "stopped"
	case "start":
		delete(a.gone, rest[0])
		a.join(rest[0])
		a.hosts[rest[0]] = a.born(rest[0], 3)
		a.reach()
		a.report(rest[0], true)
	case "cut": // SITE SITE: neither hears the other
		a.cut[[2]string{rest[0], rest[1]}], a.cut[[2]string{rest[1], rest[0]}] = true, true
	case "deafen": // SITE SITE: the first does not hear the second
		a.cut[[2]string{rest[1], rest[0]}] = true
	case "mend":
		clear(a.cut)
	case "lead": // GROUP HOST
		a.lead[rest[0]] = rest[1]
		a.terms[rest[0]]++
	case "mutes": // HOST REASON
		a.mutes[rest[0]] = replica.Reason(rest[1])
	case "clock": // HOST OFFSET RTT
		a.tell(fleet.Clock{Host: rest[0], Offset: span(rest[1]), RTT: span(rest[2])})
	case "act": // HOST: becomes the coordinator
		a.act(rest[0], a.epoch+1, strings.Join(rest[1:], " "))
	case "alone":
		a.act(rest[0], 0, strings.TrimSpace(strings.Join(rest[1:], " ")))
	case "rev": // HOST: its report lacks the newest spec
		a.host(rest[0], host.SetSpec{Fleet: a.spec, Rev: 6})
	default:
		a.world.do(t, words, said)
	}
}

// showAgents is what the picture shows of agents.
func (a *agents) showAgents() string {
	var b strings.Builder
	s := a.picture
	since := func(t time.Time) time.Duration { return t.Sub(origin.Wall(0)).Truncate(time.Second) }
	c := s.Coordinator
	fmt.Fprintf(&b, "  %s %s epoch %d ring %s through %s: %s\n", c.Kind, c.Host, c.Epoch, s.Ring, s.Through, c.Reason)
	for _, x := range s.Hosts {
		fmt.Fprintf(&b, "  agnt %-8s %-9s %-6s %s", x.Name, x.Agent.State, since(x.Agent.Since), x.Agent.Reason)
		if x.Agent.By != "" {
			fmt.Fprintf(&b, ", says %s", x.Agent.By)
		}
		fmt.Fprintf(&b, "; journal %s\n", x.Agent.Journal)
	}
	for _, x := range s.Links {
		fmt.Fprintf(&b, "  link %-12s %-8s %-6s %s", x.Name, x.State, since(x.Since), x.Reason)
		if x.Via != "" {
			fmt.Fprintf(&b, ", via %s", x.Via)
		}
		if x.Latency > 0 {
			fmt.Fprintf(&b, ", %s", x.Latency)
		}
		b.WriteString("\n")
	}
	for _, x := range s.Groups {
		fmt.Fprintf(&b, "  grop %-10s %-8s %-6s term %d: %s\n", x.Name, x.State, since(x.Since), x.Term, x.Reason)
	}
	return b.String()
}
