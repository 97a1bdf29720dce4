package replica

import (
	"encoding/binary"
	"errors"
)

// errCodec is the root of every refusal of bytes.
var errCodec = errors.New("replica: bytes are not as this package writes them")

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func appendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader takes fields off the front of b; after an error it returns zeros. What
// it returns shares b's memory.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.bad, r.b = true, nil }

func (r *reader) err() error {
	if r.bad {
		return errCodec
	}
	return nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bool() bool { return r.byte() == 1 }

func (r *reader) number() uint64 {
	n, length := binary.Uvarint(r.b)
	if length <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[length:]
	return n
}

// count returns a number that is at most limit.
func (r *reader) count(limit int) int {
	n := r.number()
	if n > uint64(limit) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	data := r.b[:n:n]
	r.b = r.b[n:]
	return data
}

func (r *reader) text(limit int) string {
	data := r.bytes()
	if len(data) > limit {
		r.fail()
		return ""
	}
	return string(data)
}
