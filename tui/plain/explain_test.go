package plain_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/plain"
)

func TestExplain(t *testing.T) {
	s := &shell{client: &fleet{status: picture(), events: events()}}
	for _, target := range []string{
		"backend/shop-tokyo-1", "backend/shop-tokyo-2", "pool/shop-tokyo", "listener/shop-tokyo", "host/tokyo-1", "site/tokyo", "clients/users-tokyo",
		"drill/lose-backend", "fault/f1", "fleet/edge",
	} {
		name := "explain/" + strings.ReplaceAll(target, "/", "-")
		for output, end := range map[string]string{"text": ".txt", "json": ".json"} {
			r := s.run(t, "explain", target, "-o", output)
			if r.code != 0 || r.err != "" {
				t.Errorf("%s: %+v", target, r)
			}
			golden(t, name+end, r.out)
		}
	}
	// By its name alone, where only one thing has it.
	if r := s.run(t, "explain", "tokyo-1"); !strings.HasPrefix(r.out, "host/tokyo-1 is ok since ") {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		words, says string
		code        int
	}{
		{"shop-tokyo", `"shop-tokyo" is more than one thing; write one of pool/shop-tokyo, listener/shop-tokyo`, 2},
		{"pool/shop-osaka", `there is no pool "shop-osaka"; holdfast get pools lists them`, 1},
		{"backend/shop-tokyo-3", "did you mean backend/shop-tokyo-1?", 1},
		{"nosuch", `there is nothing called "nosuch"; write kind/name`, 1},
		{"fleet/other", `there is no fleet "other"`, 1},
	} {
		if r := s.run(t, "explain", c.words); r.code != c.code || r.out != "" || !strings.Contains(r.err, c.says) {
			t.Errorf("explain %s: %+v, want %q", c.words, r, c.says)
		}
	}
}

func TestSpecs(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"same.yaml": "fleet: edge\n", "more.yaml": "fleet: edge\ntitle: \x1b[2J\n", "bad.yaml": "bad", "big.yaml": strings.Repeat("#", api.SpecSizeMax+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := accepting()
	f.revisions = []api.Revision{{Rev: 6, Text: "fleet: six\n"}, {Rev: 7, Text: "fleet: edge\n"}}
	s := &shell{client: f, in: "fleet: edge\n", validate: func(name string, text []byte) ([]plain.SpecFlaw, error) {
		if string(text) != "bad" {
			return nil, nil
		}
		return []plain.SpecFlaw{{File: name, Line: 1, Column: 1, Text: "it is bad"}, {File: name, Line: 2, Column: 3, Text: "too"}}, errors.New(name + ":1:1: it is bad\n" + name + ":2:3: too")
	}}
	for _, c := range []struct {
		words, out, err string
		code            int
	}{
		{"validate -f same.yaml", "same.yaml is valid\n", "", 0},
		{"validate same.yaml -o json", `"ok": true`, "", 0},
		{"validate -", "stdin is valid\n", "", 0},
		{"validate bad.yaml", "", "holdfast: bad.yaml:1:1: it is bad\nbad.yaml:2:3: too\n", 1},
		{"validate bad.yaml -o json", `"line": 2`, "", 1},
		{"validate big.yaml", "", "big.yaml has more than 2097152 bytes", 1},
		{"validate nosuch.yaml", "", "no such file", 2},
		{"validate", "", "give one file, or - for standard input: holdfast validate -f FILE", 2},
		{"validate a b", "", "give one file", 2},
		{"diff same.yaml", "", "", 0},
		{"diff more.yaml", "fleet/edge\n  ~ title fleet: edge? → fleet: edge?title: ?[2J?\nand 2 more\n", "", 1},
		{"diff 7 6", "fleet/edge", "", 1},
		{"diff 6", "fleet/edge", "", 1},
		{"diff 6 7 -o json", `"reason": "revision 7 differs from revision 6"`, "", 1},
		{"diff 7", "", "", 0},
		{"diff 5", "", "revision 5 is not kept; holdfast history lists", 1},
		{"diff 0", "", "is no revision", 2},
		{"diff 1 2 3", "", "give one revision, or two", 2},
		{"diff", "", "give one file", 2},
		{"diff -f same.yaml -o json", `"revision": 7`, "", 0},
		{"diff more.yaml --text", "--- revision 7\n+++ more.yaml\n@@ -1 +1,2 @@\n fleet: edge\n+title: ?[2J\n", "", 1},
		{"diff more.yaml -o json", `"reason": "it differs from revision 7, which is in force"`, "", 1},
		{"diff bad.yaml", "", "bad.yaml:2:3: too", 1},
		{"apply bad.yaml", "", "bad.yaml:2:3: too", 3},
		{"apply bad.yaml -o json", `"reason": "spec-invalid"`, "", 3},
		{"profiles", "three-sites\nsingle-site\n", "", 0},
		{"profiles single-site", "fleet: single-site\n", "", 0},
		{"profiles single-sit", "", "did you mean single-site?", 2},
		{"schema", "{}\n", "", 0},
	} {
		r := s.run(t, strings.Fields(c.words)...)
		if r.code != c.code || !strings.Contains(r.out, c.out) || !strings.Contains(r.err, c.err) || c.err == "" && r.err != "" || c.out == "" && r.out != "" {
			t.Errorf("%s: %+v", c.words, r)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("asked for %+v", f.asked)
	}
	s.run(t, "apply", "more.yaml", "--why", "more")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := api.Apply{Name: "more.yaml", Text: "fleet: edge\ntitle: \x1b[2J\n", Dir: dir, Base: 7}
	if len(f.asked) != 2 || !f.asked[0].DryRun || f.asked[1].DryRun || f.asked[1].Command != want || f.asked[1].Why != "more" {
		t.Errorf("asked for %+v", f.asked)
	}
	// A fleet that is away is not a spec that differs.
	if r := (&shell{}).run(t, "diff", "same.yaml", "-o", "json"); r.code != 4 || !strings.Contains(r.out, `"ok": false`) {
		t.Errorf("%+v", r)
	}
}

// What main is told.
func TestWorlds(t *testing.T) {
	s := &shell{client: accepting()}
	for _, words := range []string{"", "up single-site --headless --metrics 127.0.0.1:9100 --state /s", "console --page pools --read-only", "wallboard --ascii"} {
		if r := s.run(t, strings.Fields(words)...); r.code != 0 || r.out+r.err != "" {
			t.Errorf("%s: %+v", words, r)
		}
	}
	up, ok := s.ran[0].(plain.UpOptions)
	if !ok || up.Spec != "" || up.Headless || up.Face.Actor.From != "console" {
		t.Errorf("holdfast alone: %+v", s.ran[0])
	}
	if up := s.ran[1].(plain.UpOptions); up.Spec != "single-site" || !up.Headless || up.Metrics != "127.0.0.1:9100" || up.State != "/s" {
		t.Errorf("up: %+v", up)
	}
	if c := s.ran[2].(plain.FaceOptions); c.Page != "pools" || !c.ReadOnly || c.Actor.Name == "" {
		t.Errorf("console: %+v", c)
	}
	if w := s.ran[3].(plain.FaceOptions); !w.ASCII {
		t.Errorf("wallboard: %+v", w)
	}
}
