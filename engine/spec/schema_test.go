package spec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/profiles"
)

// readSchema returns the schema as a validator.
func readSchema(t *testing.T) *schema {
	t.Helper()
	b, err := spec.Schema()
	if err != nil {
		t.Fatal(err)
	}
	s := &schema{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t *testing.T, text []byte) map[string]any {
	t.Helper()
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func full(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return asJSON(t, text)
}

// parse has a tree parsed as a spec: JSON is YAML.
func parse(t *testing.T, v any) error {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	_, err = spec.Parse("f.json", b)
	return err
}

// TestSchemaGolden: what editors get changes on purpose only.
func TestSchemaGolden(t *testing.T) {
	got, err := spec.Schema()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/schema.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the schema differs from %s; go test ./engine/spec -update rewrites it", golden)
	}
}

// Every key says what it means.
func TestSchemaDescribes(t *testing.T) {
	root := readSchema(t)
	for name, d := range root.Defs {
		if d.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	for _, p := range []struct{ def, key, says string }{{"pool", "scheduler", "new flow"}, {"probe", "interval", "50ms to 300s"}, {"backend", "weight", "0 to 100"}} {
		s := root.Defs[p.def].Properties[p.key]
		if s == nil || !strings.Contains(s.Description, p.says) {
			t.Errorf("%s.%s is described as %+v", p.def, p.key, s)
		}
	}
}

func TestProfilesAreAsTheSchemaSays(t *testing.T) {
	root := readSchema(t)
	for _, name := range profiles.Names() {
		text, err := profiles.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := root.check(root, asJSON(t, text), name, map[*schema]bool{}); err != nil {
			t.Error(err)
		}
	}
}

// Every key of the schema is in testdata/full.yaml, and Parse accepts it.
func TestEveryKeyOfTheSchemaIsAccepted(t *testing.T) {
	root, used := readSchema(t), map[*schema]bool{}
	tree := full(t)
	if err := root.check(root, tree, "full", used); err != nil {
		t.Error(err)
	}
	if err := parse(t, tree); err != nil {
		t.Errorf("it was refused:\n%v", err)
	}
	root.Defs["fleet"] = root
	for name, d := range root.Defs {
		for key, p := range d.Properties {
			if !used[p] {
				t.Errorf("%s.%s is not in testdata/full.yaml", name, key)
			}
		}
	}
}

// places calls f for every object and every value of a tree, with ways to set
// the value and to take it out.
func places(v any, path string, f func(path string, v any, set func(any), remove func())) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			old := v[k]
			places(old, path+"."+k, f)
			f(path+"."+k, old, func(x any) { v[k] = x }, func() { delete(v, k) })
			v[k] = old
		}
	case []any:
		for i := range v {
			old := v[i]
			places(old, fmt.Sprintf("%s[%d]", path, i), f)
			f(fmt.Sprintf("%s[%d]", path, i), old, func(x any) { v[i] = x }, nil)
			v[i] = old
		}
	}
}

// An unknown key is refused by both, wherever it stands.
func TestEveryUnknownKeyIsRefused(t *testing.T) {
	root, tree, count := readSchema(t), full(t), 0
	objects := func(f func(string, map[string]any)) {
		f("", tree)
		places(tree, "", func(path string, v any, _ func(any), _ func()) {
			if o, ok := v.(map[string]any); ok && !strings.HasSuffix(path, ".headers") { // whose keys are free
				f(path, o)
			}
		})
	}
	objects(func(path string, o map[string]any) {
		count++
		o["titel-x"] = 1
		defer delete(o, "titel-x")
		if err := root.check(root, tree, "f", map[*schema]bool{}); err == nil {
			t.Errorf("the schema allows an unknown key in %s", path)
		}
		if err := parse(t, tree); err == nil || !strings.Contains(err.Error(), `unknown key "titel-x"`) || !strings.Contains(err.Error(), "expected one of") {
			t.Errorf("an unknown key in %s: %v", path, err)
		}
	})
	if count < 30 {
		t.Errorf("%d objects were tried", count)
	}
}

// What the schema refuses, Parse refuses: an editor never marks what works. Each
// value of a full spec is taken out, and replaced by values of other kinds. Of
// leaves many are wrong at once, and Parse must name every one.
func TestTheSchemaIsNeverStricterThanParse(t *testing.T) {
	root, tree, refused := readSchema(t), full(t), 0
	type leaf struct {
		path string
		old  any
		set  func(any)
	}
	var leaves []leaf
	shape := func() error { return root.check(root, tree, "f", map[*schema]bool{}) }
	seen := map[string]bool{} // of the members of a list one stands for all
	try := func(path string, what any) {
		kind := fmt.Sprint(regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]"), what)
		if err := shape(); err != nil && !seen[kind] {
			seen[kind] = true
			refused++
			if parse(t, tree) == nil {
				t.Errorf("%s: %v: the schema says %v, Parse accepts it", path, what, err)
			}
		}
	}
	others := []any{"x", "-7s", 0.5, true}
	places(tree, "", func(path string, old any, set func(any), remove func()) {
		if remove != nil {
			remove()
			try(path, "nothing")
			set(old)
		}
		switch old.(type) {
		case map[string]any, []any:
			set("x") // a word stands for all that is no object and no list
			try(path, "x")
			set(old)
		default:
			leaves = append(leaves, leaf{path, old, set})
		}
	})
	for _, x := range others {
		var wrong []leaf
		for _, l := range leaves {
			l.set(x)
			if shape() != nil {
				wrong = append(wrong, l)
			}
			l.set(l.old)
		}
		for batch := range slices.Chunk(wrong, 40) {
			refused += len(batch)
			for _, l := range batch {
				l.set(x)
			}
			var all spec.Errors
			errors.As(parse(t, tree), &all)
			for _, l := range batch {
				l.set(l.old)
				if !slices.ContainsFunc(all, func(e spec.Error) bool { return "."+e.Path == l.path }) {
					t.Errorf("%s: %v: the schema refuses it, Parse does not", l.path, x)
				}
			}
		}
	}
	if refused < 250 {
		t.Errorf("the schema refused %d of the changes only", refused)
	}
}
