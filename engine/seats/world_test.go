package seats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/seats"
)

// tick is how often every host looks.
const tick = 5 * time.Second

// world is a fleet whose replicas do as engine/replica promises: a change makes
// learners first, and counts when all of them are alive and majorities of the old
// and of the new voters are.
type world struct {
	fail    func(string, ...any)
	now     instant.Instant
	sites   []seats.Site
	hosts   []*machine
	groups  map[replica.GroupID]*group
	origins []seats.Origin
	changes int
	busy    bool // something happened in this round
}

type machine struct {
	name  string
	site  string
	seats *seats.Seats
	state member.State
	since instant.Instant
	join  bool
	left  bool // it was removed once, and what it founded before does not count
}

type group struct {
	members []replica.Member
	next    uint64
	leader  string
	broken  map[string]bool // hosts whose replica does not get anywhere
}

// newWorld makes sites of so many hosts: a1 a2, b1 …; a negative number is a
// witness site. Its first host founds the fleet.
func newWorld(t interface{ Fatalf(string, ...any) }, sizes ...int) *world {
	w := &world{fail: t.Fatalf, now: instant.Instant(time.Hour), groups: map[replica.GroupID]*group{}}
	for i, n := range sizes {
		site := seats.Site{Name: string(rune('a' + i)), Witness: n < 0}
		for h := range max(n, -n) {
			name := fmt.Sprintf("%s%d", site.Name, h+1)
			site.Hosts = append(site.Hosts, name)
			w.hosts = append(w.hosts, &machine{name: name, site: site.Name, seats: seats.New(name), state: member.StateAlive, since: w.now, join: true})
		}
		w.sites = append(w.sites, site)
	}
	w.origins = []seats.Origin{{Group: seats.Fleet, Host: "a1"}}
	return w
}

func (w *world) host(name string) *machine {
	for _, m := range w.hosts {
		if m.name == name {
			return m
		}
	}
	return nil
}

func (w *world) set(name string, state member.State) {
	m := w.host(name)
	if m.state != state {
		m.state, m.since = state, w.now
	}
}

func (w *world) up(name string) bool {
	m := w.host(name)
	return m != nil && m.state == member.StateAlive
}

// run lets time go by: everybody looks after each change, and when a deadline
// comes.
func (w *world) run(d time.Duration) {
	until := w.now.Add(d)
	for w.now.Before(until) {
		w.busy = false
		w.elect()
		next := until
		for _, m := range w.hosts {
			if m.state == member.StateAlive {
				w.step(m, seats.Look{View: w.view(m)})
				next = min(next, m.seats.Deadline())
			}
		}
		w.advance()
		if w.busy {
			next = 0
		}
		w.now = min(until, max(next, w.now.Add(tick)))
	}
	w.elect()
}

// elect gives each group a leader if most of its voters are alive.
func (w *world) elect() {
	for _, g := range w.groups {
		if !w.quorate(g.voters()) {
			g.leader = ""
		} else if !w.leads(g, g.leader) {
			g.leader = ""
			w.busy = true
			for _, m := range g.members {
				if m.Role == replica.Voter && w.leads(g, m.Host) {
					g.leader = m.Host
					break
				}
			}
		}
	}
}

func (w *world) leads(g *group, host string) bool {
	return w.up(host) && slices.ContainsFunc(g.members, func(m replica.Member) bool { return m.Host == host && m.Role == replica.Voter && !m.Witness })
}

func (w *world) quorate(voters []string) bool {
	up := 0
	for _, v := range voters {
		if w.up(v) {
			up++
		}
	}
	return up > len(voters)/2
}

func (g *group) voters() []string {
	var all []string
	for _, m := range g.members {
		if m.Role == replica.Voter {
			all = append(all, m.Host)
		}
	}
	return all
}

func (w *world) view(m *machine) seats.View {
	v := seats.View{Sites: w.sites}
	for _, o := range w.hosts {
		v.Hosts = append(v.Hosts, seats.Host{Name: o.name, Joined: o.join, State: o.state, Since: o.since})
	}
	for name, g := range w.groups {
		if !slices.ContainsFunc(g.members, func(x replica.Member) bool { return x.Host == m.name }) {
			continue
		}
		st := replica.GroupStatus{Group: name, Leads: g.leader == m.name, Leader: g.leader, Last: 1000}
		for _, x := range g.members {
			if x.Host == m.name {
				st.Member = x.ID
			}
			ms := replica.MemberStatus{Member: x}
			if st.Leads && w.up(x.Host) && !g.broken[x.Host] {
				ms.Active, ms.Match = true, 1000
			}
			st.Members = append(st.Members, ms)
		}
		v.Groups = append(v.Groups, st)
	}
	for _, o := range w.origins {
		if o.Group != seats.Fleet || o.Host == m.name {
			v.Origins = append(v.Origins, o)
		}
	}
	return v
}

