package statedir_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

func revision(rev uint64) api.Revision {
	text := strings.Repeat("fleet: shop\n", int(rev))
	return api.Revision{
		Rev: rev, Name: "shop.yaml", Dir: "/etc", At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), By: "kim", Why: "more\nusers", How: api.HowApply,
		Size: len(text), Text: text, More: 2, Changes: []api.Change{{Subject: id.To(id.KindBackend, "b1"), Kind: api.ChangeChanged, Field: "weight", Before: "100", After: "50"}},
	}
}

func TestRevisionsComeBackAsTheyWere(t *testing.T) {
	d, err := statedir.Open(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if all, lost := d.Revisions(); len(all)+len(lost) != 0 {
		t.Fatalf("%v, %v", all, lost)
	}
	var want []api.Revision
	for rev := uint64(1); rev <= 8; rev++ {
		oldest := uint64(1)
		if rev > 3 {
			oldest = rev - 3
		}
		if err := d.KeepRevision(revision(rev), oldest); err != nil {
			t.Fatal(err)
		}
	}
	for rev := uint64(5); rev <= 8; rev++ {
		want = append(want, revision(rev))
	}
	all, lost := d.Revisions()
	if diff := cmp.Diff(want, all); diff != "" || len(lost) != 0 {
		t.Errorf("want (-), got (+):\n%s%v", diff, lost)
	}
}

func TestRevisionsThatAreNotAsTheyWereWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	d, err := statedir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for rev := uint64(1); rev <= 6; rev++ {
		if err := d.KeepRevision(revision(rev), 1); err != nil {
			t.Fatal(err)
		}
	}
	at := func(rev string) string { return filepath.Join(dir, "revisions", "00000000000"+rev+".yaml") }
	change := func(rev string, how func(string) string) {
		b, err := os.ReadFile(at(rev))
		if err == nil {
			err = os.WriteFile(at(rev), []byte(how(string(b))), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change("1", func(s string) string { return s[:len(s)-3] })                                  // torn
	change("2", func(s string) string { return strings.Replace(s, "fleet: s", "fleet: x", 1) }) // edited
	change("3", func(s string) string { return strings.Replace(s, `"version":1`, `"version":9`, 1) })
	change("4", func(string) string { return "" })
	if err := os.Rename(at("5"), at("7")); err != nil { // renamed
		t.Fatal(err)
	}
	all, lost := d.Revisions()
	if len(all) != 1 || all[0].Rev != 6 || len(lost) != 5 {
		t.Fatalf("%d are good, and of the others it says %q", len(all), lost)
	}
	if _, err := os.Stat(filepath.Join(dir, "revisions", "torn-000000000002.yaml")); err != nil || !strings.Contains(strings.Join(lost, "\n"), "torn-000000000002.yaml") {
		t.Errorf("what was edited is not where it says: %v, %q", err, lost)
	}
	if all, lost := d.Revisions(); len(all) != 1 || len(lost) != 0 {
		t.Errorf("the second time: %v, %q", all, lost)
	}
}
