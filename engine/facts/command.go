package facts

import (
	"encoding/binary"
	"errors"
	"time"
)

// Bounds, each with its reason.
const (
	// KeySizeMax is the longest key, and the longest name of a lease or a holder:
	// a path of a few names.
	KeySizeMax = 256
	// ValueSizeMax is the longest value: a fleet's spec is the largest fact there is.
	ValueSizeMax = 512 << 10
	// OpsMax is how much one Txn does, and how much it asks first.
	OpsMax = 128
	// KeysMax and BytesMax bound the whole, which travels in one snapshot and is
	// written in one piece.
	KeysMax  = 64 << 10
	BytesMax = 16 << 20
	// LeasesMax bounds leases: each is looked at when one runs out.
	LeasesMax = 4096
	// TTLMin is the shortest lease: shorter than an election it could not be
	// renewed across one. TTLMax is the longest that nobody can be asked about.
	TTLMin = time.Second
	TTLMax = time.Hour
	// ListMax is how many keys or changes one answer holds, and answerAim its size.
	ListMax   = 1024
	answerAim = 1 << 20
)

// Command is what Apply carries out.
//
//sumtype:decl
type Command interface{ command() }

// A Cond asks that a key was changed last at a revision; 0: that there is none.
type Cond struct {
	Key      string
	Revision uint64
}

// A Token is a lease's epoch: who presents it must hold the lease.
type Token struct {
	Lease string
	Epoch uint64
}

// An Op puts a key or deletes it. With Lease the key goes when the lease ends.
type Op struct {
	Key    string
	Value  []byte
	Delete bool
	Lease  string
}

// A Txn does all its Ops if all of If hold and all tokens of Under are held, and
// nothing otherwise.
type Txn struct {
	If    []Cond
	Under []Token
	Ops   []Op
}

// Acquire takes a lease that nobody holds.
type Acquire struct {
	Lease  string
	Holder string
	TTL    time.Duration
}

// Renew makes a held lease last its TTL from now.
type Renew struct{ Token }

// Release gives a held lease back.
type Release struct{ Token }

// End ends a lease that ran out. It is void unless the lease is what it was when
// somebody saw that: Renewals says which renewal was the last.
type End struct {
	Token
	Renewals uint64
}

func (Txn) command()     {}
func (Acquire) command() {}
func (Renew) command()   {}
func (Release) command() {}
func (End) command()     {}

// The kinds of command and query. They are in journals: never renumber.
const (
	kindTxn     = 1
	kindAcquire = 2
	kindRenew   = 3
	kindRelease = 4
	kindEnd     = 5

	kindGet   = 16
	kindList  = 17
	kindLook  = 18
	kindSince = 19
)

// Encode returns a command's bytes.
func Encode(c Command) []byte {
	var b []byte
	switch c := c.(type) {
	case Txn:
		b = append(b, kindTxn)
		b = binary.AppendUvarint(b, uint64(len(c.If)))
		for _, x := range c.If {
			b = binary.AppendUvarint(appendText(b, x.Key), x.Revision)
		}
		b = binary.AppendUvarint(b, uint64(len(c.Under)))
		for _, x := range c.Under {
			b = x.append(b)
		}
		b = binary.AppendUvarint(b, uint64(len(c.Ops)))
		for _, x := range c.Ops {
			b = appendText(b, x.Key)
			b = appendBool(b, x.Delete)
			b = appendText(b, x.Lease)
			b = appendText(b, string(x.Value))
		}
	case Acquire:
		b = appendText(append(b, kindAcquire), c.Lease)
		b = binary.AppendUvarint(appendText(b, c.Holder), uint64(c.TTL))
	case Renew:
		b = c.append(append(b, kindRenew))
	case Release:
		b = c.append(append(b, kindRelease))
	case End:
		b = binary.AppendUvarint(c.append(append(b, kindEnd)), c.Renewals)
	}
	return b
}

// ErrMalformed is the answer to bytes that Encode never made.
var ErrMalformed = errors.New("facts: the bytes are no command, query or snapshot of this version")

// Decode reads what Encode wrote.
func Decode(b []byte) (Command, error) {
	r := reader{b: b}
	var c Command
	switch r.byte() {
	case kindTxn:
		var t Txn
		for range r.count(OpsMax) {
			t.If = append(t.If, Cond{r.text(KeySizeMax), r.number()})
		}
		for range r.count(OpsMax) {
			t.Under = append(t.Under, r.token())
		}
		for range r.count(OpsMax) {
			o := Op{Key: r.text(KeySizeMax), Delete: r.bool(), Lease: r.text(KeySizeMax)}
			o.Value = r.bytes(ValueSizeMax)
			t.Ops = append(t.Ops, o)
		}
		c = t
	case kindAcquire:
		c = Acquire{r.text(KeySizeMax), r.text(KeySizeMax), time.Duration(r.number())}
	case kindRenew:
		c = Renew{r.token()}
	case kindRelease:
		c = Release{r.token()}
	case kindEnd:
		c = End{r.token(), r.number()}
	default:
		r.fail()
	}
	if len(r.b) > 0 || r.bad {
		return nil, ErrMalformed
	}
	return c, nil
}

func (t Token) append(b []byte) []byte {
	return binary.AppendUvarint(appendText(b, t.Lease), t.Epoch)
}

func (r *reader) token() Token { return Token{r.text(KeySizeMax), r.number()} }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader takes fields off the front of b; after an error it returns zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.bad, r.b = true, nil }

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

func (r *reader) count(limit int) int {
	n := r.number()
	if n > uint64(limit) {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes returns a copy, and nil for none.
func (r *reader) bytes(limit int) []byte {
	n := r.count(limit)
	if n > len(r.b) {
		r.fail()
		return nil
	}
	data := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return data
}

func (r *reader) text(limit int) string { return string(r.bytes(limit)) }
