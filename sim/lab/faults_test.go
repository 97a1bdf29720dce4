//go:build lab

package lab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// wholeFor is how long a fleet may take to be whole again when all is healed. It is
// long: many tests share a machine.
const wholeFor = 45 * time.Second

// trial is one run of faults: under users on every site and clients of the facts on
// every site.
type trial struct {
	*running
	load  *factsLoad
	users map[*lab.Site]*lab.Users
	hurt  map[*lab.Host]bool // hosts whose users may notice
}

func (r *running) trial(seed uint64) *trial {
	r.Helper()
	return &trial{running: r, load: loadFacts(r.T, r.Fleet, "fleet", seed, r.own), users: use(r.T, r.Fleet), hurt: map[*lab.Host]bool{}}
}

// end ends the load and the users, and checks what they saw.
func (x *trial) end() {
	x.Helper()
	x.load.stop(x.T)
	n := 0
	for _, u := range x.users {
		all := u.Stop()
		n += len(all)
		if err := lab.CheckUsers(all, 5, func(f lab.Fetch) bool { return x.hurt[f.Host] }); err != nil {
			x.Errorf("users lost requests: %v", err)
		}
	}
	x.Logf("%d requests of users", n)
}

// agree waits until writes from each of these sites' clients are acknowledged.
func (x *trial) agree(what string, sites ...*lab.Site) {
	x.Helper()
	began := time.Now()
	var took []string
	for _, s := range sites {
		before := x.load.acknowledged(s.Name)
		eventually(x.T, what+": writes from "+s.Name, func() error {
			if n := x.load.acknowledged(s.Name); n < before+5 {
				return fmt.Errorf("%d so far", n-before)
			}
			return nil
		})
		took = append(took, fmt.Sprintf("%s %v", s.Name, time.Since(began).Round(10*time.Millisecond)))
	}
	x.Logf("%s: writes from %s", what, strings.Join(took, ", "))
}

// others are the sites without one.
func (r *running) others(s *lab.Site) []*lab.Site {
	return slices.DeleteFunc(slices.Clone(r.Sites), func(o *lab.Site) bool { return o == s })
}

// acting is the host whose agent keeps the picture.
func (r *running) acting() *lab.Host {
	r.Helper()
	for _, h := range r.All() {
		s, err := r.status(h)
		if err != nil {
			continue
		}
		for _, h := range r.All() {
			if h.Name == s.Coordinator.Host {
				return h
			}
		}
	}
	r.Fatal("no agent knows who keeps the picture")
	return nil
}

// must is for faults that have to work.
func (r *running) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// TestAgentsUnderFaults: agents are killed, alone and a site at once, stopped, cut off
// one way and both ways, without room on their disks and with clocks that jump; facts
// stay linearizable, whoever has a majority goes on, users notice nothing where their
// host lives, and all heals by itself.
func TestAgentsUnderFaults(t *testing.T) {
	r := fleet(t, 3, 3)
	run := func(name string, do func(x *trial)) {
		t.Run(name, func(t *testing.T) {
			sub := *r
			sub.T = t
			x := sub.trial(1)
			x.agree("before", r.Sites...)
			do(x)
			sub.whole(name, wholeFor)
			x.agree("after", r.Sites...)
			x.end()
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	kill := func(x *trial, hosts ...*lab.Host) {
		for _, h := range hosts {
			x.hurt[h] = true
			x.must(x.agents[h].Kill())
		}
	}
	start := func(x *trial, hosts ...*lab.Host) {
		for _, h := range hosts {
			x.must(x.agents[h].Start())
		}
	}
	run("kill -9 of the coordinator", func(x *trial) {
		h := x.acting()
		kill(x, h)
		x.agree("killed", r.Sites...)
		start(x, h)
	})
	run("kill -9 of another agent", func(x *trial) {
		h := x.others(x.acting().Site())[0].Hosts[1]
		kill(x, h)
		x.agree("killed", r.Sites...)
		start(x, h)
	})
	run("kill -9 of a whole site", func(x *trial) {
		s := x.acting().Site()
		kill(x, s.Hosts...)
		x.agree("killed", r.others(s)...)
		start(x, s.Hosts...)
	})
	run("partition 1|2+3", func(x *trial) {
		s := x.acting().Site()
		heal, err := x.Break(lab.Cut(s, x.others(s)[0]), lab.Cut(s, x.others(s)[1]))
		x.must(err)
		x.agree("cut", x.others(s)...)
		x.must(heal())
	})
	run("one-way partition", func(x *trial) {
		s := x.acting().Site()
		for _, way := range []lab.LinkFault{lab.CutOneWay(s, x.others(s)[0]), lab.CutOneWay(x.others(s)[1], s)} {
			heal, err := x.Break(way)
			x.must(err)
			x.agree(way.String(), x.others(s)...)
			x.must(heal())
		}
	})
	run("SIGSTOP of the coordinator for 10 s", func(x *trial) {
		h := x.acting()
		x.hurt[h] = true
		began := time.Now()
		x.must(x.agents[h].Process().Pause())
		for time.Since(began) < 10*time.Second {
			x.agree("stopped", r.Sites...)
		}
		x.must(x.agents[h].Process().Resume())
	})
	run("full disk of the coordinator", func(x *trial) {
		h := x.acting()
		x.must(x.agents[h].Disk.Fill())
		for range 20 {
			x.agree("full", r.Sites...)
		}
		x.must(x.agents[h].Disk.Free())
	})
	run("clock steps", func(x *trial) {
		// A host with a wrong clock may not be believed, and may not believe others.
		for _, h := range []*lab.Host{x.acting(), x.others(x.acting().Site())[0].Hosts[1]} {
			for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
				x.must(x.stepClock(h, by))
				x.agree(fmt.Sprintf("the clock of %s by %v", h, by), x.others(h.Site())...)
			}
		}
	})
}
