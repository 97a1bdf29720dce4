package facts

import (
	"encoding/binary"
	"time"
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
	b = appendText(appendText(b, x.Name), x.Holder)
	for _, n := range []uint64{x.Epoch, x.Renewals, uint64(x.TTL)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (r *reader) lease() Lease {
	return Lease{r.text(KeySizeMax), r.text(KeySizeMax), r.number(), r.number(), time.Duration(r.number())}
}

func (x Result) encode() []byte {
	b := binary.AppendUvarint([]byte{byte(x.Reason)}, x.Revision)
	return x.Lease.append(appendText(b, x.Key))
}

// DecodeResult reads a result.
func DecodeResult(b []byte) (Result, error) {
	r := reader{b: b}
	x := Result{Reason(r.byte()), r.number(), r.text(KeySizeMax), r.lease()}
	if r.bad || len(r.b) > 0 {
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
		b = appendText(append(b, kindGet), q.Key)
	case List:
		b = appendText(appendText(append(b, kindList), q.Prefix), q.After)
	case Look:
		b = appendText(append(b, kindLook), q.Lease)
	case Since:
		b = binary.AppendUvarint(appendText(append(b, kindSince), q.Prefix), q.Revision)
	}
	return b
}

// DecodeQuery reads what EncodeQuery wrote.
func DecodeQuery(b []byte) (Query, error) {
	r := reader{b: b}
	var q Query
	switch r.byte() {
	case kindGet:
		q = Get{r.text(KeySizeMax)}
	case kindList:
		q = List{r.text(KeySizeMax), r.text(KeySizeMax)}
	case kindLook:
		q = Look{r.text(KeySizeMax)}
	case kindSince:
		q = Since{r.text(KeySizeMax), r.number()}
	default:
		r.fail()
	}
	if r.bad || len(r.b) > 0 {
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

func (x Answer) encode() []byte {
	b := binary.AppendUvarint(nil, x.Revision)
	b = appendBool(appendBool(b, x.More), x.Forgotten)
	b = binary.AppendUvarint(b, uint64(len(x.Facts)))
	for i := range x.Facts {
		b = x.Facts[i].append(b)
	}
	b = x.Lease.append(b)
	b = binary.AppendUvarint(b, uint64(len(x.Changes)))
	for _, c := range x.Changes {
		b = binary.AppendUvarint(b, c.Revision)
		b = appendBool(appendBool(b, c.Lease), c.Gone)
		b = appendText(appendText(b, c.Key), string(c.Value))
	}
	return b
}

// DecodeAnswer reads an answer.
func DecodeAnswer(b []byte) (Answer, error) {
	r := reader{b: b}
	x := Answer{Revision: r.number(), More: r.bool(), Forgotten: r.bool()}
	for range r.count(ListMax) {
		x.Facts = append(x.Facts, r.fact())
	}
	x.Lease = r.lease()
	for range r.count(ListMax) {
		x.Changes = append(x.Changes, Change{r.number(), r.bool(), r.bool(), r.text(KeySizeMax), r.bytes(ValueSizeMax)})
	}
	if r.bad || len(r.b) > 0 {
		return Answer{}, ErrMalformed
	}
	return x, nil
}

func (f *Fact) append(b []byte) []byte {
	b = appendText(appendText(b, f.Key), string(f.Value))
	b = binary.AppendUvarint(binary.AppendUvarint(b, f.Created), f.Revision)
	return appendText(b, f.Lease)
}

func (r *reader) fact() Fact {
	return Fact{r.text(KeySizeMax), r.bytes(ValueSizeMax), r.number(), r.number(), r.text(KeySizeMax)}
}
