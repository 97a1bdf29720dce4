package member_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
)

// begin is a fleet of three sites with three hosts each, that sees itself whole.
func begin(t testing.TB, seed uint64) *world {
	w := newWorld(t, seed, 3, 3)
	w.run(3 * time.Second)
	w.calm("after the start")
	return w
}

// TestDeadHostIsKnownInTime kills each host at many instants, in calm and with
// lost packets, and measures when the last of its site and of the fleet knows.
func TestDeadHostIsKnownInTime(t *testing.T) {
	set := member.Defaults()
	if set.NearDetection() >= time.Second || set.FarDetection() >= 2*time.Second {
		t.Fatalf("the defaults promise %s and %s", set.NearDetection(), set.FarDetection())
	}
	var near, far []time.Duration
	for seed := range uint64(12) {
		w := begin(t, seed)
		w.loss = float64(seed%3) / 100
		victim := w.hosts[int(seed)%len(w.hosts)]
		w.run(time.Duration(w.rand.IntN(300)) * time.Millisecond)
		at := w.now
		w.kill(victim.Name)
		w.run(4 * time.Second)
		w.all(fmt.Sprintf("seed %d", seed), w.others(), victim.Name, member.StateDead)
		for _, name := range w.others() {
			a := w.agents[name]
			took := a.changed[victim.Name].Sub(at)
			if a.host.Site == victim.Site {
				near = append(near, took)
			} else {
				far = append(far, took)
			}
		}
		for _, h := range w.others() {
			w.all("the others", w.others(victim.Name), h, member.StateAlive)
		}
	}
	slices.Sort(near)
	slices.Sort(far)
	t.Logf("known to its site after %s (median), %s (longest), to the fleet after %s, %s", near[len(near)/2], near[len(near)-1], far[len(far)/2], far[len(far)-1])
	if worst := near[len(near)-1]; worst > set.NearDetection()+2*time.Millisecond {
		t.Errorf("its site knew after %s; %s is promised", worst, set.NearDetection())
	}
	if worst := far[len(far)-1]; worst >= 2*time.Second {
		t.Errorf("the fleet knew after %s", worst)
	} else if worst >= set.FarDead {
		t.Errorf("the fleet knew after %s, by the silence of the dead and not by the word of their site", worst)
	}
}

// TestStoppedIsNotDead ends agents, by their leave and without, on machines that
// stay.
func TestStoppedIsNotDead(t *testing.T) {
	w := begin(t, 1)
	mark := len(w.trace)
	w.stop("a2")
	w.end("b1") // a gateway
	w.run(3 * time.Second)
	w.all("a goodbye", w.others(), "a2", member.StateStopped)
	w.all("a kill -9", w.others(), "b1", member.StateStopped)
	if h := w.sees("a1", "a2"); h.Reason != member.ReasonGoodbye {
		t.Errorf("the goodbye is %s", h.Reason)
	}
	if h := w.sees("b2", "b1"); h.Reason != member.ReasonRefused {
		t.Errorf("the kill -9 is %s", h.Reason)
	}
	w.never(mark, "is dead")
	w.kill("b1") // its power too: nobody's old word hides that
	w.run(3 * time.Second)
	w.all("no power after that", w.others(), "b1", member.StateDead)
	w.start("a2")
	w.start("b1")
	w.run(3 * time.Second)
	w.calm("started again")
}

// TestCutLinkIsNotADeath cuts the link of two hosts both ways, and one way.
func TestCutLinkIsNotADeath(t *testing.T) {
	w := begin(t, 2)
	mark := len(w.trace)
	pair := func(a, b string) func(x, y member.Host) bool {
		return func(x, y member.Host) bool { return x.Name == a && y.Name == b }
	}
	w.part(pair("a1", "a2"))
	w.part(pair("a2", "a1"))
	w.run(3 * time.Second)
	for _, at := range [][2]string{{"a1", "a2"}, {"a2", "a1"}} {
		if h := w.sees(at[0], at[1]); h.State != member.StateCut || h.Reason != member.ReasonOthersHear || h.By == "" {
			t.Errorf("%s says of %s: %s, %s by %q", at[0], at[1], h.State, h.Reason, h.By)
		}
	}
	w.all("who hears both", w.others("a1", "a2"), "a1", member.StateAlive)
	w.all("who hears both", w.others("a1", "a2"), "a2", member.StateAlive)
	w.heal()
	w.run(3 * time.Second)
	w.part(pair("a1", "a2"))
	w.run(3 * time.Second)
	if h := w.sees("a1", "a2"); h.State != member.StateCut || h.Reason != member.ReasonOneWay {
		t.Errorf("a1 hears a2, who does not hear it, and says: %s, %s", h.State, h.Reason)
	}
	if h := w.sees("a2", "a1"); h.State != member.StateCut || h.Reason != member.ReasonOthersHear {
		t.Errorf("a2 does not hear a1 and says: %s, %s", h.State, h.Reason)
	}
	w.never(mark, "is dead")
	w.heal()
	w.run(3 * time.Second)
	w.calm("healed")
}

