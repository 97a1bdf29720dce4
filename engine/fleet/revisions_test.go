package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// clerk keeps a fleet's revisions as a world does.
type clerk struct {
	*world
	kept map[uint64]api.Revision
	all  []api.Revision
}

func newClerk(t *testing.T, set fleet.SetSpec) *clerk {
	t.Helper()
	c := &clerk{world: newWorld(t, story), kept: map[uint64]api.Revision{}}
	c.fleet = fleet.New(fleet.Options{World: api.WorldSimulation})
	if set.Text == "" {
		set.Text = story
	}
	set.Fleet = parse(t, set.Text)
	c.step(set)
	return c
}

func (c *clerk) step(ev fleet.Event) []api.Receipt {
	var out fleet.Effects
	c.now = c.now.Add(time.Second)
	c.fleet.Step(c.now, ev, &out)
	if out.Revisions != nil {
		c.all = out.Revisions
	}
	if k := out.Keep; k != nil {
		c.kept[k.Rev] = k.Revision()
		for rev := range c.kept {
			if rev < k.Oldest {
				delete(c.kept, rev)
			}
		}
	}
	c.events = append(c.events, out.Events...)
	var receipts []api.Receipt
	for _, a := range out.Answers {
		receipts = append(receipts, a.Receipt)
	}
	return receipts
}

// do asks as a client does: with what was read.
func (c *clerk) do(t *testing.T, cmd api.Command, confirm string) api.Receipt {
	t.Helper()
	ask := fleet.Ask{ID: "r", Request: api.Request{Command: cmd, By: api.Actor{Name: "kim"}, Why: "a test", Confirm: confirm}}
	switch cmd := cmd.(type) {
	case api.Apply:
		ask.Spec = parse(t, cmd.Text)
	case api.Rollback:
		if i := slices.IndexFunc(c.all, func(r api.Revision) bool { return r.Rev == cmd.Rev }); i >= 0 {
			ask.Spec = parse(t, c.all[i].Text)
		}
	default:
	}
	return c.step(ask)[0]
}

func weighing(n int) api.Apply {
	return api.Apply{Name: fmt.Sprintf("w%d.yaml", n), Text: strings.Replace(story, "port: 9002,", fmt.Sprintf("port: 9002, weight: %d,", n), 1)}
}

func TestRevisionsAreListedAndKept(t *testing.T) {
	c := newClerk(t, fleet.SetSpec{Name: "story.yaml", Dir: "/etc", By: "root"})
	if len(c.all) != 1 || c.all[0].How != api.HowStart || c.all[0].Rev != 1 || c.all[0].By != "root" || c.all[0].Text != story || c.all[0].Size != len(story) {
		t.Fatalf("at the start: %+v", c.all)
	}
	if r := c.do(t, weighing(50), ""); !r.OK || len(r.Changes) != 1 || r.Changes[0].String() != "weight 100 → 50" {
		t.Fatalf("apply: %+v", r)
	}
	if r := c.do(t, api.Rollback{Rev: 1}, ""); !r.OK || len(r.Changes) != 1 || r.Changes[0].String() != "weight 50 → 100" || r.Done != "go back to revision 1" {
		t.Fatalf("rollback: %+v", r)
	}
	r := c.all[len(c.all)-1]
	if len(c.all) != 3 || r.Rev != 3 || r.How != api.HowRollback || r.Of != 1 || r.Text != story || r.Name != "story.yaml" || r.Dir != "/etc" || r.By != "kim" || r.Why != "a test" || len(r.Changes) != 1 {
		t.Fatalf("after a rollback: %+v", c.all)
	}
	for _, r := range c.all {
		if k := c.kept[r.Rev]; k.Text != r.Text || k.How != r.How || k.Of != r.Of || !k.At.Equal(r.At) {
			t.Errorf("revision %d is kept as %+v", r.Rev, k)
		}
	}
	if e := c.events[len(c.events)-1]; !strings.Contains(e.Text, "revision 3 is in force, with the text of revision 1") || e.Reason != "backend/b2 weight 50 → 100" {
		t.Errorf("the event says %q: %q", e.Text, e.Reason)
	}
	if s := c.fleet.Status(); s.Rev != 3 || s.RevFirst != 1 {
		t.Errorf("the picture has revision %d, from %d on", s.Rev, s.RevFirst)
	}
}

