package audit

import (
	"fmt"
	"time"
)

// Chain is the growing end of a log: the number and the hash of its newest line.
// Its zero value is an empty log.
type Chain struct {
	seq  uint64
	head Hash
}

// After returns the chain whose newest line has this number and hash.
func After(seq uint64, head Hash) Chain { return Chain{seq, head} }

// Head returns the number and the hash of the newest line; 0 and zeros without
// one.
func (c Chain) Head() (uint64, Hash) { return c.seq, c.head }

// Next returns the record of an entry, its line, and the chain that it makes. The
// chain that it is asked of stays as it is, so that a line which could not be
// written was never there.
func (c Chain) Next(at time.Time, e Entry) (Record, []byte, Chain, error) {
	r := Record{Seq: c.seq + 1, Prev: c.head, At: at.UTC(), Entry: e.tidy()}
	line, h, err := Encode(r)
	if err != nil {
		return Record{}, nil, c, err
	}
	return r, line, Chain{r.Seq, h}, nil
}

// Follow reads the line that comes next, with its line feed, and returns the chain
// that it makes.
func (c Chain) Follow(line []byte) (Record, Chain, error) {
	r, h, err := Decode(line)
	switch {
	case err != nil:
		return Record{}, c, fmt.Errorf("audit: record %d: %w", c.seq+1, err)
	case r.Seq != c.seq+1:
		return Record{}, c, fmt.Errorf("audit: record %d stands where %d should", r.Seq, c.seq+1)
	case r.Prev != c.head:
		return Record{}, c, fmt.Errorf("audit: record %d does not follow the record before it", r.Seq)
	}
	return r, Chain{r.Seq, h}, nil
}

// BrokenError says where a log is not what was written.
type BrokenError struct {
	Line int    // from 1
	Seq  uint64 // of the record that should stand there; 0 when none is known
	Why  string
}

// Error says which record is the first that cannot be believed.
func (e *BrokenError) Error() string {
	if e.Seq == 0 {
		return fmt.Sprintf("audit: line %d is broken: %s", e.Line, e.Why)
	}
	return fmt.Sprintf("audit: record %d (line %d) is broken: %s", e.Seq, e.Line, e.Why)
}

// Verifier reads a log line by line and finds the first one that is not as it was
// written. Its zero value expects a whole log, or the newest part of one.
type Verifier struct {
	chain Chain
	first uint64
	lines int
	err   *BrokenError
}

// Add reads the next line with its line feed. After an error it returns the same
// one again: nothing behind a broken record can be believed.
func (v *Verifier) Add(line []byte) (Record, error) {
	if v.err != nil {
		return Record{}, v.err
	}
	v.lines++
	want := uint64(0)
	if v.first != 0 {
		want = v.chain.seq + 1
	}
	r, h, err := Decode(line)
	switch {
	case err != nil:
		return Record{}, v.broken(want, err.Error())
	case r.Seq == 0:
		return Record{}, v.broken(want, "records are numbered from 1")
	case want == 0 && r.Seq == 1 && r.Prev != Hash{}:
		return Record{}, v.broken(1, "the first record follows nothing, and this one names a record before it")
	case want == 0:
		v.first = r.Seq
	case r.Seq != want:
		return Record{}, v.broken(want, fmt.Sprintf("record %d stands in its place", r.Seq))
	case r.Prev != v.chain.head:
		return Record{}, v.broken(want, "it does not follow the record before it")
	}
	v.chain = Chain{r.Seq, h}
	return r, nil
}

func (v *Verifier) broken(seq uint64, why string) error {
	v.err = &BrokenError{Line: v.lines, Seq: seq, Why: why}
	return v.err
}

// Chain is what the lines so far end in.
func (v *Verifier) Chain() Chain { return v.chain }

// First is the number of the first record; 0 without one. It is more than 1 when
// older records are kept elsewhere or no more.
func (v *Verifier) First() uint64 { return v.first }
