package plain_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// agents is the small fleet on real hosts: one of them is dead.
func agents() *api.Status {
	s := picture()
	hour := at.Add(-time.Hour)
	s.World, s.Ring, s.Through = api.WorldAgent, "e7", "tokyo-1"
	s.Coordinator = api.Coordinator{Kind: api.CoordinationActing, Host: "tokyo-1", Epoch: 7, Since: hour, Reason: "osaka-1 is dead"}
	s.Hosts[0].Agent = api.Agent{State: api.AgentAlive, Since: hour, Reason: "it shows this picture", Version: "v0.3.0", Journal: api.StateOK}
	s.Hosts[1].State, s.Hosts[1].Reason = api.StateDown, "dead: nobody of its site hears it, and it did not say goodbye"
	s.Hosts[1].Agent = api.Agent{
		State: api.AgentDead, Since: at.Add(-33 * time.Second), Reason: "nobody of its site hears it, and it did not say goodbye", By: "tokyo-1", Version: "v0.3.0",
		ClockOffset: -312 * time.Millisecond, RTT: 1800 * time.Microsecond, Measured: at.Add(-34 * time.Second), Journal: api.StateUnknown,
	}
	s.Links = []api.Link{{Name: "osaka--tokyo", Sites: [2]string{"osaka", "tokyo"}, State: api.StateDown, Since: hour, Reason: "no heartbeat comes through", Via: "seoul", Latency: 9 * time.Millisecond}}
	s.Groups = []api.Group{{
		Name: "site-tokyo", Site: "tokyo", State: api.StateDown, Since: at.Add(-32 * time.Second), Reason: "1 of 2 voters take part, 2 are needed: tokyo-2 is dead", Term: 3, Voters: 2, Need: 2, Active: 1,
		Members: []api.GroupMember{
			{Host: "tokyo-1", Site: "tokyo", Role: api.GroupVoter, State: api.StateOK, Reason: "takes part", Active: true},
			{Host: "tokyo-2", Site: "tokyo", Role: api.GroupVoter, State: api.StateDown, Reason: "is dead", Behind: 41},
			{Host: "tokyo-3", Site: "tokyo", Role: api.GroupWitness, State: api.StateOK, Reason: "takes part", Active: true},
		},
	}}
	return s
}

// What a fleet of agents has more, for programs and for people.
func TestGetAgents(t *testing.T) {
	s := &shell{client: &fleet{status: agents(), events: events()}}
	for _, kind := range []string{"hosts", "links", "groups"} {
		for output, file := range map[string]string{"json": ".json", "table": ".txt", "yaml": ".yaml"} {
			r := s.run(t, "get", kind, "-o", output)
			if r.code != 0 || r.err != "" {
				t.Errorf("get %s -o %s: %+v", kind, output, r)
			}
			golden(t, "agents/"+kind+file, r.out)
		}
	}
	for _, target := range []string{"host/tokyo-2", "link/osaka--tokyo", "group/site-tokyo", "fleet/edge"} {
		r := s.run(t, "explain", target)
		if r.code != 0 || r.err != "" {
			t.Errorf("explain %s: %+v", target, r)
		}
		golden(t, "agents/explain-"+strings.ReplaceAll(target, "/", "-")+".txt", r.out)
	}
	// One that is one process has none of it.
	local := &shell{client: &fleet{status: picture(), events: events()}}
	if r := local.run(t, "get", "hosts"); strings.Contains(r.out, "AGENT") || strings.Contains(r.out, "CLOCK") {
		t.Errorf("agents of a fleet that is one process: %s", r.out)
	}
	if r := local.run(t, "get", "groups", "-o", "json"); r.out != "[]\n" || r.code != 0 {
		t.Errorf("groups of a fleet that is one process: %+v", r)
	}
}

// A command to who is alone is refused before it is sent, with the reason.
func TestAloneRefuses(t *testing.T) {
	st := agents()
	st.Coordinator = api.Coordinator{Kind: api.CoordinationAlone, Host: "tokyo-1", Reason: "it hears no other site"}
	r := (&shell{client: &fleet{status: st}}).run(t, "drain", "backend/shop-tokyo-1", "--dry-run")
	if r.code != 3 || !strings.Contains(r.err+r.out, "nobody who coordinates the fleet can be reached from here") || !strings.Contains(r.err+r.out, "it hears no other site") {
		t.Errorf("%+v", r)
	}
}

// turning is a fleet whose coordinator changes while somebody watches: each Watch
// brings its updates and ends, and Status and Events are of the newest ring.
type turning struct {
	fleet
	watches [][]api.Update
	froms   []api.Seq
	rings   []struct {
		status *api.Status
		events []api.Event
	}
}

// at is which ring there is: the next one with each Watch, to the last.
func (f *turning) at() int { return min(len(f.froms), len(f.rings)-1) }

func (f *turning) Status(context.Context) (*api.Status, error) { return f.rings[f.at()].status, nil }

func (f *turning) Events(context.Context, api.Seq, int) ([]api.Event, error) {
	return f.rings[f.at()].events, nil
}

func (f *turning) Watch(_ context.Context, from api.Seq) (<-chan api.Update, error) {
	out := make(chan api.Update, 10)
	if n := len(f.froms); n < len(f.watches) {
		for _, u := range f.watches[n] {
			out <- u
		}
	}
	f.froms = append(f.froms, from)
	close(out)
	return out, nil
}

// A watch of events goes on with the next coordinator, which has most of the history
// and numbers the rest its own way: each event is printed once.
func TestEventsOverRings(t *testing.T) {
	old, next := agents(), agents()
	next.Ring = "e8"
	all := events()
	event := func(seq api.Seq, text string) api.Event {
		e := all[3]
		e.Seq, e.Text = seq, text
		return e
	}
	f := &turning{watches: [][]api.Update{
		{{Status: old, Events: []api.Event{event(5, "was lost with the old one")}}},
		{{Status: next}, {Status: next, Events: []api.Event{event(7, "comes after")}}},
	}}
	f.rings = append(f.rings, struct {
		status *api.Status
		events []api.Event
	}{old, all}, struct {
		status *api.Status
		events []api.Event
	}{next, append(events(), event(5, "is the new one's"), event(6, "is the next"))})
	r := (&shell{client: f}).run(t, "get", "events", "--watch")
	for _, text := range []string{"mina asks", "fault f1", "fails its probes", "is degraded", "was lost with the old one", "is the new one's", "is the next", "comes after"} {
		if n := strings.Count(r.out, text); n != 1 {
			t.Errorf("%q is printed %d times:\n%s", text, n, r.out)
		}
	}
	if r.code != 4 || len(f.froms) != 3 || f.froms[1] != 6 {
		t.Errorf("exit code %d, watches from %v", r.code, f.froms)
	}
}
