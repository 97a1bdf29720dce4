package replicas

import (
	"container/heap"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// queue is the virtual clock: what happens next, and when. Ties go by the order
// in which they were asked for.
type queue struct {
	entries entries
	seq     uint64
}

type entry struct {
	at  instant.Instant
	seq uint64
	do  func()
}

func (q *queue) add(at instant.Instant, do func()) {
	q.seq++
	heap.Push(&q.entries, entry{at, q.seq, do})
}

func (q *queue) take() (entry, bool) {
	if len(q.entries) == 0 {
		return entry{}, false
	}
	return heap.Pop(&q.entries).(entry), true
}

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
