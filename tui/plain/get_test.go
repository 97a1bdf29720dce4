package plain_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

var kinds = []string{"sites", "hosts", "listeners", "pools", "backends", "clients", "drills", "faults", "events"}

// The contract: what every kind prints for programs, and for people.
func TestGet(t *testing.T) {
	s := &shell{client: &fleet{status: picture(), events: events()}}
	for _, kind := range kinds {
		for output, file := range map[string]string{"json": ".json", "table": ".txt", "yaml": ".yaml"} {
			r := s.run(t, "get", kind, "-o", output)
			if r.code != 0 || r.err != "" {
				t.Errorf("get %s -o %s: %+v", kind, output, r)
			}
			golden(t, "get/"+kind+file, r.out)
		}
		// What every object has, whatever else is in it.
		var all []map[string]any
		if err := json.Unmarshal([]byte(s.run(t, "get", kind, "-o", "json").out), &all); err != nil || len(all) == 0 {
			t.Fatalf("get %s -o json: %v, %d objects", kind, err, len(all))
		}
		for _, x := range all {
			for _, field := range []string{"name", "state", "since", "reason"} {
				if _, ok := x[field].(string); !ok {
					t.Errorf("%s %v: %s is missing", kind, x["name"], field)
				}
			}
			if since := x["since"].(string); since != "" {
				if _, err := time.Parse(time.RFC3339, since); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
		}
	}
	// An empty list is an array too.
	empty := &shell{client: &fleet{status: &api.Status{}}}
	for _, kind := range kinds {
		if r := empty.run(t, "get", kind, "-o", "json"); r.out != "[]\n" || r.code != 0 {
			t.Errorf("get %s of an empty fleet: %+v", kind, r)
		}
	}
}

func TestGetOne(t *testing.T) {
	s := &shell{client: &fleet{status: picture(), events: events()}}
	for _, words := range []string{"get backends shop-tokyo-2", "get backend shop-tokyo-2", "get backend/shop-tokyo-2", "get backends backend/shop-tokyo-2", "get backends/shop-tokyo-2 --site tokyo"} {
		r := s.run(t, strings.Fields(words)...)
		if r.code != 0 || strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, "\ndown   shop-tokyo-2 ") {
			t.Errorf("%s: %+v", words, r)
		}
	}
	if r := s.run(t, "get", "events", "pool/shop-tokyo"); strings.Count(r.out, "\n") != 1 || !strings.Contains(r.out, "pool/shop-tokyo is degraded") {
		t.Errorf("events of the pool: %+v", r)
	}
	for _, c := range []struct {
		words, says string
		code        int
	}{
		{"get", "the kinds are sites", 2},
		{"get backends a b", "the kinds are sites", 2},
		{"get backend/a b", `"b" is too much after backend/a`, 2},
		{"get backand", `"backand" is no kind (did you mean backends?)`, 2},
		{"get backends shop-tokyo-3", `there is no backend "shop-tokyo-3" (did you mean shop-tokyo-1?); holdfast get backends lists them`, 1},
		{"get backends --site osaka", `there is no site "osaka"; holdfast get sites`, 1},
		{"get pools -o xml", `--output "xml" is not known; use table, json, yaml`, 2},
		{"get pools --until fine", `--until "fine" is no state of pools`, 2},
		{"get events --until ok", "--until does not go with events", 2},
		{"get pools --wacth", "get has no flag --wacth (did you mean --watch?)", 2},
		{"get pools --timeout soon", "invalid argument", 2},
	} {
		r := s.run(t, strings.Fields(c.words)...)
		if r.code != c.code || !strings.Contains(r.err, c.says) || r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: %+v, want %d and %q", c.words, r, c.code, c.says)
		}
	}
}

// A terminal obeys nothing of what others chose.
func TestUntrusted(t *testing.T) {
	evil := "\x1b[2J\x9b31m\u009b2J\x7f\u202e\u2028\r\n\x07 tail"
	st := picture()
	st.Backends[0].Reason, st.Drills[1].Reason, st.Drills[1].Log[0].Text = evil, evil, evil
	ev := events()
	ev[0].Reason, ev[2].Text = evil, evil
	s := &shell{client: &fleet{status: st, events: ev}}
	for _, words := range []string{
		"get backends", "get backends -o json", "get backends -o yaml", "get events", "get events -o json", "explain backend/shop-tokyo-1",
		"explain backend/shop-tokyo-2", "drill report lose-backend", "drill report lose-backend -o yaml", "get backends \x1b[2J", "\x1b[2J", "explain \x9b31m",
		"weight \x1b[2J=3", "force \x9b31m a",
	} {
		r := s.run(t, strings.Split(words, " ")...)
		for _, c := range r.out + r.err {
			if c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || c == 0x202e || c == 0x2028 {
				t.Errorf("%q: %U reaches the terminal: %q", words, c, r.out+r.err)
				break
			}
		}
	}
	var all []struct{ Reason string }
	if err := json.Unmarshal([]byte(s.run(t, "get", "backends", "-o", "json").out), &all); err != nil || all[0].Reason != "\x1b[2J\ufffd31m\u009b2J\x7f\u202e\u2028\r\n\x07 tail" {
		t.Errorf("JSON loses what it escapes: %v %q", err, all)
	}
}

