// Package maglev maps hashes to backends such that few flows move when the
// backends change (Eisenbud et al., Maglev, NSDI 2016, section 3.4).
package maglev

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// Table is an immutable lookup table.
type Table struct {
	slots []int32
}

// Entry is one backend: a stable name (its place in the table depends on the
// name alone) and a weight over 0.
type Entry struct {
	Name   string
	Weight int
}

// sizes are primes, so that every skip visits every slot. The paper wants a
// table a hundred times larger than the number of backends for shares that are
// even to one percent. They are few and begin high: where a change of the number
// of entries changes the size, every flow moves.
var sizes = []int{4099, 65537, 262147}

// Size returns the table size for a number of entries.
func Size(entries int) int {
	for _, s := range sizes {
		if s >= 100*entries {
			return s
		}
	}
	return sizes[len(sizes)-1]
}

// New makes a table. The order of the entries does not matter to where a hash
// goes; entries with a weight of 0 or less get nothing, but keep the table's size
// when they stay in the list.
func New(entries []Entry) *Table {
	type turn struct {
		index        int32
		offset, skip int
		next         int
		weight       int
		credit       int
	}
	size := Size(len(entries))
	order := make([]turn, 0, len(entries))
	most := 0
	for i, e := range entries {
		if e.Weight <= 0 {
			continue
		}
		h1, h2 := hashes(e.Name)
		order = append(order, turn{index: int32(i), offset: int(h1 % uint64(size)), skip: int(h2%uint64(size-1)) + 1, weight: e.Weight})
		most = max(most, e.Weight)
	}
	if len(order) == 0 {
		return &Table{}
	}
	slices.SortFunc(order, func(a, b turn) int { return cmp.Compare(entries[a.index].Name, entries[b.index].Name) })
	slots := make([]int32, size)
	for i := range slots {
		slots[i] = -1
	}
	for filled := 0; filled < size; {
		for i := range order {
			t := &order[i]
			// An entry of half the weight has its turn every second round.
			if t.credit += t.weight; t.credit < most {
				continue
			}
			t.credit -= most
			slot := (t.offset + t.next*t.skip) % size
			for slots[slot] >= 0 {
				t.next++
				slot = (t.offset + t.next*t.skip) % size
			}
			slots[slot] = t.index
			t.next++
			if filled++; filled == size {
				break
			}
		}
	}
	return &Table{slots: slots}
}

func hashes(name string) (uint64, uint64) {
	h := fnv.New128a()
	_, _ = h.Write([]byte(name))
	sum := h.Sum(nil)
	var a, b uint64
	for i := range 8 {
		a, b = a<<8|uint64(sum[i]), b<<8|uint64(sum[8+i])
	}
	return Mix(a), Mix(b)
}

// Mix spreads the bits of x over all bits (the finaliser of SplitMix64, Steele
// et al., OOPSLA 2014): neighbours in, strangers out.
func Mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Lookup returns the position, in the entries the table was made from, of the
// one that a hash belongs to; -1 for a table without entries.
func (t *Table) Lookup(hash uint64) int {
	if t == nil || len(t.slots) == 0 {
		return -1
	}
	return int(t.slots[hash%uint64(len(t.slots))])
}
