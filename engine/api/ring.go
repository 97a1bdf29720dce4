package api

// Ring keeps the newest EventRing events for whoever asks for them later. Its
// zero value is empty. It is not safe for use by several goroutines at once.
type Ring struct {
	events [EventRing]Event // each at its number modulo EventRing
	first  Seq              // the oldest that was ever added
	last   Seq
}

// Add takes the event whose number follows the newest one's. The first one may
// have any: a ring can go on where another ended.
func (r *Ring) Add(e Event) {
	if r.last == 0 {
		r.first = e.Seq
	}
	r.events[e.Seq%EventRing] = e
	r.last = e.Seq
}

// Last is the number of the newest event; 0 without one.
func (r *Ring) Last() Seq { return r.last }

// Known is from, or 0 when it is of another life of the fleet, whose numbers
// began anew.
func (r *Ring) Known(from Seq) Seq {
	if from > r.last {
		return 0
	}
	return from
}

// Since returns the events after from and up to last, oldest first and at most
// the newest most of them, and how many it had to leave out: because they were
// overwritten, or for most. It never returns nil: no events are an empty list in
// JSON.
func (r *Ring) Since(from, last Seq, most int) (events []Event, missed uint64) {
	from, last = r.Known(from), min(last, r.last)
	if from >= last || last < r.first || most < 0 {
		return []Event{}, 0
	}
	first := max(from+1, r.first)
	if r.last > EventRing {
		first = max(first, min(r.last-EventRing, last)+1)
	}
	if n := last + 1 - first; n > Seq(most) {
		first += n - Seq(most)
	}
	events = make([]Event, 0, last+1-first)
	for q := first; q <= last; q++ {
		events = append(events, r.events[q%EventRing])
	}
	return events, uint64(first - from - 1)
}
