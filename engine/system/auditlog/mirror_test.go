package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// mirrored is a mirror whose steps a test takes.
type mirrored struct {
	*mirror
	t   *testing.T
	log bytes.Buffer
}

func mirrorOf(t *testing.T, g *group, dir string, lenders ...Lender) *mirrored {
	t.Helper()
	l, err := open(Options{Dir: dir}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	m := &mirrored{t: t}
	m.mirror = &mirror{
		shared: NewShared(SharedOptions{Store: g}), files: l,
		o: MirrorOptions{Dir: dir, Lenders: func() []Lender { return lenders }, Log: slog.New(slog.NewTextHandler(&m.log, nil))},
	}
	return m
}

// catch copies all there is.
func (m *mirrored) catch() {
	m.t.Helper()
	for {
		more, err := m.round(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		if !more {
			break
		}
	}
	m.gapAt = time.Time{}
	m.fill(m.t.Context())
}

// whole requires that a directory has the whole chain of a group, byte for byte
// as the group agreed on it.
func whole(t *testing.T, g *group, dir string) {
	t.Helper()
	_, v := read(t, dir)
	h, err := NewShared(SharedOptions{Store: g}).Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if seq, hash := v.Chain().Head(); v.First() != 1 || seq != h.Seq || hash != h.Hash {
		t.Fatalf("the files have records %d to %d; the chain has %d", v.First(), seq, h.Seq)
	}
}

// lender is a host that lends from a directory.
func lender(t *testing.T, dir string, lie func([]byte) []byte) Lender {
	return Lender{Host: filepath.Base(dir), Dial: func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			var c net.Conn = there
			if lie != nil {
				c = &liar{there, lie}
			}
			if err := Lend(t.Context(), c, dir); err != nil && lie == nil {
				t.Error(err)
			}
		}()
		return here, nil
	}}
}

type liar struct {
	net.Conn
	lie func([]byte) []byte
}

