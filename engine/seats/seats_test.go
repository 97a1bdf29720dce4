package seats_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/seats"
)

// Each row is a fleet in which all hosts came and stayed.
func TestWhoHasASeat(t *testing.T) {
	for _, row := range []struct {
		sizes           []int
		fleet, of       string
		fleetSays, says string
	}{
		{[]int{1}, "a1", "a1", "one-voter a1", "one-voter a1"},
		{[]int{2}, "a1", "a1", "one-voter a1", "one-voter a1"},
		{[]int{3}, "a1 a2 a3", "a1 a2 a3", "", ""},
		{[]int{7}, "a1 a2 a3", "a1 a2 a3 a4 a5", "", ""},
		{[]int{1, 1}, "a1", "a1", "two-sites a, one-voter a1", "one-voter a1"},
		{[]int{1, 2}, "a1 b1 b2", "a1", "two-sites b", "one-voter a1"},
		{[]int{3, 3}, "a1 a2 b1", "a1 a2 a3", "two-sites a", ""},
		{[]int{3, 3, -1}, "(c1) a1 b1", "a1 a2 a3", "", ""},
		{[]int{2, -1}, "(b1) a1 a2", "a1", "", "one-voter a1"},
		{[]int{3, -2}, "a1 a2 a3", "a1 a2 a3", "", ""},
		{[]int{3, 3, 3}, "a1 b1 c1", "a1 a2 a3", "", ""},
		{[]int{3, 3, 3, -1}, "a1 b1 c1", "a1 a2 a3", "", ""},
		{[]int{4, 1, 1, 1}, "a1 b1 c1", "a1 a2 a3", "", ""},
		{[]int{1, 1, 1, -3, 1}, "(d1) a1 b1 c1 e1", "a1", "", "one-voter a1"},
		{[]int{5, 1, 1, 1, 1}, "a1 b1 c1 d1 e1", "a1 a2 a3 a4 a5", "", ""},
		{[]int{6, 1, 1, 1, 1, 1, -1}, "a1 b1 c1 d1 e1", "a1 a2 a3 a4 a5", "", ""},
	} {
		w := newWorld(t, row.sizes...)
		w.run(5 * time.Minute)
		w.is(t, seats.Fleet, row.fleet)
		w.is(t, seats.OfSite("a"), row.of)
		if got := w.troubles(seats.Fleet); got != row.fleetSays {
			t.Errorf("%v: of the fleet it says %q, want %q", row.sizes, got, row.fleetSays)
		}
		if got := w.troubles(seats.OfSite("a")); got != row.says {
			t.Errorf("%v: of the site it says %q, want %q", row.sizes, got, row.says)
		}
		for _, s := range w.sites {
			if has := w.groups[seats.OfSite(s.Name)] != nil; has == s.Witness {
				t.Errorf("%v: site %s has a group: %v", row.sizes, s.Name, has)
			}
		}
		before := w.changes
		w.run(time.Hour)
		if w.changes != before {
			t.Errorf("%v: it changes without end", row.sizes)
		}
	}
}

func TestADeadHostsSeatMovesLate(t *testing.T) {
	w := newWorld(t, 4, 3, 3)
	w.run(time.Minute)
	w.set("a2", member.StateDead)
	w.run(seats.DeadFor - 2*tick)
	w.is(t, seats.OfSite("a"), "a1 a2 a3")
	if got := w.troubles(seats.OfSite("a")); got != "thin a2" {
		t.Errorf("it says %q", got)
	}
	w.run(4 * tick)
	w.is(t, seats.OfSite("a"), "a1 a3 a4")
	w.set("a2", member.StateAlive)
	w.run(time.Hour)
	w.is(t, seats.OfSite("a"), "a1 a3 a4")
}

func TestNoSeatMovesByTimeAloneWithoutADeath(t *testing.T) {
	for _, state := range []member.State{member.StateStopped, member.StateCut, member.StateSuspected} {
		w := newWorld(t, 4, 3, 3)
		w.run(time.Minute)
		w.set("a2", state)
		w.run(3 * time.Hour)
		w.is(t, seats.OfSite("a"), "a1 a2 a3")
	}
}

func TestADeadHostKeepsItsSeatWhenNobodyCanTakeIt(t *testing.T) {
	w := newWorld(t, 4, 3, 3)
	w.run(time.Minute)
	w.set("a2", member.StateDead)
	w.set("a4", member.StateStopped)
	w.run(time.Hour)
	w.is(t, seats.OfSite("a"), "a1 a2 a3")
	if got := w.troubles(seats.OfSite("a")); got != "thin a2, nobody a2" {
		t.Errorf("it says %q", got)
	}
}

