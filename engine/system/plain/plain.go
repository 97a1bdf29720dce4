// Package plain reads the head of an HTTP/1.x answer at one glance, when its
// meaning is beyond any doubt: a final status, fields of usual letters, a length
// that nobody reads in two ways.
//
// What it says yes to, http.ReadResponse reads in the same way; a fuzz target
// holds it to that. Anything else is for those who take their time over it.
package plain

import (
	"bytes"
	"strings"
)

// Head is the head of an answer.
type Head struct {
	Status int
	Size   int   // bytes of the head itself
	Length int64 // of the body that is announced; -1: none is
	Keep   bool  // the connection can carry another request
	fields []byte
}

// Read reads the head that b begins with; ok is false unless it is there whole
// and plain.
func Read(b []byte) (h Head, ok bool) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return h, false
	}
	line, fields, _ := bytes.Cut(b[:end], []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return h, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return h, false
		}
		h.Status = 10*h.Status + int(c-'0')
	}
	if len(line) > 12 && line[12] != ' ' || h.Status < 200 || !printable(line[12:]) {
		return h, false
	}
	h.Size, h.Length, h.Keep, h.fields = end+len("\r\n\r\n"), -1, line[7] == '1', fields
	for len(fields) > 0 {
		var name, value []byte
		if name, value, fields, ok = field(fields); !ok {
			return h, false
		}
		switch {
		case is(name, "Transfer-Encoding"), is(name, "Trailer"):
			return h, false
		case is(name, "Content-Length"):
			if h.Length >= 0 || !number(value) {
				return h, false
			}
			h.Length = 0
			for _, c := range value {
				h.Length = 10*h.Length + int64(c-'0')
			}
		case is(name, "Connection"):
			h.Keep = false // whatever it says: to close is never wrong
		}
	}
	return h, true
}

// Get returns the value of a field; empty when there is none.
func (h *Head) Get(name string) string {
	for rest := h.fields; len(rest) > 0; {
		n, value, next, _ := field(rest)
		if is(n, name) {
			return string(value)
		}
		rest = next
	}
	return ""
}

// field cuts a field off.
func field(b []byte) (name, value, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	name, value, found := bytes.Cut(line, []byte(":"))
	return name, bytes.Trim(value, " \t"), rest, found && token(name) && printable(value)
}

func is(name []byte, want string) bool {
	return len(name) == len(want) && strings.EqualFold(string(name), want)
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

func number(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 15
}

// token is the name of a field (RFC 9110 section 5.6.2), of the usual letters.
func token(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) > 0
}
