package local

import (
	"context"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// store keeps what outlives the fleet in its state directory.
type store struct{ dir *statedir.Dir }

// Keep implements clerk.Store.
func (s store) Keep(_ context.Context, k fleet.Keep) error {
	if err := s.dir.KeepRevision(k.Revision(), k.Oldest); err != nil {
		return err
	}
	if k.How == api.HowStart {
		return nil // nobody applied it: the next fleet begins with what it is told
	}
	return s.dir.Keep(statedir.Kept{Revision: k.Rev, Name: k.Name, Dir: k.Dir, By: k.By, Why: k.Why, At: k.At, Text: k.Text})
}

// KeepWords implements clerk.Store.
func (s store) KeepWords(_ context.Context, w fleet.Words) error { return s.dir.KeepWords(w) }
