package spec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// TestDiffStories changes one spec in many ways and says what the difference is.
func TestDiffStories(t *testing.T) {
	whole, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	from := parsed(t, string(whole))
	var said strings.Builder
	for _, c := range diffStories {
		text := string(whole)
		for i := 0; i < len(c.replace); i += 2 {
			next := strings.Replace(text, c.replace[i], c.replace[i+1], 1)
			if next == text {
				t.Fatalf("%s: %q is not in the spec", c.name, c.replace[i])
			}
			text = next
		}
		fmt.Fprintf(&said, "%s\n", c.name)
		for _, x := range spec.Diff(from, parsed(t, text)) {
			fmt.Fprintf(&said, "  %s\n", sayChange(x))
		}
	}
	said.WriteString("all of it, anew\n")
	for _, x := range spec.Diff(&spec.Fleet{Name: "shop", Title: "shop"}, from) {
		fmt.Fprintf(&said, "  %s\n", sayChange(x))
	}
	golden := filepath.Join("testdata", "diff.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(said.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), said.String()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func sayChange(c spec.Change) string {
	s := c.Subject.String() + " " + string(c.Kind)
	if !c.Of.IsZero() {
		s = c.Of.String() + ": " + s
	}
	if c.Field != "" {
		s += " " + c.Field
	}
	return s + fmt.Sprintf(" %q → %q", c.Before, c.After)
}

func parsed(t *testing.T, text string) *spec.Fleet {
	t.Helper()
	f, err := spec.Parse("full.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestDiffSeesEveryField changes every value of a whole spec, one at a time:
// what a spec can say, a difference can show.
func TestDiffSeesEveryField(t *testing.T) {
	whole, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	from, to := parsed(t, string(whole)), parsed(t, string(whole))
	if d := spec.Diff(from, to); len(d) != 0 {
		t.Fatalf("a spec differs from itself: %v", d)
	}
	seen := 0
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		changed := true
		switch v.Kind() {
		case reflect.Struct:
			changed = false
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
			// One less; nothing where there was something, and the other way round.
			if changed = v.Len() > 0; changed {
				v.Set(v.Slice(0, v.Len()-1))
			}
		case reflect.Pointer:
			if changed = !v.IsNil(); changed {
				// Its own, so that what it points to can be put back.
				walk(v.Elem(), path)
				v.SetZero()
			}
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Float64:
			v.SetFloat(v.Float() + 1)
		case reflect.Map:
			if changed = v.Len() > 0; changed {
				v.SetZero()
			}
		default:
			t.Fatalf("%s: a %s is new to this test", path, v.Kind())
		}
		if changed {
			seen++
			d, back := spec.Diff(from, to), spec.Diff(to, from)
			if len(d) == 0 || len(back) == 0 {
				t.Errorf("%s: %v became %v, and nothing differs", path, before, v)
			}
			for _, x := range d {
				if x.Before == x.After {
					t.Errorf("%s: it cannot be seen what differs: %s", path, sayChange(x))
				}
			}
		}
		v.Set(before)
	}
	walk(reflect.ValueOf(to).Elem(), "")
	if d := spec.Diff(from, to); len(d) != 0 || seen < 200 {
		t.Fatalf("%d values were changed and put back; left is %v", seen, d)
	}
}

var diffStories = []struct {
	name    string
	replace []string
}{
	{"nothing, but for a comment, layout and a default that is written out", []string{
		"title: All of it", "title:   All of it # for people", "- {name: shop-2, host: tokyo-2, port: 9443, backup: true}", "- {port: 9443, name: shop-2, host: tokyo-2, backup: true, weight: 100}",
	}},
	{"a weight", []string{"weight: 50", "weight: 10"}},
	{"a backend comes, another goes", []string{"{name: shop-2, host", "{name: shop-3, host"}},
	{"backends in another order", []string{
		"      - {name: shop-2, host: tokyo-2, port: 9443, backup: true}\n", "",
		"    backends:\n", "    backends:\n      - {name: shop-2, host: tokyo-2, port: 9443, backup: true}\n",
	}},
	{"a backend on another port, no longer run by the fleet", []string{"port: 9443, weight: 50", "port: 9444, weight: 50", ", service: {kind: http}}", "}", "backend/shop-1", "backend/any"}},
	{"a pool's scheduler, persistence and way to its backends", []string{"scheduler: p2c", "scheduler: rr", "persistence: {kind: cookie-insert, for: 1h, cookie: STAY}", "persistence: {kind: source, for: 5m}", "http2: true, connect: 500ms", "connect: 900ms"}},
	{"a probe, and one that is like it", []string{"fall: 2", "fall: 4", "headers: {X-Probe: holdfast}", "headers: {X-Probe: holdfast, X-More: \"1\"}"}},
	{"a listener's port and certificates", []string{"port: 8443\n", "port: 9943\n", "certificates: [{chain: shop.pem, key: shop.key}]", "certificates: [{chain: shop.pem, key: shop.key}, {chain: other.pem, key: other.key}]"}},
	{"routes by name", []string{`sni: [{name: "*.example.test", pool: raw}]`, `sni: [{name: "*.example.test", pool: raw}, {name: a.example.test, pool: raw}]`}},
	{"a host leaves, with what is on it", []string{"      - {name: tokyo-2}\n", "", "      - {name: shop-2, host: tokyo-2, port: 9443, backup: true}\n", "", "hosts: [tokyo-1, tokyo-2]", "hosts: [tokyo-1]"}},
	{"no drills, no clients", []string{"clients:\n  - {name: users, listener: shop, from: tokyo, rate: 12.5, path: /buy, timeout: 2s}\n", "", "\ndrills:\n", "\n#", "  - name: lose\n", "#\n", "    why: one backend is killed under traffic\n", "", "    fault: {kind: slow, target: backend/shop-1, delay: 300ms}\n", "", "    clients: users\n", "", "    objectives: {took: 2s, errors: 1%, p99: 50ms}\n", "", "    before: {min_up: 100%, errors: 0.5%}\n", "", "    stop: {errors: 20%, for: 10s}\n", "", "    hold: 5s\n    settle: 20s\n    revert_after: 1m\n    probe_every: 2ms", ""}},
	{"a long text, far from its beginning", []string{"why: one backend is killed under traffic", "why: " + strings.Repeat("one backend is killed ", 10) + "under traffic é and more"}},
}