func TestRevisionsGoOnInTheNextFleet(t *testing.T) {
	first := newClerk(t, fleet.SetSpec{})
	first.do(t, weighing(50), "")
	for _, c := range []struct {
		name string
		set  fleet.SetSpec
		want string
	}{
		{"with the one in force", fleet.SetSpec{Rev: 2, Text: weighing(50).Text, Revisions: first.all}, "1start 2apply"},
		{"with another one", fleet.SetSpec{Text: weighing(7).Text, Revisions: first.all}, "1start 2apply 3start"},
		{"with one that was in force before the last, whose fleet died", fleet.SetSpec{Rev: 1, Text: story, Revisions: first.all}, "1start"},
		{"without what was kept", fleet.SetSpec{Rev: 9}, "9start"},
		{"with some that were lost", fleet.SetSpec{Rev: 9, Revisions: first.all[:1]}, "1start 9start"},
		{"with one whose text is another", fleet.SetSpec{Rev: 2, Revisions: first.all}, "1start 2start"},
	} {
		next := newClerk(t, c.set)
		var got []string
		for _, r := range next.all {
			got = append(got, fmt.Sprintf("%d%s", r.Rev, r.How))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s; want %s", c.name, s, c.want)
		}
		if r := next.do(t, weighing(3), ""); !r.OK || next.all[len(next.all)-1].Rev != next.all[len(next.all)-2].Rev+1 {
			t.Errorf("%s: the next revision is %+v", c.name, next.all)
		}
	}
	if next := newClerk(t, fleet.SetSpec{Text: weighing(7).Text, Revisions: first.all}); next.all[2].Changes[0].String() != "weight 50 → 7" {
		t.Errorf("a start with another spec changed %+v", next.all[2].Changes)
	}
}

func TestRevisionsAreBounded(t *testing.T) {
	c := newClerk(t, fleet.SetSpec{})
	var shown []api.Revision
	for n := range api.RevisionsMax + 10 {
		if r := c.step(fleet.Ask{ID: "r", Spec: parse(t, weighing(1+n%100).Text), Request: api.Request{Command: weighing(1 + n%100)}})[0]; !r.OK {
			t.Fatal(r)
		}
		if n == 20 {
			shown = c.all
		}
	}
	if len(c.all) != api.RevisionsMax || len(c.kept) != api.RevisionsMax || c.all[0].Rev != 12 {
		t.Errorf("%d are listed, from %d on, and %d kept", len(c.all), c.all[0].Rev, len(c.kept))
	}
	if len(shown) != 22 || shown[0].Rev != 1 || shown[21].Rev != 22 {
		t.Error("a list was changed after it was given away")
	}
	if r := c.do(t, api.Rollback{Rev: 11}, ""); r.OK || r.Refusals[0].Reason != api.ReasonNoSuchRevision || !strings.Contains(r.Refusals[0].Detail, "those before 12 are not kept") {
		t.Errorf("back to what is not kept: %+v", r)
	}
	// Large ones: fewer.
	big := weighing(5)
	big.Text += strings.Repeat("# a comment that nobody reads, and that is kept all the same\n", 16000)
	same := parse(t, weighing(5).Text)
	for range 20 {
		if r := c.step(fleet.Ask{ID: "r", Spec: same, Request: api.Request{Command: big}})[0]; !r.OK {
			t.Fatal(r)
		}
	}
	bytes := 0
	for _, r := range c.all {
		bytes += len(r.Text)
	}
	if bytes > api.RevisionBytesMax || len(c.all) < 15 || len(c.kept) != len(c.all) {
		t.Errorf("%d revisions of %d bytes are kept", len(c.all), bytes)
	}
}

