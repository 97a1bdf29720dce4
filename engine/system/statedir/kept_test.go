package statedir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

var kept = statedir.Kept{
	Revision: 3, Name: "more.yaml", Dir: "/etc/holdfast", By: "kim", Why: "more\nusers", At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	Text: "fleet: specs\n# a comment\nsites: []",
}

// TestKeepsASpec holds that what was kept comes back byte for byte, in the next
// life of the directory, and as YAML that can be applied.
func TestKeepsASpec(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	if _, ok, err := d.Kept(); ok || err != nil {
		t.Fatalf("a fresh directory keeps a spec: %v", err)
	}
	for _, text := range []string{"fleet: before", kept.Text} {
		k := kept
		k.Text = text
		if err := d.Keep(k); err != nil {
			t.Fatal(err)
		}
	}
	_ = d.Close()
	d = open(t, dir)
	got, ok, err := d.Kept()
	if err != nil || !ok || got != kept {
		t.Fatalf("got %+v, %t, %v", got, ok, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "spec.yaml"))
	if err != nil || !strings.HasPrefix(string(b), "# ") || !strings.HasSuffix(string(b), "\n"+kept.Text) {
		t.Errorf("%v: %s", err, b)
	}
	aside, err := d.SetAside(kept)
	if err != nil || aside != filepath.Join(dir, "spec-3.yaml") {
		t.Error(aside, err)
	}
	if after, err := os.ReadFile(aside); err != nil || string(after) != string(b) {
		t.Error(err)
	}
	if _, ok, err := d.Kept(); ok || err != nil {
		t.Errorf("what was set aside is still kept: %v", err)
	}
}

// TestTornSpec cuts the file at every byte, and changes every byte: each is
// refused and moved aside, or is what was written.
func TestTornSpec(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	if err := d.Keep(kept); err != nil {
		t.Fatal(err)
	}
	path, aside := filepath.Join(dir, "spec.yaml"), filepath.Join(dir, "spec-torn.yaml")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at int, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, ok, err := d.Kept()
		var torn *statedir.TornError
		if ok && got.Text == kept.Text {
			return // a letter of who applied it, and when
		}
		if !errors.As(err, &torn) || ok || torn.Aside != aside || !strings.Contains(err.Error(), "holdfast up FILE") {
			t.Fatalf("%s at %d: %+v, %t, %v", what, at, got, ok, err)
		}
		if moved, err := os.ReadFile(aside); err != nil || string(moved) != string(b) {
			t.Fatalf("%s at %d is not moved aside: %v", what, at, err)
		}
		if _, ok, err := d.Kept(); ok || err != nil {
			t.Fatalf("%s at %d is refused twice: %v", what, at, err)
		}
	}
	for i := range whole {
		try("cut", i, whole[:i])
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 0x20
		try("flipped", i, flipped)
	}
	try("grown", 0, append(append([]byte(nil), whole...), '\n'))
	try("huge", 0, append(append([]byte(nil), whole...), make([]byte, 3<<20)...))
}

// TestOddKeptSpecs: what is no file is not read.
func TestOddKeptSpecs(t *testing.T) {
	for what, put := range map[string]func(string) error{
		"a pipe":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"a directory": func(p string) error { return os.MkdirAll(filepath.Join(p, "full"), 0o700) },
		"a link":      func(p string) error { return os.Symlink("/etc/passwd", p) },
	} {
		dir := filepath.Join(place(t), "s")
		d := open(t, dir)
		if err := put(filepath.Join(dir, "spec.yaml")); err != nil {
			t.Fatal(err)
		}
		var torn *statedir.TornError
		if _, ok, err := d.Kept(); ok || !errors.As(err, &torn) || !strings.Contains(err.Error(), "it is no file") {
			t.Errorf("%s: %t, %v", what, ok, err)
		}
	}
}

// TestFailedKeepLeavesTheOneBefore: what cannot be written changes nothing.
func TestFailedKeepLeavesTheOneBefore(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	if err := d.Keep(kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	next := kept
	next.Revision = 4
	if err := d.Keep(next); err == nil || !strings.Contains(err.Error(), "keep the spec") {
		t.Error(err)
	}
	if err := os.Rename(dir+"-gone", dir); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := d.Kept(); !ok || err != nil || got != kept {
		t.Errorf("%+v, %t, %v", got, ok, err)
	}
}