// A site that is gone gives its seat to one that has none, and does not get it
// back: nothing speaks for moving it once more.
func TestASpareSiteTakesTheSeatOfADeadOne(t *testing.T) {
	w := newWorld(t, 1, 2, 2, 1)
	w.run(time.Minute)
	w.is(t, seats.Fleet, "a1 b1 c1")
	w.set("b1", member.StateDead)
	w.set("b2", member.StateDead)
	w.run(seats.DeadFor + time.Minute)
	w.is(t, seats.Fleet, "a1 c1 d1")
	w.set("b1", member.StateAlive)
	w.set("b2", member.StateAlive)
	w.run(time.Hour)
	w.is(t, seats.Fleet, "a1 c1 d1")
}

func TestARemovedHostLosesItsSeatAtOnce(t *testing.T) {
	w := newWorld(t, 4, 3, 3)
	w.run(time.Minute)
	w.host("a1").join = false
	w.run(2 * tick)
	w.is(t, seats.OfSite("a"), "a2 a3 a4")
	w.is(t, seats.Fleet, "a2 b1 c1")
	// The spec drops one more, and there is nobody to take its seat. Two need each
	// other, so one stays.
	w.sites[0].Hosts = []string{"a1", "a2", "a4"}
	w.run(2 * tick)
	w.is(t, seats.OfSite("a"), "a2")
}

func TestARemovedHostKeepsItsSeatWhileItIsNeeded(t *testing.T) {
	w := newWorld(t, 3, 3, 3)
	w.run(time.Minute)
	w.set("a2", member.StateDead)
	w.host("a3").join = false
	w.run(time.Minute)
	// Only a1 is left that may vote and is alive; the spec has two hosts now.
	w.is(t, seats.OfSite("a"), "a1")

	w = newWorld(t, 5, 3, 3)
	w.run(time.Minute)
	w.set("a2", member.StateStopped)
	w.set("a3", member.StateStopped)
	w.run(time.Minute)
	w.host("a5").join = false
	w.run(time.Minute)
	w.is(t, seats.OfSite("a"), "a1 a2 a4")
}

func TestAWitnessBecomesMoreThanThatByWayOfNoSeat(t *testing.T) {
	w := newWorld(t, 3, 3, -1)
	w.run(time.Minute)
	w.is(t, seats.Fleet, "(c1) a1 b1")
	w.sites[2].Witness = false
	w.run(time.Minute)
	w.is(t, seats.Fleet, "a1 b1 c1")
	w.is(t, seats.OfSite("c"), "c1")
	w.sites[2].Witness = true
	w.run(time.Minute)
	w.is(t, seats.Fleet, "(c1) a1 b1")
}

// Who joins and goes away before it was up to date does not hold the group up.
func TestALearnerThatDiesIsGivenUp(t *testing.T) {
	w := newWorld(t, 4, 3, 3)
	w.host("a4").join = false
	w.run(time.Minute)
	w.set("a2", member.StateDead)
	w.host("a4").join = true
	w.groups[seats.OfSite("a")].broken["a4"] = true
	w.run(seats.DeadFor + 2*tick)
	if got := w.troubles(seats.OfSite("a")); got != "thin a2, joining a4" {
		t.Errorf("it says %q", got)
	}
	w.set("a4", member.StateDead)
	w.run(seats.LearnAway + 2*tick)
	w.is(t, seats.OfSite("a"), "a1 a2 a3")
	if n := len(w.groups[seats.OfSite("a")].members); n != 3 {
		t.Errorf("it has %d members", n)
	}
	w.set("a4", member.StateAlive)
	delete(w.groups[seats.OfSite("a")].broken, "a4")
	w.run(time.Minute)
	w.is(t, seats.OfSite("a"), "a1 a3 a4")
}

// A host that is alive and does not get up to date is not tried over and over.
func TestALearnerThatGetsNowhereIsLeftAlone(t *testing.T) {
	w := newWorld(t, 4, 3, 3)
	w.host("a4").join = false
	w.run(time.Minute)
	w.set("a2", member.StateDead)
	w.host("a4").join = true
	w.groups[seats.OfSite("a")].broken["a4"] = true
	before := w.changes
	w.run(seats.DeadFor + 2*time.Hour)
	if n := w.changes - before; n < 4 || n > 14 {
		t.Errorf("%d changes in two hours", n)
	}
}

func TestAGroupIsFoundedOnce(t *testing.T) {
	w := newWorld(t, 2, 2, 2)
	w.set("b1", member.StateStopped)
	w.run(time.Minute)
	w.is(t, seats.OfSite("b"), "b2")
	w.set("b2", member.StateDead)
	w.set("b1", member.StateAlive)
	w.run(time.Hour)
	w.is(t, seats.OfSite("b"), "b2")
}

// A founder that was named and never came is waited for, until it is removed.
func TestAFounderThatNeverComes(t *testing.T) {
	w := newWorld(t, 2, 2, 2)
	w.origins = append(w.origins, seats.Origin{Group: seats.OfSite("b"), Host: "b1"})
	w.set("b1", member.StateDead)
	w.run(3 * time.Hour)
	w.is(t, seats.OfSite("b"), "")
	var says seats.Trouble
	for _, p := range w.host("a1").seats.Status() {
		if p.Group == seats.OfSite("b") {
			says = p.Troubles[0]
		}
	}
	if want := (seats.Trouble{Reason: seats.ReasonFounder, Detail: "b1"}); says != want {
		t.Errorf("it says %v", says)
	}
	w.host("b1").join = false
	w.run(time.Minute)
	w.is(t, seats.OfSite("b"), "b2")
}

