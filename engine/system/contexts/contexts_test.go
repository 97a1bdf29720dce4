package contexts_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/contexts"
)

var (
	home = contexts.Context{Name: "home", State: "/var/lib/holdfast"}
	prod = contexts.Context{Name: "prod", Agents: []string{"10.0.0.1", "10.0.0.2:7420"}, Identity: "/home/mika/.config/holdfast/prod"}
)

func TestContextsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "contexts.yaml")
	f, err := contexts.Load(path)
	if err != nil || len(f.Contexts) > 0 {
		t.Fatalf("no file: %+v, %v", f, err)
	}
	for _, c := range []contexts.Context{home, prod} {
		if f, err = f.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if f.Use != "home" {
		t.Errorf("the first one is not used: %q", f.Use)
	}
	if f, err = f.With("prod"); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := contexts.Load(path)
	if err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("%+v came back as %+v, %v", f, back, err)
	}
	if i, _ := os.Stat(path); i.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %o", i.Mode().Perm())
	}
	if f, err = f.Remove("prod"); err != nil || f.Use != "" || len(f.Contexts) != 1 {
		t.Errorf("after the removal of the one in use: %+v, %v", f, err)
	}
	for _, name := range []string{"prod", ""} {
		if _, err := f.Remove(name); err == nil {
			t.Errorf("%q was removed and is not there", name)
		}
	}
	if _, err := f.With("prod"); err == nil || !strings.Contains(err.Error(), "context list") {
		t.Errorf("one that is not there is used: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
}

func TestBadContextsAreRefused(t *testing.T) {
	var f contexts.File
	for name, c := range map[string]contexts.Context{
		"no name":      {State: "/x"},
		"a bad name":   {Name: "A b", State: "/x"},
		"nowhere":      {Name: "a"},
		"both":         {Name: "a", State: "/x", Agents: []string{"b"}, Identity: "/y"},
		"as nobody":    {Name: "a", Agents: []string{"b"}},
		"relative":     {Name: "a", State: "x"},
		"many agents":  {Name: "a", Agents: make([]string, contexts.AgentsMax+1), Identity: "/y"},
		"relative too": {Name: "a", Agents: []string{"b"}, Identity: "y"},
	} {
		if _, err := f.Add(c); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	f, err := f.Add(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(home); err == nil {
		t.Error("added twice")
	}
	path := filepath.Join(t.TempDir(), "contexts.yaml")
	for _, text := range []string{
		"contexts: [", "other: 1", "use: a\ncontexts: []", "contexts:\n- {name: a, state: /x}\n- {name: a, state: /y}", "contexts:\n- {name: a, stat: /x}",
		strings.Repeat("# ", 1<<20), "\x00",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := contexts.Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%.40q is read as %+v, %v", text, f, err)
		}
	}
}
