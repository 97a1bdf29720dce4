package sim

import (
	"container/heap"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// queue is the virtual clock: what happens next, and when. Ties go by the order
// in which they were asked for, so that a run is the same each time.
type queue struct {
	entries entries
	seq     uint64
}

type entry struct {
	at  instant.Instant
	seq uint64
	do  func()
}

// add lets something happen at an instant.
func (q *queue) add(at instant.Instant, do func()) {
	q.seq++
	heap.Push(&q.entries, entry{at, q.seq, do})
}

// next is when the next thing happens; Never when nothing does.
func (q *queue) next() instant.Instant {
	if len(q.entries) == 0 {
		return instant.Never
	}
	return q.entries[0].at
}

// take removes the next thing.
func (q *queue) take() entry { return heap.Pop(&q.entries).(entry) }

type entries []entry

func (e entries) Len() int { return len(e) }

func (e entries) Less(i, j int) bool {
	if e[i].at != e[j].at {
		return e[i].at < e[j].at
	}
	return e[i].seq < e[j].seq
}

func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *entries) Push(x any) { *e = append(*e, x.(entry)) }

// Pop implements heap.Interface.
func (e *entries) Pop() any {
	old := *e
	last := len(old) - 1
	x := old[last]
	old[last] = entry{}
	*e = old[:last]
	return x
}
