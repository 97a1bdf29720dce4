package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// Facts are those of the fleet's group, from whichever host can answer.
type Facts interface {
	// Do carries out a command once; an error says that it is not known to be done.
	Do(ctx context.Context, c facts.Command) (facts.Result, error)
	// Ask sees everything that was acknowledged before it.
	Ask(ctx context.Context, q facts.Query) (facts.Answer, error)
	// Watch tells everything with a prefix, and then its changes, until ctx ends.
	Watch(ctx context.Context, prefix string) <-chan facts.Update
}

// The keys.
const (
	prefix        = "admit/"
	prefixToken   = prefix + "token/"
	prefixHost    = prefix + "host/"
	prefixPerson  = prefix + "person/"
	prefixRemoved = prefix + "removed/"
	prefixSigns   = prefix + "signs/"
	prefixHas     = prefix + "has/"
	keyKeyring    = prefix + "keyring"
)

// host and person are who joined, and signs who signs, as the facts have them.
type (
	host struct {
		Site  string    `json:"site"`
		Since time.Time `json:"since"`
		Token string    `json:"token,omitempty"`
	}
	person struct {
		Role  api.Role  `json:"role"`
		Since time.Time `json:"since"`
		Token string    `json:"token,omitempty"`
	}
	removal struct {
		At time.Time `json:"at"`
		By string    `json:"by,omitempty"`
	}
	signs struct {
		For  string `json:"for"` // api.SignsAll or api.SignsSite
		Site string `json:"site"`
	}
)

// errMajority is what people are told when the facts do not answer.
func errMajority(err error) error {
	return identity.Refuse(api.ReasonHostUnreachable, "it takes a majority of the hosts that keep the fleet's facts: %v", err)
}

// got is one fact as it was read; revision 0: there is none.
type got[T any] struct {
	value    T
	revision uint64
}

func (g got[T]) is(key string) facts.Cond { return facts.Cond{Key: key, Revision: g.revision} }

// get reads a fact as it is now.
func get[T any](ctx context.Context, f Facts, key string) (g got[T], err error) {
	a, err := f.Ask(ctx, facts.Get{Key: key})
	if err != nil {
		return g, errMajority(err)
	}
	if len(a.Facts) == 0 {
		return g, nil
	}
	g.revision = a.Facts[0].Revision
	if err := json.Unmarshal(a.Facts[0].Value, &g.value); err != nil {
		return g, fmt.Errorf("admission: the fact %s cannot be read: %w", key, err)
	}
	return g, nil
}

// list reads all facts below a prefix as they are now.
func list[T any](ctx context.Context, f Facts, below string) (map[string]got[T], error) {
	all := map[string]got[T]{}
	for after := ""; ; {
		a, err := f.Ask(ctx, facts.List{Prefix: below, After: after})
		if err != nil {
			return nil, errMajority(err)
		}
		for _, x := range a.Facts {
			g := got[T]{revision: x.Revision}
			if err := json.Unmarshal(x.Value, &g.value); err != nil {
				return nil, fmt.Errorf("admission: the fact %s cannot be read: %w", x.Key, err)
			}
			all[strings.TrimPrefix(x.Key, below)] = g
		}
		if !a.More || len(a.Facts) == 0 {
			return all, nil
		}
		after = a.Facts[len(a.Facts)-1].Key
	}
}

func put(key string, v any) facts.Op {
	b, err := json.Marshal(v)
	if err != nil { // of these types it cannot be
		panic("admission: " + err.Error())
	}
	return facts.Op{Key: key, Value: b}
}

// errChanged says that somebody else was faster.
var errChanged = errors.New("admission: it was changed meanwhile")

// write carries out a transaction. On errChanged its maker reads again.
func write(ctx context.Context, f Facts, t facts.Txn) error {
	r, err := f.Do(ctx, t)
	switch {
	case err != nil:
		return errMajority(err)
	case r.Reason == facts.ReasonChanged:
		return errChanged
	case r.Reason != facts.ReasonNone:
		return identity.Refuse(api.ReasonBusy, "the fleet's facts: %s", r.Reason.Sentence())
	}
	return nil
}

// changeTries bounds how often a change is tried that others overtake: each time
// one of them has succeeded.
const changeTries = 32

// change tries until nobody else was faster.
func change(ctx context.Context, once func() error) error {
	for range changeTries {
		if err := once(); !errors.Is(err, errChanged) {
			return err
		}
		if ctx.Err() != nil {
			return errMajority(ctx.Err())
		}
	}
	return identity.Refuse(api.ReasonBusy, "too many change it at once; try again")
}
