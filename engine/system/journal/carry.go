package journal

import (
	"errors"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Carry carries out one write of a host's replicas and returns what to tell them.
// It takes as long as the disk does: call it outside of their loop.
func (f *Files) Carry(w replica.Write) replica.Event {
	err := f.Write(w.Write)
	if err == nil {
		return replica.Wrote{Op: w.Op}
	}
	return replica.WriteFailed{Op: w.Op, Err: err.Error(), Retry: errors.Is(err, ErrFull)}
}
