package seats_test

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/seats"
	"pgregory.net/rapid"
)

// Hosts die, stop, come back, are removed and added, and replicas get stuck, in
// any order. The world fails a change that would leave a group without a majority,
// one that its host does not lead, and a group that is founded twice. Once all is
// calm the changes end, and every group that still has a majority has the seats
// that it is to have.
func TestSeatsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := []int{rapid.IntRange(1, 4).Draw(t, "first")}
		for range rapid.IntRange(0, 5).Draw(t, "more") {
			sizes = append(sizes, rapid.SampledFrom([]int{-1, 1, 2, 3, 4}).Draw(t, "size"))
		}
		w := newWorld(t, sizes...)
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			m := rapid.SampledFrom(w.hosts).Draw(t, "host")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				w.set(m.name, rapid.SampledFrom([]member.State{member.StateDead, member.StateStopped, member.StateCut, member.StateSuspected}).Draw(t, "state"))
			case 2:
				w.set(m.name, member.StateAlive)
			case 3:
				if m.name != "a1" || w.groups[seats.Fleet] != nil {
					m.join, m.left = !m.join, true
				}
			case 4:
				w.move(m)
			case 5:
				for _, g := range w.groups {
					if voters := g.voters(); !slices.Contains(voters, m.name) {
						g.broken[m.name] = !g.broken[m.name]
					}
				}
			}
			w.run(rapid.SampledFrom([]time.Duration{tick, 4 * tick, time.Minute, seats.DeadFor}).Draw(t, "for"))
		}
		for _, g := range w.groups {
			clear(g.broken)
		}
		if rapid.Bool().Draw(t, "all come back") {
			for _, m := range w.hosts {
				w.set(m.name, member.StateAlive)
			}
		}
		w.run(2 * seats.LearnFor)
		before := w.changes
		w.run(2 * seats.LearnFor)
		if w.changes != before {
			t.Fatalf("%d changes more when all was calm", w.changes-before)
		}
		w.check(t)
	})
}

// move gives a host of the spec to another site, or back.
func (w *world) move(m *machine) {
	if m.site == "a" {
		return // somebody has to be left
	}
	for i := range w.sites {
		s := &w.sites[i]
		if at := slices.Index(s.Hosts, m.name); at >= 0 {
			s.Hosts = slices.Delete(slices.Clone(s.Hosts), at, at+1)
			return
		}
	}
	for i := range w.sites {
		if s := &w.sites[i]; s.Name == m.site {
			s.Hosts = append(slices.Clone(s.Hosts), m.name)
		}
	}
}

// check compares the groups that can change with what they are to be.
func (w *world) check(t *rapid.T) {
	data, witnesses := 0, 0
	for _, s := range w.sites {
		n := len(w.eligible(s))
		switch {
		case n == 0:
		case s.Witness:
			witnesses++
		default:
			data++
		}
		g := w.groups[seats.OfSite(s.Name)]
		if g == nil || g.leader == "" || n == 0 || s.Witness {
			continue
		}
		w.checkGroup(t, seats.OfSite(s.Name), g, map[int]int{1: 1, 2: 1, 3: 3, 4: 3}[n])
	}
	g := w.groups[seats.Fleet]
	if g == nil || g.leader == "" || data == 0 {
		return
	}
	want := 0
	switch {
	case data > 2 || data == 2 && witnesses > 0:
		want = min(5, data)
		if want%2 == 0 && witnesses > 0 {
			want++
		} else if want%2 == 0 {
			want--
		}
	case data == 1 && witnesses > 0:
		want = 3 // two with a witness, or three of the site, or one
	default:
		want = 3
	}
	w.checkGroup(t, seats.Fleet, g, want)
}

func (w *world) eligible(s seats.Site) []string {
	return slices.DeleteFunc(slices.Clone(s.Hosts), func(h string) bool { return !w.host(h).join })
}

func (w *world) checkGroup(t *rapid.T, name replica.GroupID, g *group, most int) {
	for _, m := range w.hosts {
		if m.join && m.state != member.StateAlive {
			return // who is away may be needed for what is to come
		}
	}
	voters := g.voters()
	if len(voters)%2 == 0 || len(voters) > most || len(voters) < most && name != seats.Fleet {
		t.Fatalf("all are alive and %s has the voters %v; it should have %d", name, voters, most)
	}
	for _, v := range voters {
		if !slices.ContainsFunc(w.sites, func(s seats.Site) bool { return slices.Contains(w.eligible(s), v) }) {
			t.Fatalf("%s has the voter %s, which may not have a seat", name, v)
		}
	}
	for _, m := range g.members {
		if m.Role != replica.Voter || m.Goal != replica.Voter {
			t.Fatalf("%s does not settle: %+v", name, g.members)
		}
	}
}
