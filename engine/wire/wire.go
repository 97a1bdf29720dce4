// Package wire is how fields are written behind each other in the bytes that
// hosts send and keep: numbers as varints, texts and bytes behind their length.
//
// What a message consists of, its kinds and its version stand in the package
// that owns it. Nothing here knows the order of fields.
package wire

import (
	"encoding/binary"
	"errors"
)

// AppendText appends a text, or bytes, behind its length.
func AppendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendBool appends 1 for yes and 0 for no.
func AppendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

// Reader takes fields off the front of bytes. After a field that cannot be read,
// or Fail, nothing is left of them and all that follows is zero, so that a
// message is read whole and Err is asked once.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader of b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Left is what nobody has taken yet. It shares the memory of NewReader's bytes.
func (r *Reader) Left() []byte { return r.b }

// Err is what could not be read first; nil if everything could.
func (r *Reader) Err() error { return r.err }

// Fail ends the reading: a field is not what it may be.
func (r *Reader) Fail(why string) {
	if r.err == nil {
		r.err = errors.New(why)
	}
	r.b = nil
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.b) == 0 {
		r.Fail("it ends early")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// Bool takes what AppendBool wrote.
func (r *Reader) Bool() bool { return r.Byte() == 1 }

// Number takes an unsigned varint.
func (r *Reader) Number() uint64 {
	n, length := binary.Uvarint(r.b)
	if length <= 0 {
		r.Fail("a number has no end")
		return 0
	}
	r.b = r.b[length:]
	return n
}

// Fixed takes eight bytes, the lowest first.
func (r *Reader) Fixed() uint64 {
	if len(r.b) < 8 {
		r.Fail("it ends early")
		return 0
	}
	n := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

// Count takes a number that is at most limit.
func (r *Reader) Count(limit int) int {
	n := r.Number()
	if n > uint64(limit) {
		r.Fail("a count is too high")
		return 0
	}
	return int(n)
}

// Bytes takes bytes behind their length, and returns nil for none. They share the
// memory of NewReader's.
func (r *Reader) Bytes() []byte {
	n := r.Number()
	if n > uint64(len(r.b)) {
		r.Fail("it is shorter than it says")
		return nil
	}
	if n == 0 {
		return nil
	}
	data := r.b[:n:n]
	r.b = r.b[n:]
	return data
}

// Text takes a text of at most limit bytes.
func (r *Reader) Text(limit int) string {
	data := r.Bytes()
	if len(data) > limit {
		r.Fail("a text is too long")
		return ""
	}
	return string(data)
}