// --watch appends what changes, and says when something is gone.
func TestWatch(t *testing.T) {
	second := picture()
	second.Backends[0].Weight = 60
	second.Backends[0].Traffic.Requests++ // alone it is no news
	second.Backends[1].Traffic.Requests = 99
	third := picture()
	third.Backends = third.Backends[:1]
	third.Backends[0].Weight = 60
	third.Faults = nil
	updates := []api.Update{{Status: picture()}, {Status: second}, {Status: second}, {Status: third}, {Status: third}}
	s := &shell{client: &fleet{status: picture(), events: events()[:3], updates: updates, ends: true}}
	for _, c := range []struct{ words, file string }{
		{"get backends --watch", "watch/backends.txt"},
		{"get backends --watch -o json", "watch/backends.jsonl"},
		{"get faults --watch", "watch/faults.txt"},
		{"get pools -w -o yaml", "watch/pools.yaml"},
	} {
		r := s.run(t, strings.Fields(c.words)...)
		golden(t, c.file, r.out)
		// The fleet has ended: that is not what the watch was for.
		if r.code != 4 || r.err != "holdfast: the fleet does not answer any more: it has ended\n" {
			t.Errorf("%s: %d %q", c.words, r.code, r.err)
		}
	}
	follows := &fleet{status: picture(), events: events()[:3], ends: true, updates: []api.Update{{Status: picture(), Events: events()[3:], Missed: 37}}}
	r := (&shell{client: follows}).run(t, "get", "events", "--watch", "-o", "json")
	if follows.from != 3 || r.code != 4 || strings.Count(r.out, "\n") != 4 || !strings.Contains(r.out, `{"name":"4","site":"tokyo"`) || !strings.Contains(r.err, "37 events were missed") {
		t.Errorf("events: %+v", r)
	}
}

// Ctrl-C ends a watch well.
func TestWatchInterrupted(t *testing.T) {
	for _, words := range []string{"get pools --watch", "get events --watch", "get pools --watch -o json"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := &shell{ctx: ctx, client: &fleet{status: picture(), events: events(), updates: []api.Update{{Status: picture()}}}}
			time.AfterFunc(time.Second, cancel)
			if r := s.run(t, strings.Fields(words)...); r.code != 0 || r.err != "" || r.out == "" {
				t.Errorf("%s: %+v", words, r)
			}
		})
	}
}

// --until waits for a state or a phase, and says what it waits for when it is
// late.
func TestUntil(t *testing.T) {
	for _, c := range []struct {
		words string
		after *api.Status
		code  int
		says  string
	}{
		{"get backends --until ok", healthy(), 0, ""},
		{"get backends shop-tokyo-2 --until serving", healthy(), 0, ""},
		{"get backends --until ok --timeout 3s", picture(), 1, "not within 3s: backend/shop-tokyo-1 is degraded, serving: forced up by an operator"},
		{"get drills lose-backend --until passed --timeout 1s", healthy(), 1, "drill/lose-backend is down, failed: took 2.4 s of 2 s"},
		{"get faults --until ok --timeout 1s", healthy(), 1, "there are no faults"},
		{"get backends shop-tokyo-9 --until ok --timeout 1s", healthy(), 1, `there is no backend "shop-tokyo-9"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &shell{client: &fleet{status: picture(), updates: []api.Update{{Status: picture()}, {Status: c.after}}}}
			r := s.run(t, strings.Fields(c.words)...)
			if r.code != c.code || !strings.Contains(r.err, c.says) || (c.code == 0) != (r.out != "") {
				t.Errorf("%s: %+v", c.words, r)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := (&shell{}).run(t, "get", "backends", "--until", "ok", "--timeout", "2s")
		if r.code != 4 || !strings.Contains(r.err, "not within 2s") || time.Since(began) != 2*time.Second {
			t.Errorf("without a fleet: %+v after %s", r, time.Since(began))
		}
	})
}

func TestUnreachable(t *testing.T) {
	s := &shell{}
	for _, words := range []string{
		"get pools", "get events", "explain pool/a", "weight a=1", "drain backend/a", "fault list", "fault clear", "drill list", "drill run a", "drill report a", "drill abort", "console",
	} {
		if r := s.run(t, strings.Fields(words)...); r.code != 4 || r.out != "" || !strings.HasPrefix(r.err, "holdfast: the fleet does not answer: no fleet runs") {
			t.Errorf("%s: %+v", words, r)
		}
	}
}
