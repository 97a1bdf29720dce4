package member_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
)

// TestAnyFaultsHeal plays drawn faults, holds what must hold during them, heals
// all and requires that everybody sees everybody.
func TestAnyFaultsHeal(t *testing.T) {
	for seed := range uint64(9) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			sites, each := 1+int(seed%3), 1+int(seed/3%4)
			w := newWorld(t, seed, sites, each)
			w.set.Flap.HoldMax = 8 * time.Second
			w.run(3 * time.Second)
			w.calm("after the start")
			w.loss = float64(w.rand.IntN(3)) / 100
			touched := map[string]bool{} // hosts that any fault has hit
			w.check = func(a *agent) {
				// Nobody whom no fault ever hit is called dead or stopped by a
				// neighbour whom none hit either.
				if touched[a.host.Name] {
					return
				}
				s := a.m.Status(w.now)
				for _, h := range s.Hosts {
					if !touched[h.Host.Name] && h.Host.Site == a.host.Site && (h.State == member.StateDead || h.State == member.StateStopped) {
						t.Fatalf("%s says that %s is %s (%s)", a.host.Name, h.Host.Name, h.State, h.Reason)
					}
				}
			}
			for range 12 {
				h := w.hosts[w.rand.IntN(len(w.hosts))].Name
				touched[h] = true
				switch w.rand.IntN(8) {
				case 0:
					w.kill(h)
				case 1:
					w.end(h)
				case 2:
					w.stop(h)
				case 3:
					if w.agents[h].runs {
						w.pause(h)
						d := time.Duration(w.rand.IntN(5000)) * time.Millisecond
						w.at(d, func() {
							if w.agents[h].paused {
								w.resume(h)
							}
						})
					}
				case 4:
					other := w.hosts[w.rand.IntN(len(w.hosts))].Name
					touched[other] = true
					w.cut[[2]string{h, other}] = true
				case 5:
					w.part(func(x, y member.Host) bool { return x.Name == h })
				case 6:
					w.start(h)
				case 7:
					w.heal()
				}
				w.run(time.Duration(w.rand.IntN(3000)) * time.Millisecond)
			}
			w.run(6 * time.Second) // the last pause ends
			w.heal()
			w.loss = 0
			for _, h := range w.hosts {
				w.start(h.Name)
			}
			// What flapped is held back, for so long at the most.
			w.run(w.set.Flap.HoldMax + 5*time.Second)
			w.calm("healed")
		})
	}
}

// TestSameSeedSameTrace holds that nothing depends on the order of a map.
func TestSameSeedSameTrace(t *testing.T) {
	var first []string
	for i := range 5 {
		w := begin(t, 77)
		w.kill("b1")
		w.run(2 * time.Second)
		w.part(func(x, y member.Host) bool { return x.Site != y.Site })
		w.run(2 * time.Second)
		w.heal()
		w.run(2 * time.Second)
		if i == 0 {
			first = w.trace
		} else if !reflect.DeepEqual(first, w.trace) {
			t.Fatal("the same seed said other things")
		}
	}
}

// TestWorkIsTheSameInAStorm counts reports in calm and while everything fails.
func TestWorkIsTheSameInAStorm(t *testing.T) {
	w := begin(t, 12)
	count := func() int {
		before := w.sent
		w.run(5 * time.Second)
		return w.sent - before
	}
	calm := count()
	w.loss = 0.3
	w.part(func(x, y member.Host) bool { return x.Site == "a" && y.Site == "b" })
	for i := range 20 {
		w.at(time.Duration(i)*200*time.Millisecond, func() {
			w.cut[[2]string{w.hosts[w.rand.IntN(9)].Name, w.hosts[w.rand.IntN(9)].Name}] = true
		})
	}
	storm := count()
	t.Logf("%d reports in calm, %d in a storm", calm, storm)
	if storm > calm*2 {
		t.Errorf("%d reports in calm, %d in a storm", calm, storm)
	}
}

func FuzzReport(f *testing.F) {
	f.Add(member.Report{From: "a1", Life: 3, View: member.View{By: "a1", Site: "a", Hosts: []member.Sight{{Host: "a2", Life: 1, State: member.StateAlive, Reason: member.ReasonHeard, Heard: 20e6}}}}.Append(nil))
	f.Add(member.Report{From: "a1", Leaving: true, View: member.View{By: "b1", Site: "b", Via: "c", Age: 1e9, Hops: 2}}.Append(nil))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := member.ParseReport(b)
		if err != nil {
			return
		}
		if again := r.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is written as %x", b, again)
		}
		// Whatever can be read does no harm.
		m := member.New(member.Host{Name: "a2", Site: "a"}, 1, member.Defaults())
		var out member.Effects
		now := instant.Instant(time.Hour)
		m.Step(now, member.SetHosts{Hosts: []member.Host{{Name: "a1", Site: "a"}, {Name: "b1", Site: "b"}, {Name: "a2", Site: "a"}}}, &out)
		m.Step(now, member.Startup{}, &out)
		for i := range 30 {
			m.Step(now.Add(time.Duration(i)*50*time.Millisecond), member.Heard{Report: r}, &out)
			m.Step(now.Add(time.Duration(i)*50*time.Millisecond), member.Wake{}, &out)
		}
	})
}

// BenchmarkHeard is one report in a fleet of 50 hosts.
func BenchmarkHeard(b *testing.B) {
	w := newWorld(b, 1, 5, 10)
	w.run(3 * time.Second)
	a := w.agents["a1"]
	var report member.Report
	var out member.Effects
	w.agents["a2"].m.Step(w.now, member.Wake{}, &out)
	for _, s := range out.Sends {
		if s.To == "a1" {
			report = s.Report
		}
	}
	if report.From == "" {
		w.run(100 * time.Millisecond)
		report = member.Report{From: "a2", Life: 1, View: member.View{By: "a2", Site: "a"}}
	}
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		a.m.Step(w.now, member.Heard{Report: report}, &out)
	}
}
