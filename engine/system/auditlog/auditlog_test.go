package auditlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t *testing.T, l *Log, details ...string) {
	t.Helper()
	for _, d := range details {
		if _, err := l.Append(audit.Entry{Kind: audit.KindAsk, Detail: d}); err != nil {
			t.Fatal(err)
		}
	}
}

// read verifies a directory's log and returns what its records say.
func read(t *testing.T, dir string) (details []string, v audit.Verifier) {
	t.Helper()
	err := Each(dir, func(line []byte) error {
		r, err := v.Add(line)
		details = append(details, r.Detail)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return details, v
}

func TestGoesOnWhereItEnded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "s")
	l := open(t, dir)
	add(t, l, "one", "two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	add(t, l, "three")
	got, v := read(t, dir)
	seq, head := l.Head()
	if vSeq, vHead := v.Chain().Head(); !slices.Equal(got, []string{"one", "two", "three"}) || seq != 3 || vSeq != 3 || vHead != head {
		t.Errorf("it says %q and ends in record %d", got, seq)
	}
	for _, path := range []string{name(dir, 1), filepath.Join(dir, "audit.lock")} {
		if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600", path, i, err)
		}
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var busy *BusyError
	if _, err := Open(Options{Dir: dir}); !errors.As(err, &busy) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("a second writer: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(audit.Entry{}); err == nil {
		t.Error("a closed log takes a record")
	}
	open(t, dir)
}

// A crash tears the line that is being written: at every byte of it.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "one", "two")
	_ = l.Close()
	text, err := os.ReadFile(name(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(text, '\n') + 1
	for cut := 1; cut < len(text); cut += 13 {
		if err := os.WriteFile(name(dir, 1), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		add(t, l, "more")
		_ = l.Close()
		got, _ := read(t, dir)
		want := 2 // the repair, and more
		if cut >= first {
			want++
		}
		if cut == first {
			want-- // nothing was torn
		}
		if len(got) != want || got[want-1] != "more" || cut != first && !strings.Contains(got[want-2], "not whole") {
			t.Errorf("cut at %d of %d: %q", cut, len(text), got)
		}
		all, err := files(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			_ = os.Remove(path)
		}
	}
}

// A flipped bit is not mended: the evidence stays, and the new log names it.
func TestBrokenLogIsPutAside(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "one", "two", "three")
	_ = l.Close()
	text, err := os.ReadFile(name(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	text[100] ^= 1
	if err := os.WriteFile(name(dir, 1), text, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	add(t, l, "after")
	got, _ := read(t, dir)
	if len(got) != 2 || !strings.Contains(got[0], "line 1) is broken") && !strings.Contains(got[0], "line 1 is broken") {
		t.Errorf("the new log says %q", got)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "broken-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %q, %v", kept, err)
	}
	if b, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(b, text) {
		t.Errorf("the evidence was changed: %v", err)
	}
}

// Files follow each other with the chain unbroken, and there are never too many.
func TestFilesFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	l.most = 600 // two records or three
	for range 3 * filesMax {
		add(t, l, "one", "two")
	}
	_ = l.Close()
	all, err := files(dir)
	if err != nil || len(all) != filesMax {
		t.Fatalf("%d files, %v", len(all), err)
	}
	got, v := read(t, dir)
	if v.First() <= 1 || len(got) < filesMax {
		t.Errorf("%d records from %d", len(got), v.First())
	}
	// A crash just after a file was made.
	if err := os.WriteFile(name(dir, 9999), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	add(t, l, "last")
	if got, _ := read(t, dir); got[len(got)-1] != "last" {
		t.Errorf("it ends in %q", got[len(got)-1])
	}
}

// A full disk loses the record that it has no room for, and says so; it does not
// break the chain.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "one")
	full := errors.New("no space left")
	l.write = func(f *os.File, b []byte) (int, error) {
		n, _ := f.Write(b[:len(b)/2])
		return n, full
	}
	for range 3 {
		if _, err := l.Append(audit.Entry{Detail: "lost"}); !errors.Is(err, full) {
			t.Fatal(err)
		}
	}
	l.write = (*os.File).Write
	add(t, l, "two")
	if got, _ := read(t, dir); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("it says %q", got)
	}
}

func TestNoLog(t *testing.T) {
	if err := Each(filepath.Join(t.TempDir(), "none"), func([]byte) error { return errors.New("a line") }); err != nil {
		t.Error(err)
	}
}