func TestNothingMovesWithoutAViewOfTheSpec(t *testing.T) {
	w := newWorld(t, 3, 3, 3)
	w.run(time.Minute)
	before := w.changes
	w.sites = nil
	w.run(time.Hour)
	if w.changes != before {
		t.Error("it changed seats")
	}
	if got := w.troubles(seats.Fleet); got != "no-host " {
		t.Errorf("it says %q", got)
	}
}

func TestWhoStopsHandsItsLeadsOver(t *testing.T) {
	w := newWorld(t, 3, 3, 3)
	w.run(time.Minute)
	g := w.groups[seats.OfSite("a")]
	w.set("a2", member.StateStopped)
	w.run(time.Minute)
	var out seats.Effects
	m := w.host(g.leader)
	m.seats.Step(w.now, seats.Shutdown{}, &out)
	to := map[replica.GroupID]string{}
	for _, x := range out.Transfers {
		to[x.Group] = x.To
	}
	if g.leader != "a1" || to[seats.OfSite("a")] != "a3" || to[seats.Fleet] == "" {
		t.Errorf("%s hands over %v", g.leader, to)
	}
	out.Reset()
	m.seats.Step(w.now, seats.Look{View: w.view(m)}, &out)
	if len(out.Changes)+len(out.Transfers) > 0 {
		t.Errorf("it goes on: %+v", out)
	}
}

func TestWhoseRemovalWouldStopAGroup(t *testing.T) {
	w := newWorld(t, 3, 3, 3)
	w.run(time.Minute)
	if got := w.host("a1").seats.Needed(w.now, "a3"); len(got) > 0 {
		t.Errorf("a3 is needed by %v", got)
	}
	w.set("a2", member.StateStopped)
	w.run(time.Minute)
	if got := w.host("a1").seats.Needed(w.now, "a3"); len(got) != 1 || got[0] != seats.OfSite("a") {
		t.Errorf("a3 is needed by %v", got)
	}
}

// What was refused is asked for again, and not at once.
func TestARefusedChangeIsAskedForAgain(t *testing.T) {
	s := seats.New("a1")
	w := newWorld(t, 3)
	w.groups[seats.Fleet] = &group{members: []replica.Member{{ID: 1, Host: "a1", Role: replica.Voter, Goal: replica.Voter}}, leader: "a1"}
	var out seats.Effects
	s.Step(w.now, seats.Look{View: w.view(w.host("a1"))}, &out)
	changes := func() (n int) {
		for _, c := range out.Changes {
			if c.Group == seats.Fleet {
				n++
			}
		}
		out.Reset()
		return n
	}
	if changes() != 0 {
		t.Fatal("it changes the fleet before it was founded")
	}
	w.origins[0].Founded = true
	s.Step(w.now, seats.Look{View: w.view(w.host("a1"))}, &out)
	if changes() != 1 {
		t.Fatal("it asks for nothing")
	}
	s.Step(w.now, seats.Ended{Group: seats.Fleet, Reason: replica.ReasonUnheard, Detail: "a2"}, &out)
	if changes() != 0 {
		t.Fatal("it asks at once")
	}
	if says := s.Status()[0].Troubles; len(says) != 1 || says[0].Reason != seats.ReasonRefused {
		t.Errorf("it says %v", says)
	}
	w.now = s.Deadline()
	s.Step(w.now, seats.Wake{}, &out)
	if changes() != 1 {
		t.Error("it asks no more")
	}
}

func TestEveryReasonHasASentence(t *testing.T) {
	for _, r := range seats.Reasons() {
		if r.Sentence() == "" {
			t.Errorf("%s has none", r)
		}
	}
}

// While one of two new hosts is away, the other is not taken in: two voters survive
// no more than one.
func TestAGroupGrowsToOddNumbersOnly(t *testing.T) {
	w := newWorld(t, 3)
	w.set("a3", member.StateStopped)
	w.run(time.Hour)
	w.is(t, seats.OfSite("a"), "a1")
	w.is(t, seats.Fleet, "a1")
	w.set("a3", member.StateAlive)
	w.run(time.Minute)
	w.is(t, seats.OfSite("a"), "a1 a2 a3")
}

// A site whose agents are stopped keeps its seat, also while another has none.
func TestASpareSiteTakesNoSeatOfAStoppedOne(t *testing.T) {
	w := newWorld(t, 1, 1, 1, 1)
	w.run(time.Minute)
	w.set("b1", member.StateStopped)
	w.run(3 * time.Hour)
	w.is(t, seats.Fleet, "a1 b1 c1")
}
