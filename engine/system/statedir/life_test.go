package statedir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

func TestLivesGrow(t *testing.T) {
	d, err := statedir.Open(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	last := uint64(0)
	for range 5 { // more often than once a millisecond
		life, err := d.NextLife()
		if err != nil || life <= last {
			t.Fatalf("life %d after %d: %v", life, last, err)
		}
		last = life
	}
	// The clock was set back by a year.
	path := filepath.Join(d.Path, "life")
	if err := os.WriteFile(path, []byte("9000000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if life, err := d.NextLife(); err != nil || life != 9000000000001 {
		t.Errorf("it is life %d, %v", life, err)
	}
	if err := os.WriteFile(path, []byte("what\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if life, err := d.NextLife(); err == nil {
		t.Errorf("from a damaged file it reads %d", life)
	}
}