// TestWhoSeesNobodyIsCutOff isolates a host, makes one deaf and one mute.
func TestWhoSeesNobodyIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		out, in bool
		want    member.Isolation
		others  member.State
	}{
		"cut off": {true, true, member.IsolationAll, member.StateDead},
		"mute":    {true, false, member.IsolationMute, member.StateDead},
		"deaf":    {false, true, member.IsolationAll, member.StateCut},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, 3)
			mark := len(w.trace)
			w.part(func(x, y member.Host) bool { return c.out && x.Name == "a1" || c.in && y.Name == "a1" })
			w.run(4 * time.Second)
			if s := w.status("a1"); s.Isolation != c.want {
				t.Errorf("it says that it is isolated: %s", s.Isolation)
			}
			w.never(mark, " a1: ", "is dead")
			for _, by := range []string{"a2", "a3"} {
				w.all("its site", []string{by}, "a1", c.others)
			}
			w.all("the rest", w.others("a1"), "a2", member.StateAlive)
			w.heal()
			w.run(4 * time.Second)
			w.calm("healed")
		})
	}
}

// TestSitesPart parts site a from b and c, then only a from b.
func TestSitesPart(t *testing.T) {
	w := begin(t, 4)
	between := func(s, u string) {
		w.part(func(x, y member.Host) bool { return x.Site == s && y.Site == u || x.Site == u && y.Site == s })
	}
	between("a", "b")
	w.run(4 * time.Second)
	mark := len(w.trace)
	for _, by := range []string{"a1", "a3", "b1", "b3"} { // gateways and not
		other := map[byte]string{'a': "b", 'b': "a"}[by[0]]
		for _, s := range w.status(by).Sites {
			if s.Site == other && (s.State != member.StateCut || s.Via != "c") {
				t.Errorf("%s says that site %s is %s by way of %q (%s)", by, other, s.State, s.Via, s.Reason)
			}
		}
		for _, h := range []string{other + "1", other + "2", other + "3"} {
			w.all("over a cut link", []string{by}, h, member.StateCut)
		}
	}
	w.all("the third site", []string{"c1", "c2", "c3"}, "a3", member.StateAlive)
	w.kill("b2") // it is known across the cut link too
	w.run(3 * time.Second)
	w.all("a death behind a cut link", w.others(), "b2", member.StateDead)
	w.never(mark, "b1 is dead")
	w.start("b2")
	w.heal()
	w.run(4 * time.Second)
	w.calm("healed")

	between("a", "b")
	between("a", "c")
	w.run(4 * time.Second)
	for _, by := range []string{"a1", "a2", "a3"} {
		if s := w.status(by); s.Isolation != member.IsolationFleet {
			t.Errorf("%s says that it is isolated: %s", by, s.Isolation)
		}
		w.all("from the site that is cut off", []string{by}, "b1", member.StateCut)
		w.all("within it", []string{"a1", "a2", "a3"}, by, member.StateAlive)
	}
	w.all("from the two sites", []string{"b1", "b3", "c1", "c3"}, "a1", member.StateDead)
	if h := w.sees("b1", "a1"); h.Reason != member.ReasonSiteSilent {
		t.Errorf("the reason is %s", h.Reason)
	}
	w.all("the two sites", []string{"b1", "b2", "b3"}, "c1", member.StateAlive)
	w.heal()
	w.run(4 * time.Second)
	w.calm("healed")
}

// TestSiteIsLost takes the power of a whole site.
func TestSiteIsLost(t *testing.T) {
	for seed := range uint64(4) {
		w := begin(t, seed)
		at := w.now
		for _, h := range []string{"b1", "b2", "b3"} {
			w.kill(h)
		}
		w.run(4 * time.Second)
		for _, h := range []string{"b1", "b2", "b3"} {
			w.all("a lost site", w.others(), h, member.StateDead)
			for _, by := range w.others() {
				if took := w.agents[by].changed[h].Sub(at); took > 2*time.Second {
					t.Errorf("seed %d: %s knew of %s after %s", seed, by, h, took)
				}
			}
		}
		for _, h := range []string{"b1", "b2", "b3"} {
			w.start(h)
		}
		w.run(4 * time.Second)
		w.calm("with power")
	}
}

// TestTwoSitesDoNotGuess holds that with nobody third to ask, a silent site is
// not called dead.
func TestTwoSitesDoNotGuess(t *testing.T) {
	w := newWorld(t, 5, 2, 3)
	w.run(3 * time.Second)
	w.calm("after the start")
	mark := len(w.trace)
	w.part(func(x, y member.Host) bool { return x.Site != y.Site })
	w.run(4 * time.Second)
	w.never(mark, "is dead")
	if h := w.sees("a1", "b1"); h.State != member.StateSuspected || h.Reason != member.ReasonSiteUnknown {
		t.Errorf("%s, %s", h.State, h.Reason)
	}
	w.heal()
	w.run(3 * time.Second)
	w.calm("healed")
}

