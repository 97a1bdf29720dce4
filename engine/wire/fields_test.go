package wire_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/wire"
)

// drawn is a field as it was written.
type drawn struct {
	field  int
	kind   int // 0 number, 1 signed, 2 yes, 3 bytes, 4 fields
	number uint64
	signed int64
	data   []byte
	inside []drawn
}

func drawFields(t *rapid.T, depth int) []drawn {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) drawn {
		d := drawn{
			field: rapid.IntRange(0, wire.FieldMax).Draw(t, "field"), kind: rapid.IntRange(0, 4).Draw(t, "kind"),
			number: rapid.Uint64().Draw(t, "number"), signed: rapid.Int64().Draw(t, "signed"),
			data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
		}
		if d.kind == 4 && depth > 0 {
			d.inside = drawFields(t, depth-1)
		}
		return d
	}), 0, 6).Draw(t, "fields")
}

func write(b []byte, all []drawn) []byte {
	for _, d := range all {
		switch d.kind {
		case 0:
			b = wire.AppendNumber(b, d.field, d.number)
		case 1:
			b = wire.AppendSigned(b, d.field, d.signed)
		case 2:
			b = wire.AppendYes(b, d.field, d.number%2 == 1)
		case 3:
			b = wire.AppendBytes(b, d.field, d.data)
		case 4:
			var mark int
			b, mark = wire.Begin(b, d.field)
			b = wire.End(write(b, d.inside), mark)
		}
	}
	return b
}

func compare(t *rapid.T, f wire.Fields, all []drawn, skip int) {
	for i, d := range all {
		if !f.Next() || f.Field() != d.field {
			t.Fatalf("field %d is %d and should be %d: %v", i, f.Field(), d.field, f.Err())
		}
		if i%3 == skip {
			continue // who does not know a field reads the next one all the same
		}
		ok := true
		switch d.kind {
		case 0:
			ok = f.Number() == d.number
		case 1:
			ok = f.Signed() == d.signed
		case 2:
			ok = f.Yes() == (d.number%2 == 1)
		case 3:
			ok = bytes.Equal(f.Bytes(), d.data)
		case 4:
			compare(t, f.Fields(), d.inside, skip)
		}
		if !ok {
			t.Fatalf("field %d, %+v, came back as something else", i, d)
		}
	}
	if f.Next() || f.Err() != nil {
		t.Fatalf("something is left: %v", f.Err())
	}
}

// TestNumberedFieldsComeBack writes drawn fields, also long ones inside others,
// and reads them with some skipped.
func TestNumberedFieldsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawFields(t, 2)
		front := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "front")
		b := write(bytes.Clone(front), all)
		if !bytes.HasPrefix(b, front) {
			t.Fatal("what stood in front was written over")
		}
		compare(t, wire.NewFields(b[len(front):]), all, rapid.IntRange(0, 3).Draw(t, "skip"))
	})
}

func TestFieldsOfTheWrongKind(t *testing.T) {
	number, data := wire.AppendNumber(nil, 1, 7), wire.AppendBytes(nil, 1, "seven")
	for name, read := range map[string]func() *wire.Fields{
		"bytes as a number":  func() *wire.Fields { f := wire.NewFields(data); f.Next(); f.Number(); return &f },
		"a number as bytes":  func() *wire.Fields { f := wire.NewFields(number); f.Next(); f.Bytes(); return &f },
		"a number as fields": func() *wire.Fields { f := wire.NewFields(number); f.Next(); f.Fields(); return &f },
		"a count too high":   func() *wire.Fields { f := wire.NewFields(number); f.Next(); f.Count(6); return &f },
		"a text too long":    func() *wire.Fields { f := wire.NewFields(data); f.Next(); f.Text(4); return &f },
		"something inside it": func() *wire.Fields {
			f := wire.NewFields(data)
			f.Next()
			g := f.Fields()
			for g.Next() {
			}
			f.Check(g.Err())
			return &f
		},
		"a number far too high": func() *wire.Fields {
			f := wire.NewFields(wire.AppendNumber(nil, wire.FieldMax+1, 7))
			f.Next()
			return &f
		},
		"what is cut off": func() *wire.Fields { f := wire.NewFields(data[:3]); f.Next(); return &f },
	} {
		if f := read(); f.Err() == nil || f.Next() {
			t.Errorf("%s: %v", name, f.Err())
		}
	}
}

// FuzzFields reads anything as fields, three deep.
func FuzzFields(f *testing.F) {
	f.Add(wire.AppendBytes(wire.AppendNumber(nil, 1, 300), 2, wire.AppendSigned(nil, 3, -7)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var read func(wire.Fields, int)
		read = func(f wire.Fields, depth int) {
			for f.Next() {
				switch f.Field() % 4 {
				case 0:
					f.Number()
				case 1:
					f.Text(8)
				case 2:
					if depth > 0 {
						read(f.Fields(), depth-1)
					}
				}
			}
		}
		read(wire.NewFields(b), 3)
	})
}
