package wire_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/wire"
)

// TestFieldsComeBack writes drawn fields and reads them, whole and cut at every
// byte: what is cut off fails, and is zero.
func TestFieldsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, data := rapid.StringN(0, 40, 300).Draw(t, "text"), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		number, fixed, yes := rapid.Uint64().Draw(t, "number"), rapid.Uint64().Draw(t, "fixed"), rapid.Bool().Draw(t, "yes")
		b := wire.AppendText(nil, text)
		b = wire.AppendText(b, data)
		b = binary.AppendUvarint(b, number)
		b = binary.LittleEndian.AppendUint64(b, fixed)
		b = wire.AppendBool(b, yes)
		b = append(b, 7)
		for n := range len(b) + 1 {
			r := wire.NewReader(b[:n])
			gotText, gotData, gotNumber, gotFixed, gotYes, last := r.Text(len(text)), r.Bytes(), r.Number(), r.Fixed(), r.Bool(), r.Byte()
			if n < len(b) {
				if r.Err() == nil || last != 0 || len(r.Left()) > 0 {
					t.Fatalf("%d of %d bytes: %v, %d left", n, len(b), r.Err(), len(r.Left()))
				}
				continue
			}
			if r.Err() != nil || gotText != text || !bytes.Equal(gotData, data) || gotNumber != number || gotFixed != fixed || gotYes != yes || last != 7 {
				t.Fatalf("%q %q %d %d %t %d, %v", gotText, gotData, gotNumber, gotFixed, gotYes, last, r.Err())
			}
		}
	})
}

func TestLimits(t *testing.T) {
	for name, read := range map[string]func(*wire.Reader){
		"a count above its limit":     func(r *wire.Reader) { r.Count(2) },
		"a text above its limit":      func(r *wire.Reader) { r.Text(2) },
		"something that is not right": func(r *wire.Reader) { r.Fail("no") },
	} {
		r := wire.NewReader([]byte{3, 'a', 'b', 'c', 'd'})
		read(&r)
		first := r.Err()
		if first == nil || len(r.Left()) > 0 || r.Byte() != 0 || r.Err() != first {
			t.Errorf("%s: %v, then %v", name, first, r.Err())
		}
	}
	r := wire.NewReader([]byte{3, 'a', 'b', 'c', 'd'})
	if s := r.Text(3); s != "abc" || string(r.Left()) != "d" || r.Err() != nil {
		t.Errorf("%q, %q left, %v", s, r.Left(), r.Err())
	}
}

// FuzzReader reads anything as anything.
func FuzzReader(f *testing.F) {
	f.Add([]byte{3, 'a', 'b', 'c'}, []byte{0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, b, how []byte) {
		r := wire.NewReader(b)
		for _, h := range how {
			before := len(r.Left())
			switch h % 6 {
			case 0:
				r.Byte()
			case 1:
				r.Number()
			case 2:
				r.Fixed()
			case 3:
				if n := r.Count(int(h)); n > int(h) {
					t.Fatal(n)
				}
			case 4:
				r.Bytes()
			case 5:
				if s := r.Text(int(h)); len(s) > int(h) {
					t.Fatal(len(s))
				}
			}
			if len(r.Left()) > before {
				t.Fatalf("%d bytes left of %d", len(r.Left()), before)
			}
		}
	})
}