func (w *world) step(m *machine, ev seats.Event) {
	var out seats.Effects
	m.seats.Step(w.now, ev, &out)
	w.busy = w.busy || len(out.Creates)+len(out.Founds)+len(out.Names)+len(out.Changes) > 0
	for _, c := range out.Creates {
		if g := w.groups[c.Group]; g != nil && !w.host(g.members[0].Host).left {
			w.fail("%s is founded twice", c.Group)
		}
		w.groups[c.Group] = &group{members: []replica.Member{{ID: 1, Host: m.name, Role: replica.Voter, Goal: replica.Voter}}, next: 2, leader: m.name, broken: map[string]bool{}}
		w.step(m, seats.Ended{Group: c.Group})
	}
	for _, f := range out.Founds {
		if o := w.origin(f.Group); o.Host == m.name {
			o.Founded = true
		}
	}
	for _, n := range out.Names {
		switch o := w.origin(n.Group); {
		case o == nil && n.Was == "":
			w.origins = append(w.origins, seats.Origin{Group: n.Group, Host: n.Host})
		case o != nil && o.Host == n.Was && !o.Founded:
			o.Host = n.Host
		}
	}
	for _, c := range out.Changes {
		w.change(m, c)
	}
}

func (w *world) origin(group replica.GroupID) *seats.Origin {
	for i := range w.origins {
		if w.origins[i].Group == group {
			return &w.origins[i]
		}
	}
	return nil
}

func (w *world) change(m *machine, c seats.Change) {
	g := w.groups[c.Group]
	if g.leader != m.name {
		w.fail("%s changes %s, which %s leads", m.name, c.Group, g.leader)
	}
	w.changes++
	var voters []string
	for i := range g.members {
		g.members[i].Goal = replica.None
	}
	for _, s := range c.Seats {
		voters = append(voters, s.Host)
		if i := slices.IndexFunc(g.members, func(x replica.Member) bool { return x.Host == s.Host }); i >= 0 {
			if g.members[i].Witness != s.Witness {
				w.fail("%s: %s changes its kind in place", c.Group, s.Host)
			}
			g.members[i].Goal = replica.Voter
			continue
		}
		g.members = append(g.members, replica.Member{ID: g.next, Host: s.Host, Role: replica.Learner, Goal: replica.Voter, Witness: s.Witness})
		g.next++
	}
	if !w.quorate(voters) {
		w.fail("%s is to have the voters %v, of whom too few are alive", c.Group, voters)
	}
	w.step(m, seats.Ended{Group: c.Group})
}

// advance lets changes count.
func (w *world) advance() {
	for _, g := range w.groups {
		ready := g.leader != ""
		var next []string
		for _, m := range g.members {
			if m.Goal == replica.Voter {
				next = append(next, m.Host)
				ready = ready && (m.Role == replica.Voter || w.up(m.Host) && !g.broken[m.Host])
			}
		}
		if !ready || !w.quorate(g.voters()) || !w.quorate(next) {
			continue
		}
		was := slices.Clone(g.members)
		g.members = slices.DeleteFunc(g.members, func(m replica.Member) bool { return m.Goal == replica.None })
		for i := range g.members {
			g.members[i].Role = replica.Voter
		}
		w.busy = w.busy || !slices.Equal(was, g.members)
	}
}

// is checks who votes; a witness is written in brackets.
func (w *world) is(t *testing.T, group replica.GroupID, want string) {
	t.Helper()
	if got := w.votersOf(group); got != want {
		t.Errorf("%s has the voters %q, want %q", group, got, want)
	}
}

func (w *world) votersOf(group replica.GroupID) string {
	var all []string
	if g := w.groups[group]; g != nil {
		for _, m := range g.members {
			if m.Role == replica.Voter && m.Witness {
				all = append(all, "("+m.Host+")")
			} else if m.Role == replica.Voter {
				all = append(all, m.Host)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// troubles says what the leader of a group has to say about it.
func (w *world) troubles(group replica.GroupID) string {
	var all []string
	if g := w.groups[group]; g != nil && g.leader != "" {
		for _, p := range w.host(g.leader).seats.Status() {
			if p.Group == group {
				for _, x := range p.Troubles {
					all = append(all, string(x.Reason)+" "+x.Detail)
				}
			}
		}
	}
	return strings.Join(all, ", ")
}
