package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

func opened(t *testing.T, dir string) *Log {
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
	l := opened(t, dir)
	add(t, l, "one", "two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = opened(t, dir)
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

// Processes of one machine write one chain. Each of these Logs is what another
// process would have: a lock and a place of its own.
func TestWritersTakeTurns(t *testing.T) {
	dir := t.TempDir()
	const writers, each = 4, 25
	var all sync.WaitGroup
	for w := range writers {
		l := opened(t, dir)
		l.most = 4000 // a dozen records, so that files change under the others
		all.Go(func() {
			for i := range each {
				if _, err := l.Append(audit.Entry{Kind: audit.KindAsk, Name: fmt.Sprint(w), Detail: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	next := [writers]int{}
	var v audit.Verifier
	if err := Each(dir, func(line []byte) error {
		r, err := v.Add(line)
		w, _ := strconv.Atoi(r.Name)
		if err == nil && r.Detail != fmt.Sprint(next[w]) {
			err = fmt.Errorf("writer %d's record %s stands where %d should", w, r.Detail, next[w])
		}
		next[w]++
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if seq, _ := v.Chain().Head(); seq != writers*each || v.First() != 1 {
		t.Errorf("records %d to %d", v.First(), seq)
	}
}

// What one process could not write is not another's to lose: whichever way the
// disk failed, the chain goes on.
func TestAnotherWriterAfterAFailure(t *testing.T) {
	full := errors.New("no space left")
	for part := range 3 {
		dir := t.TempDir()
		one, two := opened(t, dir), opened(t, dir)
		add(t, one, "one")
		one.write = func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b[:len(b)*part/2])
			return n, full
		}
		if _, err := one.Append(audit.Entry{Detail: "lost"}); !errors.Is(err, full) {
			t.Fatal(err)
		}
		one.write = (*os.File).Write
		add(t, two, "two")
		add(t, one, "three")
		add(t, two, "four")
		got, _ := read(t, dir)
		want := [][]string{
			{"one", "two", "three", "four"},
			{"one", "a repair", "two", "three", "four"},
			{"one", "lost", "two", "three", "four"}, // whole, though nobody was told so
		}[part]
		for i := range got {
			if strings.Contains(got[i], "not whole") {
				got[i] = "a repair"
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("with %d/2 of the line on the disk: %q", part, got)
		}
	}
}

func TestACopyIsKeptForOneself(t *testing.T) {
	dir := t.TempDir()
	l, err := open(Options{Dir: dir}, true)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(filepath.Join(dir, "audit.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("another one has its turn: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = opened(t, dir)
	_ = l.Close()
	if _, err := l.Append(audit.Entry{}); err == nil {
		t.Error("a closed log takes a record")
	}
}

// A crash tears the line that is being written: at every byte of it.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	l := opened(t, dir)
	add(t, l, "one", "two")
	_ = l.Close()
	text, err := os.ReadFile(name(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(text, '\n') + 1
	for cut := 1; cut < len(text); cut += 37 {
		if err := os.WriteFile(name(dir, 1), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := opened(t, dir)
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
	l := opened(t, dir)
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
	l = opened(t, dir)
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
	l := opened(t, dir)
	l.most, l.total = 600, 16*600 // two records or three in each
	for range 60 {
		add(t, l, "one", "two")
	}
	_ = l.Close()
	all, err := files(dir)
	if err != nil || len(all) < 8 || len(all) > 24 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	got, v := read(t, dir)
	if v.First() <= 1 || len(got) < 16 {
		t.Errorf("%d records from %d", len(got), v.First())
	}
	// A crash just after a file was made.
	if err := os.WriteFile(name(dir, 9999), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l = opened(t, dir)
	add(t, l, "last")
	if got, _ := read(t, dir); got[len(got)-1] != "last" {
		t.Errorf("it ends in %q", got[len(got)-1])
	}
}

// A full disk loses the record that it has no room for, and says so; it does not
// break the chain.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	l := opened(t, dir)
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