// Two operators look at the same revision, and apply one after the other.
func TestTwoApplyAtTheSameTime(t *testing.T) {
	c := newClerk(t, fleet.SetSpec{})
	ana, bo := weighing(10), weighing(20)
	ana.Base, bo.Base = 1, 1
	if r := c.do(t, ana, ""); !r.OK {
		t.Fatal(r)
	}
	r := c.do(t, bo, "")
	if r.OK || r.Refusals[0].Reason != api.ReasonOtherRevision || len(r.Changes) != 1 || r.Changes[0].String() != "weight 10 → 20" {
		t.Errorf("the second: %+v", r)
	}
	if c.all[len(c.all)-1].Text != ana.Text {
		t.Error("the second one is in force")
	}
	if r := c.do(t, api.Rollback{Rev: 1, Base: 1}, ""); r.OK {
		t.Errorf("back from what is not in force: %+v", r)
	}
	if bo.Base = 2; !c.do(t, bo, "").OK {
		t.Error("the second, who has looked again, is refused")
	}
}

// What a spec takes away from users is asked about, whatever the command.
func TestTakingAwayWhatServes(t *testing.T) {
	w := newWorld(t, story)
	w.run(10 * time.Second)
	w.receipts = nil
	ask := func(text, confirm string, dry bool) api.Receipt {
		w.tell(fleet.Ask{ID: "r", Spec: parse(t, text), Request: api.Request{Command: api.Apply{Text: text}, Confirm: confirm, DryRun: dry}})
		return w.receipts[len(w.receipts)-1]
	}
	without := strings.Replace(story, "      - {name: b2, host: h2, port: 9002, service: {}}\n", "", 1)
	if r := ask(without, "", true); !r.OK || r.Confirm != "" {
		t.Errorf("one of two leaves, without a flow: %+v", r)
	}
	other := strings.NewReplacer("name: b1", "name: b3", "port: 9001", "port: 9003", "name: b2", "name: b4", "port: 9002", "port: 9004").Replace(story)
	r := ask(other, "", false)
	if r.OK || r.Confirm != "shop" || len(r.Refusals) != 2 || r.Refusals[0].Reason != api.ReasonLastServing || !r.Refusals[0].Warning || r.Refusals[1].Reason != api.ReasonNotConfirmed {
		t.Fatalf("all leave, others come: %+v", r)
	}
	if r := ask(strings.ReplaceAll(story, ", service: {}}", ", weight: 0, service: {}}"), "", true); r.OK || r.Refusals[0].Reason != api.ReasonLastServing {
		t.Errorf("all have weight 0: %+v", r)
	}
	if r := ask(other, "shop", true); !r.OK {
		t.Errorf("confirmed: %+v", r)
	}
	if r := ask(other, "shop", false); !r.OK || w.spec.Pool("shop").Backends[0].Name != "b3" {
		t.Errorf("confirmed: %+v", r)
	}
}

// A listener that nobody uses may go; one that is used is asked about.
func TestTakingAwayAListener(t *testing.T) {
	w := newWorld(t, story)
	w.run(10 * time.Second)
	moved := strings.Replace(story, "port: 8080, pool", "port: 8081, pool", 1)
	ask := func() api.Receipt {
		w.tell(fleet.Ask{ID: "r", Spec: parse(t, moved), Request: api.Request{Command: api.Apply{Text: moved}, DryRun: true}})
		return w.receipts[len(w.receipts)-1]
	}
	if r := ask(); !r.OK {
		t.Errorf("nobody uses it: %+v", r)
	}
	s := w.hosts["h1"].Status(w.now)
	s.Readings.Number++
	s.Readings.Listeners = append(s.Readings.Listeners, host.Reading{Name: "web", Active: 3})
	w.tell(fleet.Report{Status: s, Changed: true})
	r := ask()
	if r.OK || r.Confirm != "shop" || r.Refusals[0].Reason != api.ReasonServes || r.Refusals[0].Target.String() != "listener/web" || !strings.Contains(r.Refusals[0].Detail, "port 8081") {
		t.Errorf("users use it: %+v", r)
	}
}
