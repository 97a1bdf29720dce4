package facts

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Bounds of the changes that are kept: a watcher that was away for longer reads
// everything anew, which costs it one List.
const (
	// HistoryMax is how many changes are kept, and HistoryBytesMax how large they
	// may be together.
	HistoryMax      = 1024
	HistoryBytesMax = 1 << 20
)

// history is the last changes, in order.
type history struct {
	changes []Change
	bytes   int
	floor   uint64 // changes up to this revision are forgotten
}

func (h *history) add(c Change) {
	h.changes = append(h.changes, c)
	h.bytes += c.size()
	drop, bytes := 0, h.bytes
	for len(h.changes)-drop > HistoryMax || bytes > HistoryBytesMax {
		bytes -= h.changes[drop].size()
		drop++
	}
	// Half a ring is cut at once, so that one change does not move all others.
	if drop == 0 {
		return
	}
	for drop < len(h.changes) && (len(h.changes)-drop > HistoryMax/2 || bytes > HistoryBytesMax/2) {
		bytes -= h.changes[drop].size()
		drop++
	}
	// A revision is kept whole or not at all.
	for drop < len(h.changes) && h.changes[drop].Revision == h.changes[drop-1].Revision {
		bytes -= h.changes[drop].size()
		drop++
	}
	h.floor = h.changes[drop-1].Revision
	h.changes = slices.Clone(h.changes[drop:])
	h.bytes = bytes
}

func (c Change) size() int { return len(c.Key) + len(c.Value) + 32 }

func (h *history) since(q Since, revision uint64, a *Answer) {
	if q.Revision < h.floor || q.Revision > revision {
		a.Forgotten = true
		return
	}
	at, _ := slices.BinarySearchFunc(h.changes, q.Revision+1, func(c Change, r uint64) int {
		if c.Revision < r {
			return -1
		}
		return 1
	})
	size := 0
	for i := at; i < len(h.changes); i++ {
		c := h.changes[i]
		// An answer ends between two revisions, so that the last one says where to
		// go on.
		if i > at && c.Revision != h.changes[i-1].Revision && (len(a.Changes) > ListMax-OpsMax-KeysBoundMax || size > answerAim) {
			a.More = true
			return
		}
		if strings.HasPrefix(c.Key, q.Prefix) {
			a.Changes = append(a.Changes, c)
			size += c.size()
		}
	}
}

func appendNumber(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }
