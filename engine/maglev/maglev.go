// Package maglev maps hashes to backends such that few flows move when the
// backends change (Eisenbud et al., Maglev, NSDI 2016, section 3.4).
package maglev

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

// Lookup returns the position, in the entries the table was made from, of the
// one that a hash belongs to; -1 for a table without entries.
func (t *Table) Lookup(hash uint64) int {
	if t == nil || len(t.slots) == 0 {
		return -1
	}
	return int(t.slots[hash%uint64(len(t.slots))])
}
