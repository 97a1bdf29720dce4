package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what a record is about.
type Kind string

// The kinds.
const (
	KindStart  Kind = "start"  // a writer began
	KindStop   Kind = "stop"   // it ended
	KindRepair Kind = "repair" // it found the log torn or broken
	KindKeys   Kind = "keys"   // who may come in has changed
	KindLogin  Kind = "login"  // somebody came in
	KindLogout Kind = "logout" // and left
	KindRefuse Kind = "refuse" // somebody was not let in
	KindAsk    Kind = "ask"    // a command was asked for
	KindAnswer Kind = "answer" // and this became of it
	KindLook   Kind = "look"   // somebody read what not everybody may
)

// Entry is what a writer says; the chain adds the number, the moment and the
// link. Empty fields are left out of the line.
type Entry struct {
	Kind    Kind   `json:"kind"`
	Who     string `json:"who,omitempty"`     // the key's fingerprint
	Name    string `json:"name,omitempty"`    // what the key's owner is called
	Role    string `json:"role,omitempty"`    // by which they acted
	From    string `json:"from,omitempty"`    // address:port
	Session string `json:"session,omitempty"` // ties the records of one session
	Command string `json:"command,omitempty"` // as a shell would give it
	Why     string `json:"why,omitempty"`     // the person's reason
	Outcome string `json:"outcome,omitempty"` // done, refused, failed
	Detail  string `json:"detail,omitempty"`
	Receipt string `json:"receipt,omitempty"` // of the fleet; its events carry it too
	Rev     uint64 `json:"rev,omitempty"`     // of the spec that was seen
	Event   uint64 `json:"event,omitempty"`   // the fleet's event of the command
	Of      uint64 `json:"of,omitempty"`      // the record that this one answers
	Host    string `json:"host,omitempty"`    // that wrote it
}

// Hash names a line.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String returns.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(len(h)) {
		return h, fmt.Errorf("audit: %d characters are no hash; it has %d hexadecimal digits", len(s), hex.EncodedLen(len(h)))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("audit: no hash: %w", err)
	}
	return h, nil
}

// Record is an entry in its place of the chain.
type Record struct {
	Seq  uint64 // from 1
	Prev Hash   // of the line before it
	At   time.Time
	Entry
}

// Bounds of a line. Fields are cut to theirs, so that nobody can make a record
// that a reader has no room for.
const (
	fieldMax = 1024 // bytes of one field: a command with forty weights, a reason
	LineMax  = 32 << 10
)

// stamp is the moment's one way to be written.
const stamp = "2006-01-02T15:04:05.000000000Z"

// body is a line without its hash, in the order of its fields.
type body struct {
	Seq  uint64 `json:"seq"`
	Prev string `json:"prev"`
	At   string `json:"at"`
	Entry
}

// Encode returns the record's line and its hash. It fails for a moment that has
// no four-digit year.
func Encode(r Record) ([]byte, Hash, error) {
	at := r.At.UTC()
	if y := at.Year(); y < 1 || y > 9999 {
		return nil, Hash{}, fmt.Errorf("audit: record %d: the year %d has not four digits", r.Seq, y)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body{r.Seq, r.Prev.String(), at.Format(stamp), r.tidy()}); err != nil {
		return nil, Hash{}, fmt.Errorf("audit: record %d: %w", r.Seq, err)
	}
	h := Hash(sha256.Sum256(b.Bytes()[:b.Len()-1]))
	line := make([]byte, 0, hex.EncodedLen(len(h))+1+b.Len())
	line = hex.AppendEncode(line, h[:])
	line = append(line, ' ')
	return append(line, b.Bytes()...), h, nil
}

// What can be wrong with a line by itself.
var (
	errTorn      = errors.New("it is not whole")
	errLong      = fmt.Errorf("it has more than %d bytes", LineMax)
	errForm      = errors.New("it is no record")
	errHash      = errors.New("its hash is not that of its text")
	errCanonical = errors.New("it is not written as records are")
)

// Decode reads a line with its line feed. It accepts exactly what Encode makes.
func Decode(line []byte) (Record, Hash, error) {
	switch {
	case len(line) > LineMax:
		return Record{}, Hash{}, errLong
	case len(line) == 0 || line[len(line)-1] != '\n':
		return Record{}, Hash{}, errTorn
	}
	text, rest, ok := bytes.Cut(line[:len(line)-1], []byte(" "))
	if !ok {
		return Record{}, Hash{}, errForm
	}
	h, err := ParseHash(string(text))
	if err != nil {
		return Record{}, Hash{}, errForm
	}
	if Hash(sha256.Sum256(rest)) != h {
		return Record{}, Hash{}, errHash
	}
	var b body
	if err := json.Unmarshal(rest, &b); err != nil {
		return Record{}, Hash{}, errForm
	}
	r := Record{Seq: b.Seq, Entry: b.Entry}
	if r.Prev, err = ParseHash(b.Prev); err != nil {
		return Record{}, Hash{}, errForm
	}
	if r.At, err = time.Parse(stamp, b.At); err != nil {
		return Record{}, Hash{}, errForm
	}
	again, _, err := Encode(r)
	if err != nil || !bytes.Equal(again, line) {
		return Record{}, Hash{}, errCanonical
	}
	return r, h, nil
}

// tidy cuts every field to its bound, and takes out what a terminal would obey:
// people will read the file with whatever is at hand.
func (e Entry) tidy() Entry {
	for _, f := range []*string{&e.Who, &e.Name, &e.Role, &e.From, &e.Session, &e.Command, &e.Why, &e.Outcome, &e.Detail, &e.Receipt, &e.Host} {
		*f = tidy(*f)
	}
	e.Kind = Kind(tidy(string(e.Kind)))
	return e
}

func tidy(s string) string {
	if len(s) > fieldMax {
		s = strings.ToValidUTF8(s[:fieldMax-len("…")], "") + "…"
	}
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s { // a byte that is no UTF-8 comes as RuneError
		if hidden(r) || r == utf8.RuneError {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden reports whether a terminal obeys r rather than showing it: controls,
// and what changes the direction of text.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x2028 || r == 0x2029 || r == 0x200e || r == 0x200f || r == 0x061c
}
