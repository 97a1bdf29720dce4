package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"first", "", "longer than the first"} {
		if err := durable.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		i, e := os.Stat(path)
		if err != nil || e != nil || string(b) != text || i.Mode() != 0o600 {
			t.Errorf("%q, %v, %v, %v; want %q for the owner only", b, i.Mode(), err, e, text)
		}
	}
}

// TestReplaceFails holds that the old file stands, and that nothing else is left.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.Replace(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]func() error{
		"its name is a directory's that is not empty": func() error {
			taken := filepath.Join(dir, "taken")
			if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
				t.Fatal(err)
			}
			return durable.Replace(taken, []byte("new"))
		},
		"its directory is not there": func() error { return durable.Replace(filepath.Join(dir, "nosuch", "f"), []byte("new")) },
	} {
		if err := fail(); err == nil {
			t.Errorf("%s, and nobody says so", name)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.next-*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left, %v", left, err)
	}
}
