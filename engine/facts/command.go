package facts

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/wire"
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
			b = binary.AppendUvarint(wire.AppendText(b, x.Key), x.Revision)
		}
		b = binary.AppendUvarint(b, uint64(len(c.Under)))
		for _, x := range c.Under {
			b = x.append(b)
		}
		b = binary.AppendUvarint(b, uint64(len(c.Ops)))
		for _, x := range c.Ops {
			b = wire.AppendText(b, x.Key)
			b = wire.AppendBool(b, x.Delete)
			b = wire.AppendText(b, x.Lease)
			b = wire.AppendText(b, x.Value)
		}
	case Acquire:
		b = wire.AppendText(append(b, kindAcquire), c.Lease)
		b = binary.AppendUvarint(wire.AppendText(b, c.Holder), uint64(c.TTL))
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
	r := fieldsOf(b)
	var c Command
	switch r.Byte() {
	case kindTxn:
		var t Txn
		for range r.Count(OpsMax) {
			t.If = append(t.If, Cond{r.Text(KeySizeMax), r.Number()})
		}
		for range r.Count(OpsMax) {
			t.Under = append(t.Under, r.token())
		}
		for range r.Count(OpsMax) {
			o := Op{Key: r.Text(KeySizeMax), Delete: r.Bool(), Lease: r.Text(KeySizeMax)}
			o.Value = r.value(ValueSizeMax)
			t.Ops = append(t.Ops, o)
		}
		c = t
	case kindAcquire:
		c = Acquire{r.Text(KeySizeMax), r.Text(KeySizeMax), time.Duration(r.Number())}
	case kindRenew:
		c = Renew{r.token()}
	case kindRelease:
		c = Release{r.token()}
	case kindEnd:
		c = End{r.token(), r.Number()}
	default:
		r.Fail("its kind is not known")
	}
	if len(r.Left()) > 0 || r.Err() != nil {
		return nil, ErrMalformed
	}
	return c, nil
}

func (t Token) append(b []byte) []byte {
	return binary.AppendUvarint(wire.AppendText(b, t.Lease), t.Epoch)
}

func (r *reader) token() Token { return Token{r.Text(KeySizeMax), r.Number()} }

// reader takes facts' fields off the front of bytes.
type reader struct{ wire.Reader }

func fieldsOf(b []byte) reader { return reader{wire.NewReader(b)} }

// value takes a copy of at most limit bytes, and nil for none.
func (r *reader) value(limit int) []byte {
	b := r.Bytes()
	if len(b) > limit {
		r.Fail("a value is too large")
		return nil
	}
	return slices.Clone(b)
}
