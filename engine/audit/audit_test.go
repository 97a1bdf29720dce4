package audit_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 123, time.UTC)

// log is n records as lines, and the chain that they end in.
func log(t testing.TB, n int) ([][]byte, audit.Chain) {
	t.Helper()
	var c audit.Chain
	var lines [][]byte
	for i := range n {
		_, line, next, err := c.Next(noon.Add(time.Duration(i)*time.Second), audit.Entry{Kind: audit.KindAsk, Who: "SHA256:k", Name: "mina", Command: "holdfast drain backend/a", Why: "its disk <is> \"full\" & it's late"})
		if err != nil {
			t.Fatal(err)
		}
		lines, c = append(lines, line), next
	}
	return lines, c
}

// verify reads a whole log as a file would give it.
func verify(text []byte) (audit.Verifier, error) {
	var v audit.Verifier
	for line := range bytes.Lines(text) {
		if _, err := v.Add(line); err != nil {
			return v, err
		}
	}
	return v, nil
}

func TestALogThatNobodyTouched(t *testing.T) {
	lines, c := log(t, 5)
	v, err := verify(bytes.Join(lines, nil))
	if err != nil {
		t.Fatal(err)
	}
	seq, head := v.Chain().Head()
	wantSeq, wantHead := c.Head()
	if seq != 5 || seq != wantSeq || head != wantHead || v.First() != 1 {
		t.Errorf("it ends in record %d (%s) and begins with %d", seq, head, v.First())
	}
	if got, err := audit.ParseHash(head.String()); err != nil || got != head {
		t.Errorf("the hash is read back as %s, %v", got, err)
	}
}

// Reliability's invariant 12: no edit is missed. Every bit of every byte of a log
// is flipped once.
func TestEveryFlippedBitIsFound(t *testing.T) {
	lines, c := log(t, 3)
	text := bytes.Join(lines, nil)
	_, head := c.Head()
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			v, err := verify(text)
			text[i] ^= 1 << bit
			var broken *audit.BrokenError
			if !errors.As(err, &broken) {
				_, got := v.Chain().Head()
				t.Fatalf("bit %d of byte %d (%q): %v; the log seems whole, its head the same: %t", bit, i, text[i], err, got == head)
			}
			at := bytes.Count(text[:i], []byte("\n")) + 1
			if broken.Line != at {
				t.Errorf("bit %d of byte %d is in line %d, and line %d is said to be broken: %v", bit, i, at, broken.Line, err)
			}
		}
	}
}

// What an editor could do with whole lines, and which record is named.
func TestEditsAreFound(t *testing.T) {
	l, _ := log(t, 5)
	_, other, _, err := audit.Chain{}.Next(noon, audit.Entry{Kind: audit.KindAsk, Who: "SHA256:other"})
	if err != nil {
		t.Fatal(err)
	}
	inMiddle, _, err := audit.Encode(audit.Record{Seq: 1, Prev: audit.Hash{1}, At: noon})
	if err != nil {
		t.Fatal(err)
	}
	zero, _, err := audit.Encode(audit.Record{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		about string
		lines [][]byte
		seq   uint64
		says  string
	}{
		{"one is taken out", [][]byte{l[0], l[1], l[3], l[4]}, 3, "record 4 stands in its place"},
		{"two change places", [][]byte{l[0], l[2], l[1]}, 2, "record 3 stands"},
		{"one stands twice", [][]byte{l[0], l[1], l[1]}, 3, "record 2 stands"},
		{"another log's record", [][]byte{other, l[1]}, 2, "does not follow"},
		{"a first one that follows something", [][]byte{inMiddle}, 1, "names a record before it"},
		{"a number 0", [][]byte{zero}, 0, "numbered from 1"},
		{"a torn end", [][]byte{l[0], l[1][:40]}, 2, "not whole"},
		{"an empty line", [][]byte{l[0], []byte("\n"), l[1]}, 2, "no record"},
		{"a blank more", [][]byte{l[0], bytes.Replace(l[1], []byte(" {"), []byte("  {"), 1)}, 2, "its hash"},
		{"a line without end", [][]byte{l[0], append(bytes.Repeat([]byte("x"), audit.LineMax), '\n')}, 2, "bytes"},
	} {
		_, err := verify(bytes.Join(x.lines, nil))
		var broken *audit.BrokenError
		if !errors.As(err, &broken) || broken.Seq != x.seq || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want record %d and %q", x.about, err, x.seq, x.says)
		}
	}
}

