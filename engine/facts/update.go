package facts

// Update is what a watcher of facts is told.
type Update struct {
	// All says that Facts are all there are with the prefix, and that what was told
	// before is void. Otherwise Changes follow what was told before, without a gap.
	All      bool
	Facts    []Fact
	Changes  []Change
	Revision uint64
}
