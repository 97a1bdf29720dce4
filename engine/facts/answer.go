package facts

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-edge/holdfast/engine/wire"
)

// Reason is why a command changed nothing. Results travel: never renumber.
type Reason uint8

// The reasons.
const (
	ReasonNone      Reason = 0
	ReasonMalformed Reason = 1
	ReasonChanged   Reason = 2
	ReasonOldEpoch  Reason = 3
	ReasonHeld      Reason = 4
	ReasonFull      Reason = 5
	ReasonNoLease   Reason = 6
	ReasonVoid      Reason = 7
)

// Sentence says a reason to people.
func (r Reason) Sentence() string {
	switch r {
	case ReasonNone:
		return ""
	case ReasonMalformed:
		return "the command cannot be: a name is empty or too long, something is above its limit, or a key is there twice"
	case ReasonChanged:
		return "a key was changed meanwhile; read it and try again"
	case ReasonOldEpoch:
		return "the lease is not held under this epoch any more; stop what it permitted"
	case ReasonHeld:
		return "somebody holds the lease; wait until it ends"
	case ReasonFull:
		return "the facts have no room for this; delete some"
	case ReasonNoLease:
		return "a key is bound to a lease that nobody holds"
	case ReasonVoid:
		return "the lease was renewed or had ended"
	}
	return "a reason of a newer version"
}

// Result is what became of a command.
type Result struct {
	Reason   Reason
	Revision uint64 // of the store after it
	Key      string // the key or lease that the reason is about
	Lease    Lease  // of Acquire and Renew: what is held now, by whomever
}

// A Lease is one that is held.
type Lease struct {
	Name     string
	Holder   string
	Epoch    uint64
	Renewals uint64
	TTL      time.Duration
}

func (x Lease) append(b []byte) []byte {
	b = wire.AppendText(wire.AppendText(b, x.Name), x.Holder)
	for _, n := range []uint64{x.Epoch, x.Renewals, uint64(x.TTL)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (r *reader) lease() Lease {
	return Lease{r.Text(KeySizeMax), r.Text(KeySizeMax), r.Number(), r.Number(), time.Duration(r.Number())}
}

func (x Result) encode() []byte {
	b := binary.AppendUvarint([]byte{byte(x.Reason)}, x.Revision)
	return x.Lease.append(wire.AppendText(b, x.Key))
}

// DecodeResult reads a result.
func DecodeResult(b []byte) (Result, error) {
	r := fieldsOf(b)
	x := Result{Reason(r.Byte()), r.Number(), r.Text(KeySizeMax), r.lease()}
	if r.Err() != nil || len(r.Left()) > 0 {
		return Result{}, ErrMalformed
	}
	return x, nil
}

// Query is what can be asked.
//
//sumtype:decl
type Query interface{ query() }

// Get asks for one key.
type Get struct{ Key string }

// List asks for the keys with a prefix, in order, behind After.
type List struct{ Prefix, After string }

// Look asks for a lease.
type Look struct{ Lease string }

// Since asks for the changes after a revision, for watching.
type Since struct {
	Prefix   string
	Revision uint64
}

func (Get) query()   {}
func (List) query()  {}
func (Look) query()  {}
func (Since) query() {}

// EncodeQuery returns a query's bytes.
func EncodeQuery(q Query) []byte {
	var b []byte
	switch q := q.(type) {
	case Get:
		b = wire.AppendText(append(b, kindGet), q.Key)
	case List:
		b = wire.AppendText(wire.AppendText(append(b, kindList), q.Prefix), q.After)
	case Look:
		b = wire.AppendText(append(b, kindLook), q.Lease)
	case Since:
		b = binary.AppendUvarint(wire.AppendText(append(b, kindSince), q.Prefix), q.Revision)
	}
	return b
}

// DecodeQuery reads what EncodeQuery wrote.
func DecodeQuery(b []byte) (Query, error) {
	r := fieldsOf(b)
	var q Query
	switch r.Byte() {
	case kindGet:
		q = Get{r.Text(KeySizeMax)}
	case kindList:
		q = List{r.Text(KeySizeMax), r.Text(KeySizeMax)}
	case kindLook:
		q = Look{r.Text(KeySizeMax)}
	case kindSince:
		q = Since{r.Text(KeySizeMax), r.Number()}
	default:
		r.Fail("its kind is not known")
	}
	if r.Err() != nil || len(r.Left()) > 0 {
		return nil, ErrMalformed
	}
	return q, nil
}

// A Fact is one key.
type Fact struct {
	Key      string
	Value    []byte
	Created  uint64 // the revision
	Revision uint64 // of the last change
	Lease    string // goes with this lease
}

// A Change is one key put or deleted, or one lease begun or ended.
type Change struct {
	Revision uint64
	Lease    bool // Key is a lease's name, Value its holder
	Gone     bool // deleted, or ended
	Key      string
	Value    []byte
}

// An Answer is what a query found.
type Answer struct {
	Revision  uint64 // of the store
	Facts     []Fact
	Lease     Lease // Epoch 0: nobody holds it
	Changes   []Change
	More      bool // there are more behind these: ask behind the last
	Forgotten bool // Since: the changes are not there any more; List anew
}

// Encode returns an answer's bytes.
func (x Answer) Encode() []byte {
	b := binary.AppendUvarint(nil, x.Revision)
	b = wire.AppendBool(wire.AppendBool(b, x.More), x.Forgotten)
	b = binary.AppendUvarint(b, uint64(len(x.Facts)))
	for i := range x.Facts {
		b = x.Facts[i].append(b)
	}
	b = x.Lease.append(b)
	b = binary.AppendUvarint(b, uint64(len(x.Changes)))
	for _, c := range x.Changes {
		b = binary.AppendUvarint(b, c.Revision)
		b = wire.AppendBool(wire.AppendBool(b, c.Lease), c.Gone)
		b = wire.AppendText(wire.AppendText(b, c.Key), c.Value)
	}
	return b
}

// DecodeAnswer reads an answer.
func DecodeAnswer(b []byte) (Answer, error) {
	r := fieldsOf(b)
	x := Answer{Revision: r.Number(), More: r.Bool(), Forgotten: r.Bool()}
	for range r.Count(ListMax) {
		x.Facts = append(x.Facts, r.fact())
	}
	x.Lease = r.lease()
	for range r.Count(ListMax) {
		x.Changes = append(x.Changes, Change{r.Number(), r.Bool(), r.Bool(), r.Text(KeySizeMax), r.value(ValueSizeMax)})
	}
	if r.Err() != nil || len(r.Left()) > 0 {
		return Answer{}, ErrMalformed
	}
	return x, nil
}

func (f *Fact) append(b []byte) []byte {
	b = wire.AppendText(wire.AppendText(b, f.Key), f.Value)
	b = binary.AppendUvarint(binary.AppendUvarint(b, f.Created), f.Revision)
	return wire.AppendText(b, f.Lease)
}

func (r *reader) fact() Fact {
	return Fact{r.Text(KeySizeMax), r.value(ValueSizeMax), r.Number(), r.Number(), r.Text(KeySizeMax)}
}