// The same JSON written otherwise has another hash, and with the right hash it is
// still not a record: there is one line for one meaning.
func TestOneEncodingOnly(t *testing.T) {
	line, _, err := audit.Encode(audit.Record{Seq: 1, At: noon, Entry: audit.Entry{Kind: audit.KindLogin, Who: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := audit.Decode(line); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"seq":1,"prev":"` + strings.Repeat("0", 64) + `","at":"2026-11-24T12:00:00.000000123Z","kind":"login","who":"k","name":""}`,
		`{"prev":"` + strings.Repeat("0", 64) + `","seq":1,"at":"2026-11-24T12:00:00.000000123Z","kind":"login","who":"k"}`,
		`{"seq":1,"prev":"` + strings.Repeat("0", 64) + `","at":"2026-11-24T12:00:00.000000123Z","kind":"login","who":"\u006b"}`,
		`{"seq":1,"prev":"` + strings.Repeat("0", 64) + `","at":"2026-11-24T12:00:00.000000123Z","kind":"login","who":"k","more":1}`,
	} {
		if _, _, err := audit.Decode(audit.LineOf(body)); err == nil {
			t.Errorf("it is read though it is not written so: %s", body)
		}
	}
}

// Whatever is said, the line shows nothing that a terminal would obey, is bounded,
// and is read back as the same line.
func TestAnyEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3000), func(b []byte) string { return string(b) }))
		e := audit.Entry{
			Kind: audit.Kind(text.Draw(t, "kind")), Who: text.Draw(t, "who"), Name: text.Draw(t, "name"), Role: text.Draw(t, "role"),
			From: text.Draw(t, "from"), Session: text.Draw(t, "session"), Command: text.Draw(t, "command"), Why: text.Draw(t, "why"),
			Outcome: text.Draw(t, "outcome"), Detail: text.Draw(t, "detail"), Receipt: text.Draw(t, "receipt"),
			Rev: rapid.Uint64().Draw(t, "rev"), Event: rapid.Uint64().Draw(t, "event"), Of: rapid.Uint64().Draw(t, "of"),
		}
		at := time.Unix(rapid.Int64Range(-62_000_000_000, 250_000_000_000).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		r, line, next, err := audit.After(rapid.Uint64Range(0, 1<<60).Draw(t, "seq"), audit.Hash{7}).Next(at, e)
		if err != nil {
			t.Fatal(err)
		}
		if len(line) > audit.LineMax {
			t.Fatalf("the line has %d bytes", len(line))
		}
		for _, c := range string(line[:len(line)-1]) {
			if c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x202e {
				t.Fatalf("the line has %U in it", c)
			}
		}
		got, h, err := audit.Decode(line)
		if err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		_, head := next.Head()
		if got != r || h != head {
			t.Fatalf("read back as %+v, want %+v", got, r)
		}
	})
}

func TestAMomentThatCannotBeWritten(t *testing.T) {
	var c audit.Chain
	_, _, next, err := c.Next(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), audit.Entry{})
	if err == nil || next != c {
		t.Errorf("the year 10000 makes %v, and the chain goes on: %t", err, next != c)
	}
}

func FuzzDecode(f *testing.F) {
	lines, _ := log(f, 2)
	for _, l := range lines {
		f.Add(l)
	}
	f.Add([]byte("x\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, try := range [][]byte{line, audit.LineOf(string(line))} {
			r, h, err := audit.Decode(try)
			if err != nil {
				continue
			}
			again, hash, err := audit.Encode(r)
			if err != nil || !bytes.Equal(again, try) || hash != h {
				t.Fatalf("%q is read, and written as %q, %v", try, again, err)
			}
		}
	})
}
