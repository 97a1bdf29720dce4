package plain_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// waiting is a fleet that accepts a command and then shows pictures; the first one
// is from before the command.
func waiting(before *api.Status, ends bool, after ...api.Update) *fleet {
	old := *before
	old.Seq = 3
	return &fleet{
		status: before, ends: ends, updates: append([]api.Update{{Status: &old}}, after...),
		receipt: func(r api.Request) api.Receipt {
			return api.Receipt{ID: "r1", OK: true, Done: r.Command.Sentence(), Seq: 5}
		},
	}
}

// later is the healthy fleet after a change.
func later(change func(*api.Status)) api.Update {
	s := healthy()
	s.Seq = 6
	change(s)
	return api.Update{Status: s}
}

func weights(n int) func(*api.Status) {
	return func(s *api.Status) {
		b := &s.Backends[0]
		b.Votes = append(b.Votes, api.Vote{Host: "tokyo-2", Phase: api.PhaseServing, Weight: n})
		b.Weight, b.Votes[0].Weight = 50, 50
	}
}

func phase(p api.Phase) func(*api.Status) {
	return func(s *api.Status) {
		b := &s.Backends[0]
		b.Phase, b.Votes[0].Phase, b.Traffic.Active = p, p, 3
	}
}

func forced(m api.Measure, p api.Phase) func(*api.Status) {
	return func(s *api.Status) {
		phase(p)(s)
		s.Backends[0].Health.Forced = m
	}
}

func faulty(s *api.Status) { s.Faults = picture().Faults }

func nothing(*api.Status) {}

// answered is an update with the event that a fault ended with.
func answered(state api.State, text, reason string) api.Update {
	u := later(nothing)
	u.Events = []api.Event{{Seq: 6, Receipt: "r1", Lane: api.LanePeople, State: api.StateOK}, {Seq: 6, Receipt: "r1", Lane: api.LaneFault, State: state, Text: text, Reason: reason}}
	return u
}

func drilling(s *api.Status) { s.Drills[1].Phase = api.DrillReverting }

func unmeasured(s *api.Status) { s.Rev, s.Hosts[1].State = 8, api.StateUnknown }

func revised(s *api.Status) {
	s.Rev = 8
	s.Listeners[0].State, s.Pools[0].State = api.StateOK, api.StateOK
}

// --wait waits for every host, and says for which one when it is late; the
// picture from before the command counts for nothing.
func TestWait(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		words string
		still api.Update // not yet
		then  api.Update // done
		says  string     // when it stays at still
	}{
		{"weight shop-tokyo-1=50", later(weights(100)), later(weights(50)), "backend/shop-tokyo-1 has not weight 50, says tokyo-2"},
		{"drain shop-tokyo-1", later(phase(api.PhaseDraining)), later(phase(api.PhaseDrained)), "backend/shop-tokyo-1 drains, 3 flows are left, says tokyo-1"},
		{"drain host/tokyo-1", later(phase(api.PhaseServing)), later(phase(api.PhaseOut)), "backend/shop-tokyo-1 drains"},
		{"undrain shop-tokyo-1", later(phase(api.PhaseDrained)), later(phase(api.PhaseRising)), "backend/shop-tokyo-1 drains, says tokyo-1"},
		{"force down shop-tokyo-1", later(forced(api.Down, api.PhaseServing)), later(forced(api.Down, api.PhaseOut)), "backend/shop-tokyo-1 is not forced down, says tokyo-1"},
		{"force up shop-tokyo-1", later(nothing), later(forced(api.Up, api.PhaseServing)), "backend/shop-tokyo-1 is not forced up yet"},
		{"unforce shop-tokyo-1", later(forced(api.Down, api.PhaseOut)), later(nothing), "backend/shop-tokyo-1 is still forced down"},
		{"fault kill shop-tokyo-1", later(nothing), answered(api.StateDegraded, "fault f2: kill", ""), "backend/shop-tokyo-1 is not hit yet"},
		{"fault clear f1", later(faulty), later(nothing), "fault f1 is in force: is in force"},
		{"drill abort", later(drilling), later(nothing), "drill lose-backend is reverting"},
		{"apply -", later(unmeasured), later(revised), "host/tokyo-2: serves no listener"},
		{"apply -", later(nothing), later(revised), "the revision is not in force"},
	} {
		words := append(strings.Fields(c.words), "--wait", "--timeout", "3s")
		run := func(f *fleet) (r result) {
			synctest.Test(t, func(t *testing.T) { r = (&shell{client: f, in: "fleet: edge\n"}).run(t, words...) })
			return r
		}
		if r := run(waiting(healthy(), false, c.still, c.still, c.then)); r.code != 0 || !strings.HasPrefix(r.out, "done: ") {
			t.Errorf("%s: %+v", c.words, r)
		}
		r := run(waiting(healthy(), false, c.still))
		if r.code != 1 || !strings.Contains(r.err, "not within 3s: "+c.says) || !strings.HasSuffix(r.err, "; the command stands\n") || r.out != "" {
			t.Errorf("%s, late: %+v, want %q", c.words, r, c.says)
		}
		if r := run(waiting(healthy(), true, c.still)); r.code != 4 || !strings.Contains(r.err, "it has ended") {
			t.Errorf("%s, and the fleet ends: %+v", c.words, r)
		}
	}
}

