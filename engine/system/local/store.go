package local

import (
	"context"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// store keeps what outlives the fleet in its state directory.
type store struct{ dir *statedir.Dir }

// Keep implements clerk.Store.
func (s store) Keep(_ context.Context, k fleet.Keep) error {
	return s.dir.Keep(statedir.Kept{Revision: k.Rev, Name: k.Name, Dir: k.Dir, By: k.By, Why: k.Why, At: k.At, Text: k.Text})
}

// KeepWords implements clerk.Store.
func (s store) KeepWords(_ context.Context, w fleet.Words) error { return s.dir.KeepWords(w) }
