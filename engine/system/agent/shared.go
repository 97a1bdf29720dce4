package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// The keys of the fleet's facts that the coordinator writes.
const (
	keySpec  = "spec/current"
	keyWords = "words"
	// prefixDrill begins the keys of the drills' last reports.
	prefixDrill = "drill/"
	// leaseCoordinator is held by whoever keeps the fleet's picture.
	leaseCoordinator = "coordinator"
)

// factStore is the facts of one group, from whichever host can answer.
type factStore interface {
	Do(ctx context.Context, c facts.Command) (facts.Result, error)
	Ask(ctx context.Context, q facts.Query) (facts.Answer, error)
}

// shared keeps what outlives a coordinator in the fleet's facts, under its lease:
// one that was overtaken writes nothing.
type shared struct {
	facts factStore
	token facts.Token
	revs  []uint64 // revisions that are among the facts
}

// writeWait is how long a write may take. It is longer than the lease: an election
// in between is waited for, and a write of a coordinator that lost its lease is
// refused by the epoch.
const writeWait = 5 * time.Second

// put writes keys under the lease.
func (s *shared) put(ctx context.Context, ops ...facts.Op) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	r, err := s.facts.Do(ctx, facts.Txn{Under: []facts.Token{s.token}, Ops: ops})
	if err != nil {
		return err
	}
	if r.Reason != facts.ReasonNone {
		return fmt.Errorf("the fleet's facts refuse it: %s", r.Reason.Sentence())
	}
	return nil
}

// Keep implements clerk.Store.
func (s *shared) Keep(ctx context.Context, k fleet.Keep) error {
	value, err := packSpec(statedir.Kept{Revision: k.Rev, Name: k.Name, Dir: k.Dir, By: k.By, Why: k.Why, At: k.At, Text: k.Text})
	if err != nil {
		return err
	}
	ops, err := s.history(k)
	if err != nil {
		return err
	}
	if err := s.put(ctx, append(ops, facts.Op{Key: keySpec, Value: value})...); err != nil {
		return err
	}
	s.kept(k, ops)
	return nil
}

// KeepWords implements clerk.Store.
func (s *shared) KeepWords(ctx context.Context, w fleet.Words) error {
	value, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return s.put(ctx, facts.Op{Key: keyWords, Value: value})
}

// KeepReports implements clerk.ReportStore.
func (s *shared) KeepReports(ctx context.Context, all []api.Drill) error {
	var ops []facts.Op
	for i := range all {
		value, err := json.Marshal(&all[i])
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		if len(value) > facts.ValueSizeMax {
			return fmt.Errorf("agent: the report of drill %s has %d bytes; a fact has at most %d", all[i].Name, len(value), facts.ValueSizeMax)
		}
		ops = append(ops, facts.Op{Key: prefixDrill + all[i].Name, Value: value})
	}
	return s.put(ctx, ops...)
}

// agreed is what a coordinator begins with.
type agreed struct {
	spec    statedir.Kept // Revision 0: none was ever agreed on
	words   fleet.Words
	reports []api.Drill
	revs    []api.Revision
}

// load reads what was agreed on, as it is now.
func (s *shared) load(ctx context.Context) (agreed, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	var all agreed
	for key, read := range map[string]func([]byte) error{
		keySpec:  func(b []byte) (err error) { all.spec, err = unpackSpec(b); return err },
		keyWords: func(b []byte) error { return json.Unmarshal(b, &all.words) },
	} {
		a, err := s.facts.Ask(ctx, facts.Get{Key: key})
		if err == nil && len(a.Facts) > 0 {
			err = read(a.Facts[0].Value)
		}
		if err != nil {
			return agreed{}, fmt.Errorf("read %s of the fleet's facts: %w", key, err)
		}
	}
	var err error
	if all.revs, err = s.loadRevisions(ctx); err != nil {
		return agreed{}, err
	}
	for after := ""; ; {
		a, err := s.facts.Ask(ctx, facts.List{Prefix: prefixDrill, After: after})
		if err != nil {
			return agreed{}, fmt.Errorf("read the drills of the fleet's facts: %w", err)
		}
		for _, f := range a.Facts {
			after = f.Key
			var d api.Drill
			if err := json.Unmarshal(f.Value, &d); err == nil { // of a newer version, it is no reason not to lead
				all.reports = append(all.reports, d)
			}
		}
		if !a.More {
			return all, nil
		}
	}
}

// packed is a spec as the facts have it.
type packed struct {
	statedir.Kept
	Text string `json:"text"`
}

// packSpec writes a spec small: it is text, and facts are in memory everywhere.
func packSpec(k statedir.Kept) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(packed{k, k.Text}), z.Close()); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if b.Len() > facts.ValueSizeMax {
		return nil, fmt.Errorf("agent: revision %d has %d bytes compressed; a fact has at most %d", k.Revision, b.Len(), facts.ValueSizeMax)
	}
	return b.Bytes(), nil
}

// packedMax bounds what a packed spec may become: the text of the longest spec,
// as JSON writes it at worst, and its head.
const packedMax = 6*api.SpecSizeMax + 64<<10

func unpackSpec(b []byte) (statedir.Kept, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return statedir.Kept{}, fmt.Errorf("agent: a spec in the facts: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, packedMax))
	var p packed
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return statedir.Kept{}, fmt.Errorf("agent: a spec in the facts: %w", err)
	}
	p.Kept.Text = p.Text
	return p.Kept, nil
}
