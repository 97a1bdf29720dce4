package h1

import (
	"net/textproto"
	"strings"
)

// Field is one line of a head.
type Field struct{ Name, Value string }

// Malformed says what is wrong with a backend's answer.
type Malformed string

// Error implements error.
func (m Malformed) Error() string { return "h1: a malformed answer: " + string(m) }

// Head is the head of an answer.
type Head struct {
	Status int
	Fields []Field // names in their canonical form, in the order they came

	minor   int   // of the version 1.x
	length  int64 // Content-Length; unsaid without one
	chunked bool
	ends    bool // the connection ends with this answer
}

const unsaid = -1

// parse reads a head, with the empty line at its end. The strings of the fields
// are parts of s.
func (h *Head) parse(s string) error {
	*h = Head{Fields: h.Fields[:0], length: unsaid}
	line, rest, err := cutLine(s)
	if err != nil {
		return err
	}
	if len(line) < 12 || line[:7] != "HTTP/1." || !digit(line[7]) || line[8] != ' ' ||
		line[9] < '1' || line[9] > '9' || !digit(line[10]) || !digit(line[11]) || len(line) > 12 && line[12] != ' ' || !Value(line) {
		return Malformed("its first line is no status line")
	}
	h.minor = int(line[7] - '0')
	h.Status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	if h.Fields, err = fields(h.Fields, rest); err != nil {
		return err
	}
	return h.framing()
}

// fields reads lines up to the empty one, which must be the last.
func fields(all []Field, s string) ([]Field, error) {
	for {
		line, rest, err := cutLine(s)
		switch {
		case err != nil:
			return all, err
		case line == "" && rest != "":
			return all, Malformed("its head goes on behind its end")
		case line == "":
			return all, nil
		case line[0] == ' ' || line[0] == '\t':
			return all, Malformed("a header is folded")
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !Token(name) {
			return all, Malformed("a header has no proper name")
		}
		value = strings.Trim(value, " \t")
		if !Value(value) {
			return all, Malformed("a control character is in a header")
		}
		all = append(all, Field{textproto.CanonicalMIMEHeaderKey(name), value})
		s = rest
	}
}

// cutLine takes the first line off s, without its end.
func cutLine(s string) (line, rest string, err error) {
	i := strings.IndexByte(s, '\n')
	if i < 1 || s[i-1] != '\r' {
		return "", "", Malformed("a line does not end by CRLF")
	}
	return s[:i-1], s[i+1:], nil
}

// framing says where the answer ends (RFC 9112 section 6.3), as far as the head
// alone tells.
func (h *Head) framing() error {
	h.ends = h.minor == 0
	for _, f := range h.Fields {
		switch f.Name {
		case "Content-Length":
			n, ok := Length(f.Value)
			if !ok {
				return Malformed("its Content-Length is no number")
			}
			if h.length != unsaid && h.length != n {
				return Malformed("it has two different lengths")
			}
			h.length = n
		case "Transfer-Encoding":
			if h.chunked || !strings.EqualFold(f.Value, "chunked") {
				return Malformed("its Transfer-Encoding is not just chunked")
			}
			h.chunked = true
		case "Connection":
			h.ends = h.ends || Has(f.Value, "close")
		}
	}
	switch {
	case h.chunked && h.length != unsaid:
		return Malformed("it has both a Content-Length and a Transfer-Encoding")
	case h.chunked && h.minor == 0:
		return Malformed("it is chunked, and of HTTP/1.0")
	}
	return nil
}

// Length reads a Content-Length: digits and nothing else, at most 18 of them,
// which no counter of bytes will ever reach.
func Length(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if !digit(s[i]) {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// Has reports whether a header that is a list names a token.
func Has(list, token string) bool {
	for rest, more := list, true; more; {
		var one string
		one, rest, more = strings.Cut(rest, ",")
		if strings.EqualFold(strings.Trim(one, " \t"), token) {
			return true
		}
	}
	return false
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// tokens are the characters of a token (RFC 9110 section 5.6.2).
var tokens = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// Token reports whether s is one: a method, or the name of a header.
func Token(s string) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// Value reports whether s may stand in a line of a head: no control character
// but the tab (RFC 9110 section 5.5).
func Value(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
