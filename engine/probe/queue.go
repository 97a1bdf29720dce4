package probe

// queue is a binary heap of targets by the time they want something; each
// target knows its place, so that moving one costs log n. Ties go by key, so
// that the order never depends on a map's.
type queue []*target

func (q queue) before(i, j int) bool {
	if q[i].next != q[j].next {
		return q[i].next < q[j].next
	}
	return q[i].key < q[j].key
}

func (q queue) swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) add(t *target) {
	t.place = len(*q)
	*q = append(*q, t)
	q.up(t.place)
}

func (q *queue) remove(t *target) {
	i, last := t.place, len(*q)-1
	if i < 0 {
		return
	}
	q.swap(i, last)
	(*q)[last] = nil
	*q = (*q)[:last]
	t.place = -1
	if i < last {
		q.fix((*q)[i])
	}
}

// fix restores the order after t.next changed.
func (q *queue) fix(t *target) {
	if t.place < 0 {
		return
	}
	if !q.up(t.place) {
		q.down(t.place)
	}
}

func (q *queue) up(i int) bool {
	moved := false
	for i > 0 {
		parent := (i - 1) / 2
		if !q.before(i, parent) {
			break
		}
		q.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (q *queue) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(*q) {
			return
		}
		if right := child + 1; right < len(*q) && q.before(right, child) {
			child = right
		}
		if !q.before(child, i) {
			return
		}
		q.swap(i, child)
		i = child
	}
}