// TestGatewaysDieTogether kills both hosts that speak for a site.
func TestGatewaysDieTogether(t *testing.T) {
	w := begin(t, 6)
	at := w.now
	w.kill("a1")
	w.kill("a2")
	w.run(4 * time.Second)
	for _, h := range []string{"a1", "a2"} {
		w.all("both gateways", w.others(), h, member.StateDead)
		for _, by := range w.others() {
			if took := w.agents[by].changed[h].Sub(at); took > 2*time.Second {
				t.Errorf("%s knew of %s after %s", by, h, took)
			}
		}
	}
	w.all("who is left", w.others(), "a3", member.StateAlive)
	if s := w.status("a3"); s.Isolation != member.IsolationNone || !s.Gateway {
		t.Errorf("who is left says of itself: %s, gateway %v", s.Isolation, s.Gateway)
	}
}

// TestPauseIsNobodysDeath stops an agent's process for ten seconds, as SIGSTOP
// does, and lets it go on.
func TestPauseIsNobodysDeath(t *testing.T) {
	w := begin(t, 7)
	w.pause("a1")
	w.run(10 * time.Second)
	w.all("a process that is paused", w.others("a1"), "a1", member.StateStopped)
	if h := w.sees("a2", "a1"); h.Reason != member.ReasonHangs {
		t.Errorf("the reason is %s", h.Reason)
	}
	mark := len(w.trace)
	w.resume("a1")
	w.run(time.Second)
	w.never(mark, " a1: ", "is dead")
	if s := w.status("a1"); s.LongestPause < 9*time.Second || s.Isolation != member.IsolationNone {
		t.Errorf("it says that it was paused for %s, and is isolated: %s", s.LongestPause, s.Isolation)
	}
	w.run(3 * time.Second)
	w.calm("it goes on")
}

// TestFlappingIsHeldBack kills and starts a host again and again.
func TestFlappingIsHeldBack(t *testing.T) {
	w := newWorld(t, 8, 1, 3)
	w.set.Flap.Window = 20 * time.Second
	set := w.set.Flap
	w.run(3 * time.Second)
	for range set.Count {
		w.kill("a3")
		w.run(2 * time.Second)
		w.start("a3")
		w.run(2 * time.Second)
	}
	for _, by := range []string{"a1", "a2"} {
		h := w.sees(by, "a3")
		if h.State != member.StateSuspected || h.Reason != member.ReasonFlapping || h.Flaps != set.Count {
			t.Errorf("%s says: %s, %s after %d losses", by, h.State, h.Reason, h.Flaps)
		}
	}
	w.run(set.Hold + time.Second)
	w.calm("steady for a while")
	w.kill("a3")
	w.run(2 * time.Second)
	w.start("a3")
	w.run(set.Hold + time.Second)
	w.all("the second hold is longer", []string{"a1", "a2"}, "a3", member.StateSuspected)
	w.run(set.Hold)
	w.calm("and ends too")
	w.run(2*set.Window + time.Second)
	w.kill("a3")
	w.run(2 * time.Second)
	w.start("a3")
	w.run(2 * time.Second)
	w.calm("after a long calm one loss holds nobody back")
}

// TestOldLivesAreOver sends reports of a life that has ended.
func TestOldLivesAreOver(t *testing.T) {
	w := begin(t, 9)
	w.stop("a2")
	w.run(time.Second)
	late := member.Report{From: "a2", Life: 1, View: member.View{By: "a2", Site: "a", Life: 1, Number: 1e9}}
	w.step(w.agents["a1"], member.Heard{Report: late})
	w.all("a report of a life that said goodbye", []string{"a1"}, "a2", member.StateStopped)
	w.start("a2")
	w.run(time.Second)
	w.kill("a2")
	for range 50 {
		w.run(100 * time.Millisecond)
		w.step(w.agents["a1"], member.Heard{Report: late})
	}
	w.all("a report of the life before", []string{"a1"}, "a2", member.StateDead)
	w.step(w.agents["a1"], member.Heard{Report: member.Report{From: "z9", Life: 7}}) // a stranger
}

// TestGossipFillsIn holds what the third view is believed about.
func TestGossipFillsIn(t *testing.T) {
	w := newWorld(t, 10, 1, 3)
	w.part(func(x, y member.Host) bool { return true }) // heartbeats never get through
	w.run(500 * time.Millisecond)
	for _, name := range []string{"a1", "a3"} {
		w.step(w.agents["a2"], member.Gossiped{Host: name, State: member.RumourAlive})
	}
	w.run(3 * time.Second)
	// It hears nobody, which gossip contradicts only for who reads on.
	if h := w.sees("a2", "a1"); h.State != member.StateCut {
		t.Errorf("%s, %s", h.State, h.Reason)
	}
	w.step(w.agents["a2"], member.Gossiped{Host: "a3", State: member.RumourLeft})
	w.run(time.Second)
	if h := w.sees("a2", "a3"); h.State != member.StateStopped || h.Reason != member.ReasonGoodbye {
		t.Errorf("%s, %s", h.State, h.Reason)
	}
	v := begin(t, 11)
	v.step(v.agents["a1"], member.Gossiped{Host: "a2", State: member.RumourDead})
	v.run(time.Second)
	v.all("against a heartbeat", []string{"a1"}, "a2", member.StateAlive)
}
