package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// prefixRevision begins the keys of the spec's revisions, whose numbers are as
// wide as needed to sort.
const prefixRevision = "spec/rev/"

func keyRevision(rev uint64) string { return fmt.Sprintf("%s%012d", prefixRevision, rev) }

// history are the operations that add a revision to those in the facts, and
// forget those that are too old.
func (s *shared) history(k fleet.Keep) ([]facts.Op, error) {
	value, err := packRevision(k.Revision())
	if err != nil {
		return nil, err
	}
	ops := []facts.Op{{Key: keyRevision(k.Rev), Value: value}}
	for _, rev := range s.revs {
		if rev < k.Oldest && len(ops) < facts.OpsMax/2 { // the rest with the next one
			ops = append(ops, facts.Op{Key: keyRevision(rev), Delete: true})
		}
	}
	return ops, nil
}

// keepRevision adds a revision that was in force before.
func (s *shared) keepRevision(ctx context.Context, r api.Revision) error {
	value, err := packRevision(r)
	if err != nil {
		return err
	}
	if err := s.put(ctx, facts.Op{Key: keyRevision(r.Rev), Value: value}); err != nil {
		return err
	}
	s.revs = append(s.revs, r.Rev)
	return nil
}

// kept remembers what history has done.
func (s *shared) kept(k fleet.Keep, ops []facts.Op) {
	gone := map[string]bool{}
	for _, o := range ops {
		gone[o.Key] = o.Delete
	}
	s.revs = slices.DeleteFunc(s.revs, func(rev uint64) bool { return gone[keyRevision(rev)] })
	if !slices.Contains(s.revs, k.Rev) {
		s.revs = append(s.revs, k.Rev)
	}
}

// loadRevisions reads the revisions that the fleet agreed on. What this program
// cannot read is no reason not to lead.
func (s *shared) loadRevisions(ctx context.Context) ([]api.Revision, error) {
	var all []api.Revision
	s.revs = nil
	for after := ""; ; {
		a, err := s.facts.Ask(ctx, facts.List{Prefix: prefixRevision, After: after})
		if err != nil {
			return nil, fmt.Errorf("read the revisions of the fleet's facts: %w", err)
		}
		for _, f := range a.Facts {
			after = f.Key
			if r, err := unpackRevision(f.Value); err == nil && f.Key == keyRevision(r.Rev) {
				all, s.revs = append(all, r), append(s.revs, r.Rev)
			}
		}
		if !a.More {
			return all, nil
		}
	}
}

// packRevision writes a revision small, with its text.
func packRevision(r api.Revision) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(r), z.Close()); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if b.Len() > facts.ValueSizeMax {
		return nil, fmt.Errorf("agent: revision %d has %d bytes compressed; a fact has at most %d", r.Rev, b.Len(), facts.ValueSizeMax)
	}
	return b.Bytes(), nil
}

func unpackRevision(b []byte) (r api.Revision, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return r, fmt.Errorf("agent: a revision in the facts: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, packedMax))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("agent: a revision in the facts: %w", err)
	}
	r.Size = len(r.Text)
	return r, nil
}

// revisionsWith are revisions with the one in force among them: a host that is
// alone knows no other.
func revisionsWith(all []api.Revision, k statedir.Kept) []api.Revision {
	if slices.ContainsFunc(all, func(r api.Revision) bool { return r.Rev == k.Revision }) {
		return all
	}
	keep := keepOf(k)
	keep.How = api.HowApply
	if k.By == "" {
		keep.How = api.HowStart // the fleet was founded on it
	}
	return append(slices.Clone(all), keep.Revision())
}
