// Package agenda is the virtual clock of the simulations: what happens next, and
// when.
package agenda

import (
	"container/heap"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Queue is what is to happen. Ties go by the order in which things were asked for,
// so that a run is the same each time. The zero value is empty.
type Queue struct {
	entries entries
	seq     uint64
}

// Entry is one thing that is to happen.
type Entry struct {
	At  instant.Instant
	Do  func()
	seq uint64
}

// Add lets something happen at an instant.
func (q *Queue) Add(at instant.Instant, do func()) {
	q.seq++
	heap.Push(&q.entries, Entry{at, do, q.seq})
}

// Next is when the next thing happens; Never when nothing does.
func (q *Queue) Next() instant.Instant {
	if len(q.entries) == 0 {
		return instant.Never
	}
	return q.entries[0].At
}

// Take removes the next thing, of which there must be one.
func (q *Queue) Take() Entry { return heap.Pop(&q.entries).(Entry) }

type entries []Entry

func (e entries) Len() int { return len(e) }

func (e entries) Less(i, j int) bool {
	if e[i].At != e[j].At {
		return e[i].At < e[j].At
	}
	return e[i].seq < e[j].seq
}

func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *entries) Push(x any) { *e = append(*e, x.(Entry)) }

// Pop implements heap.Interface.
func (e *entries) Pop() any {
	old := *e
	last := len(old) - 1
	x := old[last]
	old[last] = Entry{}
	*e = old[:last]
	return x
}
