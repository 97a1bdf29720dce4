package statedir_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

var words = fleet.Words{Fleet: "shop", All: []fleet.Word{
	{Backend: "b1", Verb: "drain", For: time.Minute, By: "kim <k&m>", At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)},
	{Backend: "b2", Verb: "force", Health: api.Down, At: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)},
	{Backend: "b2", Verb: "weight", Weight: 3, Over: 1, At: time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)},
}}

// TestKeepsWords: they come back as they were, for the fleet that they are of,
// in a directory that is still taken by its owner alone.
func TestKeepsWords(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	if err := d.KeepWords(words); err != nil {
		t.Fatal(err)
	}
	if err := d.KeepWords(fleet.Words{Fleet: "other", All: words.All[:1]}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil { // somebody tidied up
		t.Fatal(err)
	}
	d = open(t, dir)
	for name, want := range map[string][]fleet.Word{"shop": words.All, "other": words.All[:1], "third": nil} {
		if got, err := d.Words(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for range 2 {
		if err := d.KeepWords(fleet.Words{Fleet: "shop"}); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "operators-*")); len(left) != 1 {
		t.Errorf("%q is left", left)
	}
}

// TestTornWords cuts the file at every byte, and changes every byte: each is
// moved aside, or says what was written.
func TestTornWords(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	if err := d.KeepWords(words); err != nil {
		t.Fatal(err)
	}
	path, aside := filepath.Join(dir, "operators-shop.json"), filepath.Join(dir, "torn-operators-shop.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at int, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := d.Words("shop")
		if err == nil && reflect.DeepEqual(got, words.All) {
			return // white space, or the case of a name
		}
		var torn *statedir.TornWordsError
		if !errors.As(err, &torn) || got != nil || torn.Aside != aside || !strings.Contains(err.Error(), "set again what is right") {
			t.Fatalf("%s at %d: %+v, %v", what, at, got, err)
		}
		if moved, err := os.ReadFile(aside); err != nil || string(moved) != string(b) {
			t.Fatalf("%s at %d is not moved aside: %v", what, at, err)
		}
		if got, err := d.Words("shop"); err != nil || got != nil {
			t.Fatalf("%s at %d is refused twice: %v", what, at, err)
		}
	}
	for i := range whole {
		try("cut", i, whole[:i])
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 0x20
		try("flipped", i, flipped)
	}
	try("grown", 0, append(append([]byte(nil), whole...), whole...))
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var torn *statedir.TornWordsError
	if _, err := d.Words("shop"); !errors.As(err, &torn) {
		t.Errorf("a pipe: %v", err)
	}
}