func (l *liar) Write(p []byte) (int, error) {
	if _, err := l.Conn.Write(l.lie(bytes.Clone(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// few is a window that is soon full.
const few = 40

// append has a group record n entries.
func (g *group) append(t *testing.T, n int, detail string) {
	t.Helper()
	s := NewShared(SharedOptions{Store: g, Host: "one"})
	s.most = few
	for i := range n {
		if _, err := s.Append(t.Context(), audit.Entry{Kind: audit.KindAsk, Detail: fmt.Sprintf("%s %d", detail, i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// The whole chain outlives the window, and what a host missed it borrows.
func TestFilesOutliveTheWindow(t *testing.T) {
	g := newGroup()
	one, two, three := t.TempDir(), t.TempDir(), t.TempDir()
	a := mirrorOf(t, g, one)
	b := mirrorOf(t, g, two, lender(t, one, nil))
	for range 3 {
		g.append(t, few-10, "while both look")
		a.catch()
	}
	b.catch() // from its beginning on: it is new
	whole(t, g, one)
	whole(t, g, two)
	for range 2 {
		g.append(t, few-10, "while the second is away")
		a.catch()
	}
	// Nobody has what it missed; what comes is kept all the same.
	lonely := mirrorOf(t, g, three)
	lonely.catch()
	b.o.Lenders = func() []Lender { return nil }
	g.append(t, 1, "news")
	b.catch()
	var v audit.Verifier
	var broken *audit.BrokenError
	if err := Each(two, func(line []byte) error { _, err := v.Add(line); return err }); !errors.As(err, &broken) {
		t.Fatalf("a gap is no gap: %v", err)
	}
	if !strings.Contains(b.log.String(), "missing") {
		t.Errorf("nothing is said of it: %s", b.log.String())
	}
	a.catch()
	b.o.Lenders = func() []Lender { return []Lender{lender(t, three, nil), lender(t, one, nil)} }
	b.catch()
	whole(t, g, two)
	lonely.o.Lenders = b.o.Lenders
	lonely.catch()
	whole(t, g, three)
}

// A lender that makes things up, of whatever kind, is not believed; the next one
// is asked.
func TestALenderThatLies(t *testing.T) {
	g := newGroup()
	honest := t.TempDir()
	a := mirrorOf(t, g, honest)
	for range 2 {
		g.append(t, few, "true")
		a.catch()
	}
	g.append(t, 5, "true")
	other := newGroup()
	forged := t.TempDir()
	f := mirrorOf(t, other, forged)
	for range 2 {
		other.append(t, few, "forged")
		f.catch()
	}
	for name, lie := range map[string]Lender{
		"another chain":   lender(t, forged, nil),
		"a flipped bit":   lender(t, honest, func(b []byte) []byte { b[len(b)/2] ^= 4; return b }),
		"half of it":      lender(t, honest, func(b []byte) []byte { return b[:len(b)/2] }),
		"one line less":   lender(t, honest, func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }),
		"nothing":         lender(t, t.TempDir(), nil),
		"bytes":           lender(t, honest, func([]byte) []byte { return bytes.Repeat([]byte("x"), 3*audit.LineMax) }),
		"an endless file": lender(t, honest, func([]byte) []byte { return bytes.Repeat([]byte("x\n"), lendMax) }),
		"nobody is there": {Host: "gone", Dial: func(context.Context) (net.Conn, error) { return nil, errCut }},
	} {
		dir := t.TempDir()
		m := mirrorOf(t, g, dir, lie)
		m.catch()
		if _, v := read(t, dir); v.First() <= few {
			t.Errorf("%s: it has records from %d on", name, v.First())
		}
		m.o.Lenders = func() []Lender { return []Lender{lie, lender(t, honest, nil)} }
		m.catch()
		whole(t, g, dir)
	}
}

// A crash tears the file at any byte, and nothing of the chain is lost or made up.
func TestATornMirror(t *testing.T) {
	g := newGroup()
	g.append(t, 4, "one")
	dir := t.TempDir()
	m := mirrorOf(t, g, dir)
	m.catch()
	text, err := os.ReadFile(name(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(text); cut += 61 {
		dir := t.TempDir()
		if err := os.WriteFile(name(dir, 1), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		m := mirrorOf(t, g, dir)
		m.catch()
		if got, err := os.ReadFile(name(dir, 1)); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("cut at %d: %v\n%s", cut, err, got)
		}
	}
	// A byte that is another one is evidence: it is kept, and the chain is copied
	// anew.
	bad := bytes.Clone(text)
	bad[300] ^= 1
	dir = t.TempDir()
	if err := os.WriteFile(name(dir, 1), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	mirrorOf(t, g, dir).catch()
	whole(t, g, dir)
	if kept, err := filepath.Glob(filepath.Join(dir, "broken-*")); err != nil || len(kept) != 1 {
		t.Errorf("kept: %q, %v", kept, err)
	}
}

// A disk without room has the mirror behind, and nothing else.
func TestAMirrorOnAFullDisk(t *testing.T) {
	g := newGroup()
	g.append(t, 3, "one")
	dir := t.TempDir()
	m := mirrorOf(t, g, dir)
	full := errors.New("no space left")
	for part := range 4 {
		m.files.write = func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b[:len(b)*part/3])
			return n, full
		}
		if _, err := m.round(t.Context()); !errors.Is(err, full) {
			t.Fatalf("%v", err)
		}
		g.append(t, 3, "more")
		m.files.write = (*os.File).Write
		m.catch()
		whole(t, g, dir)
		g.append(t, 3, "and more")
	}
}

// Files of another fleet, or of one that was made anew, are put aside.
func TestFilesOfAnotherChain(t *testing.T) {
	for _, n := range []int{2, 3, 9} { // fewer records than the files have, as many, more
		was, is := newGroup(), newGroup()
		was.append(t, 3, "the old fleet's")
		is.append(t, n, "the new fleet's")
		dir := t.TempDir()
		m := mirrorOf(t, was, dir)
		m.catch()
		_ = m.files.Close()
		m = mirrorOf(t, is, dir)
		m.catch()
		whole(t, is, dir)
		if kept, err := filepath.Glob(filepath.Join(dir, "other-*")); err != nil || len(kept) != 1 {
			t.Errorf("kept: %q, %v", kept, err)
		}
	}
	// What is older than a gap must lead to what is newer.
	was, is := newGroup(), newGroup()
	was.append(t, 3, "the old fleet's")
	honest, dir := t.TempDir(), t.TempDir()
	a := mirrorOf(t, is, honest)
	for range 2 {
		is.append(t, few, "the new fleet's")
		a.catch()
	}
	m := mirrorOf(t, was, dir)
	m.catch()
	_ = m.files.Close()
	m = mirrorOf(t, is, dir, lender(t, honest, nil))
	m.catch()
	whole(t, is, dir)
}

// The mirror as an agent runs it: each change is in the files soon, and it ends
// with its context.
func TestMirror(t *testing.T) {
	g := newGroup()
	dir := t.TempDir()
	changed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	s := NewShared(SharedOptions{Store: g, Host: "one"})
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Mirror(ctx, MirrorOptions{Dir: dir, Changed: changed}); err != nil {
			t.Error(err)
		}
	})
	for i := range 20 {
		if _, err := s.Append(t.Context(), audit.Entry{Detail: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < 20; <-tick.C {
		n = 0
		if err := Each(dir, func([]byte) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		if t.Context().Err() != nil {
			t.Fatal("it never comes")
		}
	}
	whole(t, g, dir)
	cancel()
	all.Wait()
}

// Whatever a question is, a lender answers with lines of its files or with none.
func TestQuestionsForLines(t *testing.T) {
	g := newGroup()
	g.append(t, 5, "one")
	dir := t.TempDir()
	mirrorOf(t, g, dir).catch()
	for question, want := range map[string]int{
		"1 5\n": 5, "3 4\n": 2, "5 5\n": 1, "1 6\n": 0, "7 9\n": 0, "0 3\n": 0, "4 3\n": 0, "x\n": 0, "\n": 0, strings.Repeat("1", 100): 0, "-1 3\n": 0,
	} {
		here, there := net.Pipe()
		go func() {
			_ = Lend(t.Context(), there, dir)
			_ = there.Close()
		}()
		go func() {
			_, _ = here.Write([]byte(question))
		}()
		var b bytes.Buffer
		_, _ = b.ReadFrom(here)
		if got := bytes.Count(b.Bytes(), []byte("\n")); got != want {
			t.Errorf("%q: %d lines, want %d", question, got, want)
		}
		_ = here.Close()
	}
}
