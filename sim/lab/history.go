package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
)

// Operation is what a client of the facts asked, and what it heard.
type Operation struct {
	Client string `json:"client"`
	Key    string `json:"key"`
	Kind   string `json:"kind"` // get, put, swap
	// Value was read or written; empty: there is none.
	Value  string `json:"value"`
	Expect string `json:"expect,omitempty"` // swap: the value at the revision that it named
	// Refused: a swap whose key had changed.
	Refused bool `json:"refused,omitempty"`
	// Called and Returned are by a clock that all clients share and nobody steps.
	Called   time.Duration `json:"called"`
	Returned time.Duration `json:"returned"`
	// Unknown: nobody said what became of it. It may have been done at any time
	// since, or never.
	Unknown bool `json:"unknown,omitempty"`
	// Void: it was not done.
	Void bool   `json:"void,omitempty"`
	Why  string `json:"why,omitempty"` // the reason of an Unknown or a Void
}

const (
	opGet  = "get"
	opPut  = "put"
	opSwap = "swap"
)

// String is one line of a failure.
func (o *Operation) String() string {
	when := fmt.Sprintf("%.4f..%.4f", o.Called.Seconds(), o.Returned.Seconds())
	if o.Unknown {
		when = fmt.Sprintf("%.4f..?", o.Called.Seconds())
	}
	switch {
	case o.Void:
		return fmt.Sprintf("%s %s: %s %s: nothing: %s", when, o.Client, o.Kind, o.Key, o.Why)
	case o.Kind == opGet:
		return fmt.Sprintf("%s %s: %s is %q", when, o.Client, o.Key, o.Value)
	case o.Kind == opPut:
		return fmt.Sprintf("%s %s: %s = %q", when, o.Client, o.Key, o.Value)
	}
	return fmt.Sprintf("%s %s: %s %q -> %q, refused %v", when, o.Client, o.Key, o.Expect, o.Value, o.Refused)
}

// Facts is a group of facts as one client has it. An error of Do that is an
// UnknownError leaves open whether it was done; after any other one it was not.
type Facts interface {
	Do(ctx context.Context, txn facts.Txn) (facts.Result, error)
	Ask(ctx context.Context, query facts.Get) (facts.Answer, error)
}

// UnknownError says that nobody knows what became of a command.
type UnknownError struct{ Err error }

// Error says why.
func (e *UnknownError) Error() string { return "nobody knows whether it was done: " + e.Err.Error() }

// Unwrap returns why.
func (e *UnknownError) Unwrap() error { return e.Err }

// Workload uses facts as clients do that share few keys: they read, they write, and
// they write if what they read is still so.
type Workload struct {
	// Prefix of the keys. A history begins with keys that nobody wrote before.
	Prefix   string
	Keys     int           // in use at a time
	Think    time.Duration // between two operations of a client, at most
	Patience time.Duration // for one operation
	Clock    func() time.Duration
	// Done hears each operation. It is called by one client at a time.
	Done func(*Operation)

	mu   sync.Mutex
	used int
}

// keyFor is how many operations a key is used for, by all clients together: then it
// is left behind, so that its history stays short enough to be checked.
const keyFor = 60

// Run is one client, until ctx ends.
func (w *Workload) Run(ctx context.Context, name string, f Facts, r *rand.Rand) {
	type read struct {
		value    string
		revision uint64
	}
	known := map[string]read{}
	for n := 1; ctx.Err() == nil; n++ {
		o := &Operation{Client: name, Key: w.key(r), Kind: opGet, Called: w.Clock()}
		was, ok := known[o.Key]
		asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Patience)
		switch k := r.IntN(5); {
		case k < 2 || k == 2 && !ok:
			a, err := f.Ask(asked, facts.Get{Key: o.Key})
			if err != nil {
				o.Void, o.Why = true, err.Error()
				break
			}
			known[o.Key] = read{}
			if len(a.Facts) > 0 {
				o.Value = string(a.Facts[0].Value)
				known[o.Key] = read{o.Value, a.Facts[0].Revision}
			}
		default:
			o.Kind, o.Value = opPut, fmt.Sprintf("%s-%d", name, n)
			txn := facts.Txn{Ops: []facts.Op{{Key: o.Key, Value: []byte(o.Value)}}}
			if ok && k > 2 {
				o.Kind, o.Expect = opSwap, was.value
				txn.If = []facts.Cond{{Key: o.Key, Revision: was.revision}}
			}
			result, err := f.Do(asked, txn)
			delete(known, o.Key)
			var unknown *UnknownError
			switch {
			case errors.As(err, &unknown):
				o.Unknown, o.Why = true, err.Error()
			case err != nil:
				o.Void, o.Why = true, err.Error()
			case result.Reason == facts.ReasonNone:
				known[o.Key] = read{o.Value, result.Revision}
			case result.Reason == facts.ReasonChanged:
				o.Refused = true
			default:
				o.Void, o.Why = true, result.Reason.Sentence()
			}
		}
		w.done(o)
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(w.Think)):
		}
	}
}

func (w *Workload) key(r *rand.Rand) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used++
	return fmt.Sprintf("%s%d-%d", w.Prefix, r.IntN(w.Keys), w.used/(keyFor*w.Keys))
}

func (w *Workload) done(o *Operation) {
	o.Returned = w.Clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Done(o)
}

// ReadOperations reads operations, one JSON object each, until the end.
func ReadOperations(r io.Reader, each func(*Operation)) error {
	for d := json.NewDecoder(r); ; {
		o := &Operation{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("lab: an operation: %w", err)
		}
		each(o)
	}
}