func TestWaitFails(t *testing.T) {
	f := waiting(healthy(), false, answered(api.StateDown, "fault f2 could not be injected: kill", "the backend has no process"))
	r := (&shell{client: f}).run(t, "fault", "kill", "shop-tokyo-1", "--wait", "-o", "json")
	if r.code != 1 || !strings.Contains(r.out, `"reason": "fault f2 could not be injected: kill: the backend has no process"`) || !strings.Contains(r.out, `"ok": false`) {
		t.Errorf("%+v", r)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		r := (&shell{client: waiting(healthy(), false, later(phase(api.PhaseDraining))), ctx: ctx}).run(t, "drain", "shop-tokyo-1", "--wait")
		if r.code != 1 || !strings.Contains(r.err, "interrupted: backend/shop-tokyo-1 drains") {
			t.Errorf("interrupted: %+v", r)
		}
	})
}

// drill is the healthy fleet with a drill in a phase of its fourth run.
func drill(p api.DrillPhase, notes int) api.Update {
	return later(func(s *api.Status) {
		d := &s.Drills[1]
		d.Phase, d.Run, d.Reason, d.Log = p, 4, "that is why", d.Log[:notes]
	})
}

// drill run follows a run to its verdict and ends with its exit code.
func TestDrillRun(t *testing.T) {
	for _, c := range []struct {
		end  api.DrillPhase
		code int
	}{{api.DrillPassed, 0}, {api.DrillFailed, 1}, {api.DrillAborted, 1}, {api.DrillRefused, 3}} {
		updates := []api.Update{drill(api.DrillChecking, 0), drill(api.DrillRunning, 1), drill(api.DrillRunning, 1), drill(c.end, 2)}
		r := (&shell{client: waiting(healthy(), false, updates...)}).run(t, "drill", "run", "lose-backend")
		if r.code != c.code || r.err != "" || strings.Count(r.out, "run 3 by mina\n") != 1 || !strings.Contains(r.out, "verdict  "+string(c.end)+": that is why\n") {
			t.Errorf("%s: %+v", c.end, r)
		}
		golden(t, "drill/"+string(c.end)+".txt", r.out)
		r = (&shell{client: waiting(healthy(), false, updates...)}).run(t, "drill", "run", "lose-backend", "-o", "json")
		if r.code != c.code || r.err != "" || strings.Contains(r.out, `"ok": true`) != (c.code == 0) || !strings.Contains(r.out, `"phase": "`+string(c.end)+`"`) {
			t.Errorf("%s in JSON: %+v", c.end, r)
		}
	}
	if r := (&shell{client: waiting(healthy(), true, drill(api.DrillRunning, 0))}).run(t, "drill", "run", "lose-backend"); r.code != 4 {
		t.Errorf("the fleet ends: %+v", r)
	}
}

// ending is a fleet whose drill runs until it is aborted.
type ending struct {
	*fleet
	aborted chan struct{}
}

func (e *ending) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	if _, ok := req.Command.(api.AbortDrill); ok && len(e.asked) == 1 {
		close(e.aborted)
	}
	return e.fleet.Do(ctx, req)
}

func (e *ending) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	out := make(chan api.Update)
	go func() {
		defer close(out)
		out <- drill(api.DrillRunning, 1)
		select {
		case <-e.aborted:
			out <- drill(api.DrillAborted, 2)
		case <-ctx.Done():
		}
	}()
	return out, nil
}

// Ctrl-C and the end of the time abort a drill, which is then followed to its
// end: its fault is not left behind.
func TestDrillAborted(t *testing.T) {
	for _, why := range []string{"interrupted", "not within 5s"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			words := []string{"drill", "run", "lose-backend"}
			if why == "interrupted" {
				time.AfterFunc(time.Second, cancel)
			} else {
				words = append(words, "--timeout", "5s")
			}
			e := &ending{accepting(), make(chan struct{})}
			r := (&shell{client: e, ctx: ctx}).run(t, words...)
			if r.code != 1 || !strings.Contains(r.out, "verdict  aborted: that is why") {
				t.Errorf("%s: %+v", why, r)
			}
			if last := e.asked[len(e.asked)-1]; len(e.asked) != 2 || last.Command != (api.AbortDrill{}) || last.Why != why {
				t.Errorf("%s: asked %+v", why, e.asked)
			}
		})
	}
}

func TestReport(t *testing.T) {
	s := &shell{client: &fleet{status: picture()}}
	golden(t, "drill/report.txt", s.run(t, "drill", "report", "lose-backend").out)
	golden(t, "drill/report.json", s.run(t, "drill", "report", "drill/lose-backend", "-o", "json").out)
	golden(t, "drill/idle.txt", s.run(t, "drill", "report", "freeze-backend").out)
	if r := s.run(t, "drill", "report", "lose-backed"); r.code != 1 || !strings.Contains(r.err, `there is no drill "lose-backed" (did you mean lose-backend?)`) {
		t.Errorf("%+v", r)
	}
}
