package wire

import "encoding/binary"

// A message of numbered fields grows without breaking who does not know its newest
// ones: each field stands behind its number and says how long it is. Numbers are
// written out where a message is described, and never used for another meaning.
//
// A tag is the field's number twice, plus one for a field of bytes: a text, or
// fields inside fields.

// AppendNumber appends a numbered field that is a number.
func AppendNumber(b []byte, field int, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<1), n)
}

// AppendSigned appends a numbered field that is a number with a sign.
func AppendSigned(b []byte, field int, n int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(b, uint64(field)<<1), n)
}

// AppendYes appends a numbered field that is yes or no.
func AppendYes(b []byte, field int, yes bool) []byte {
	if yes {
		return AppendNumber(b, field, 1)
	}
	return AppendNumber(b, field, 0)
}

// AppendBytes appends a numbered field that is a text, or bytes.
func AppendBytes[T ~string | ~[]byte](b []byte, field int, s T) []byte {
	return AppendText(binary.AppendUvarint(b, uint64(field)<<1|1), s)
}

// Begin begins a numbered field that is made of fields. They are appended to what
// it returns, and End ends it at the mark.
func Begin(b []byte, field int) (begun []byte, mark int) {
	b = append(binary.AppendUvarint(b, uint64(field)<<1|1), 0)
	return b, len(b)
}

// End ends a field that Begin began: it writes its length in front of it.
func End(b []byte, mark int) []byte {
	n := len(b) - mark
	if n < 0x80 { // its length has the place that Begin left
		b[mark-1] = byte(n)
		return b
	}
	var length [binary.MaxVarintLen64]byte
	width := binary.PutUvarint(length[:], uint64(n))
	b = append(b, length[1:width]...) // only to make room
	copy(b[mark+width-1:], b[mark:mark+n])
	copy(b[mark-1:], length[:width])
	return b
}

// Fields takes numbered fields off the front of bytes. As with Reader, nothing is
// left after what cannot be read, and Err is asked once.
type Fields struct {
	r      Reader
	field  int
	isData bool
	number uint64
	data   []byte
}

// FieldMax is the highest number of a field.
const FieldMax = 1 << 20

// NewFields returns the Fields of b.
func NewFields(b []byte) Fields { return Fields{r: NewReader(b)} }

// Next takes the next field and reports whether there is one. What nobody reads of
// a field is skipped.
func (f *Fields) Next() bool {
	if len(f.r.b) == 0 {
		return false
	}
	tag := f.r.Number()
	if tag>>1 > FieldMax {
		f.r.Fail("a field has no such number")
	}
	f.field, f.isData, f.number, f.data = int(tag>>1), tag&1 == 1, 0, nil
	if f.isData {
		f.data = f.r.Bytes()
	} else {
		f.number = f.r.Number()
	}
	return f.r.err == nil
}

// Field is the number of the field that Next took.
func (f *Fields) Field() int { return f.field }

// Err is what could not be read first; nil if everything could.
func (f *Fields) Err() error { return f.r.err }

// Fail ends the reading: a field is not what it may be.
func (f *Fields) Fail(why string) { f.r.Fail(why) }

// Check ends the reading when err, of the fields inside the field, is one.
func (f *Fields) Check(err error) {
	if err != nil {
		f.r.Fail(err.Error())
	}
}

// Number is the field as a number.
func (f *Fields) Number() uint64 {
	if f.isData {
		f.r.Fail("a field is bytes and should be a number")
	}
	return f.number
}

// Signed is the field as a number with a sign.
func (f *Fields) Signed() int64 {
	n := f.Number()
	return int64(n>>1) ^ -int64(n&1)
}

// Count is the field as a number that is at most limit.
func (f *Fields) Count(limit int) int {
	n := f.Number()
	if n > uint64(limit) {
		f.r.Fail("a count is too high")
		return 0
	}
	return int(n)
}

// Yes is the field as yes or no.
func (f *Fields) Yes() bool { return f.Number() == 1 }

// Bytes are the field's bytes. They share the memory of NewFields'.
func (f *Fields) Bytes() []byte {
	if !f.isData {
		f.r.Fail("a field is a number and should be bytes")
	}
	return f.data
}

// Text is the field as a text of at most limit bytes.
func (f *Fields) Text(limit int) string {
	data := f.Bytes()
	if len(data) > limit {
		f.r.Fail("a text is too long")
		return ""
	}
	return string(data)
}

// Fields are the fields that the field is made of.
func (f *Fields) Fields() Fields { return NewFields(f.Bytes()) }
