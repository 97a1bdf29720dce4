package auditlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/facts"
)

// Store is where hosts agree on the chain's end: the facts of their group.
type Store interface {
	Do(ctx context.Context, c facts.Command) (facts.Result, error)
	Ask(ctx context.Context, q facts.Query) (facts.Answer, error)
}

// The keys of the chain. The numbers of lines have one length, so that the keys
// are in the chain's order.
const (
	HeadKey    = "audit/head"
	linePrefix = "audit/line/"
)

func lineKey(seq uint64) string { return fmt.Sprintf("%s%012d", linePrefix, seq) }

// Bounds of the chain's newest part, which all facts' replicas hold in memory and
// in every snapshot. The rest is in the files of those who mirror it.
const (
	// WindowMax is how many lines: a day of a busy fleet, so that a host that was
	// away for a night catches up from it.
	WindowMax = 1024
	// windowBytes is how much text: records have some 500 bytes, and only somebody
	// who wants to fill the window writes longer ones all the time.
	windowBytes = 1 << 20
)

// appendTries is how often a record is tried whose place another host took. Each
// time somebody's record was written, so twenty hosts that begin at once all get
// through.
const appendTries = 64

// storeTries is how often a store may fail for one record: it tries again itself
// before it does.
const storeTries = 3

// SharedOptions say how a shared log is written.
type SharedOptions struct {
	Store Store
	Host  string           // that writes; every record bears it
	Now   func() time.Time // nil is the wall clock
}

// Shared is a chain that several hosts write. A record's place is taken by a
// compare-and-set on the chain's end, so that there is one chain whoever writes,
// and a host that is cut off from the others writes nothing.
type Shared struct {
	o    SharedOptions
	most int           // WindowMax; less in tests
	turn chan struct{} // holds one token: who has it may use what follows
	end  end
	last time.Time // of the newest record that was tried here
}

// end is the chain's newest part as facts held it when they were looked at last.
type end struct {
	known    bool
	revision uint64 // of HeadKey; 0: there is none
	chain    audit.Chain
	first    uint64 // number of the oldest line in facts; 0 without one
	sizes    []int  // of the lines from first on
	bytes    int
}

// head is the value of HeadKey.
type head struct {
	Seq   uint64 `json:"seq"`
	Hash  string `json:"hash"`
	First uint64 `json:"first"` // number of the oldest line in facts
}

// NewShared returns the log that hosts share through a store.
func NewShared(o SharedOptions) *Shared {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Shared{o: o, most: WindowMax, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// LostError says that a record was not written, since whoever asked for it does
// not hold a lease any more.
type LostError struct{ Lease string }

// Error says what has happened.
func (e *LostError) Error() string {
	return fmt.Sprintf("auditlog: the lease %s is another host's by now; nothing was recorded", e.Lease)
}

// ErrUnknown means that it could not be found out whether a record was written.
var ErrUnknown = errors.New("auditlog: the fleet's facts cannot be reached; whether the record was written is not known")

// Append writes a record and returns it when it is agreed on. under are the leases
// that must be held for it; without them the error is a *LostError. An error that
// is ErrUnknown leaves open whether the record is there.
func (s *Shared) Append(ctx context.Context, e audit.Entry, under ...facts.Token) (audit.Record, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return audit.Record{}, fmt.Errorf("auditlog: nothing was recorded: %w", context.Cause(ctx))
	}
	defer func() { s.turn <- struct{}{} }()
	e.Host = s.o.Host
	var mine *try
	failed := 0
	for range appendTries {
		if !s.end.known {
			if err := s.look(ctx); err != nil {
				return audit.Record{}, mine.lost(err)
			}
			if written, err := s.written(ctx, mine); written || err != nil {
				return mine.of(err)
			}
		}
		if mine == nil || !mine.fits(s.end) {
			var err error
			if mine, err = s.try(e); err != nil {
				return audit.Record{}, err
			}
		}
		res, err := s.o.Store.Do(ctx, s.command(mine, under))
		if err != nil {
			mine.sent = true
			s.end.known = false
			if failed++; failed == storeTries || ctx.Err() != nil {
				return audit.Record{}, mine.lost(err)
			}
			continue
		}
		switch res.Reason {
		case facts.ReasonNone:
			s.advance(mine, res.Revision)
			return mine.record, nil
		case facts.ReasonChanged:
			s.end.known = false
		case facts.ReasonOldEpoch:
			// A line that was sent before may have been written while the lease was
			// held; it is nobody's permission now.
			return audit.Record{}, &LostError{res.Key}
		case facts.ReasonMalformed, facts.ReasonHeld, facts.ReasonFull, facts.ReasonNoLease, facts.ReasonVoid:
			return audit.Record{}, fmt.Errorf("auditlog: nothing was recorded: %s", res.Reason.Sentence())
		}
	}
	return audit.Record{}, mine.lost(fmt.Errorf("others wrote first %d times", appendTries))
}

// try is a line on its way.
type try struct {
	revision uint64 // of the head that it follows
	record   audit.Record
	line     []byte
	next     audit.Chain
	sent     bool // and nobody said what became of it
}

// fits reports whether the line would still follow the chain's end. Sent again it
// is the same line, so that it cannot come to stand there twice.
func (t *try) fits(e end) bool { return t.revision == e.revision && t.record.Seq == seqOf(e.chain)+1 }

// lost is the error of a line that nobody knows of, or never sent.
func (t *try) lost(err error) error {
	if t != nil && t.sent {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return fmt.Errorf("auditlog: nothing was recorded: %w", err)
}

func (t *try) of(err error) (audit.Record, error) {
	if err != nil {
		return audit.Record{}, t.lost(err)
	}
	return t.record, nil
}

func seqOf(c audit.Chain) uint64 {
	seq, _ := c.Head()
	return seq
}

// try makes the line that would follow the chain's end. Two lines of one host
// never have one moment, so that none is taken for another.
func (s *Shared) try(e audit.Entry) (*try, error) {
	at := s.o.Now()
	if !at.After(s.last) {
		at = s.last.Add(1)
	}
	s.last = at
	r, line, next, err := s.end.chain.Next(at, e)
	return &try{revision: s.end.revision, record: r, line: line, next: next}, err
}

// command puts a line behind the chain's end, and takes the oldest ones away that
// the window has no room for.
func (s *Shared) command(t *try, under []facts.Token) facts.Txn {
	drop, _ := s.end.room(len(t.line), s.most)
	first := s.end.first + uint64(drop)
	if s.end.first == 0 || drop == len(s.end.sizes) {
		first = t.record.Seq
	}
	_, hash := t.next.Head()
	value, err := json.Marshal(head{t.record.Seq, hash.String(), first})
	if err != nil {
		panic("auditlog: two numbers and a text are not JSON: " + err.Error())
	}
	c := facts.Txn{
		If: []facts.Cond{{Key: HeadKey, Revision: t.revision}}, Under: under,
		Ops: []facts.Op{{Key: HeadKey, Value: value}, {Key: lineKey(t.record.Seq), Value: t.line}},
	}
	for i := range drop {
		c.Ops = append(c.Ops, facts.Op{Key: lineKey(s.end.first + uint64(i)), Delete: true})
	}
	return c
}

// room is how many of the oldest lines have to go for a new one, and the size of
// those that stay.
func (e end) room(size, most int) (drop, bytes int) {
	bytes = e.bytes
	for drop < len(e.sizes) && drop < facts.OpsMax-2 && (len(e.sizes)-drop >= most || bytes+size > windowBytes) {
		bytes -= e.sizes[drop]
		drop++
	}
	return drop, bytes
}

// advance notes that a line was written.
func (s *Shared) advance(t *try, revision uint64) {
	drop, bytes := s.end.room(len(t.line), s.most)
	s.end.sizes = append(s.end.sizes[drop:], len(t.line))
	s.end.first = t.record.Seq + 1 - uint64(len(s.end.sizes))
	s.end.bytes = bytes + len(t.line)
	s.end.chain, s.end.revision = t.next, revision
}

// lookTries is how often the chain's end is looked at that moves meanwhile.
const lookTries = 8

var errMoving = errors.New("the chain moves faster than it can be looked at")

// look reads the chain's end from the facts.
func (s *Shared) look(ctx context.Context) error {
	for range lookTries {
		if err := s.lookOnce(ctx); !errors.Is(err, errMoving) {
			return err
		}
	}
	return errMoving
}

func (s *Shared) lookOnce(ctx context.Context) error {
	h, revision, err := s.head(ctx)
	if err != nil {
		return err
	}
	next := end{known: true, revision: revision, first: h.First, chain: h.chain()}
	if revision == 0 {
		s.end = next
		return nil
	}
	// Of what was known before only the newest part has to be read.
	seq, old := h.First, s.end
	if last := seqOf(old.chain); len(old.sizes) > 0 && h.First >= old.first && last >= h.First && last <= h.Seq {
		next.sizes = append(next.sizes, old.sizes[h.First-old.first:]...)
		seq = last + 1
	}
	for seq <= h.Seq {
		a, err := s.o.Store.Ask(ctx, facts.List{Prefix: linePrefix, After: lineKey(seq - 1)})
		if err != nil {
			return err
		}
		if len(a.Facts) == 0 || a.Facts[0].Key != lineKey(seq) {
			return errMoving // the oldest ones went between the two questions
		}
		for _, f := range a.Facts {
			if f.Key != lineKey(seq) || seq > h.Seq {
				break
			}
			next.sizes = append(next.sizes, len(f.Value))
			seq++
		}
	}
	for _, n := range next.sizes {
		next.bytes += n
	}
	s.end = next
	return nil
}

// head reads the chain's head; a revision of 0 means that there is none.
func (s *Shared) head(ctx context.Context) (parsedHead, uint64, error) {
	a, err := s.o.Store.Ask(ctx, facts.Get{Key: HeadKey})
	if err != nil || len(a.Facts) == 0 {
		return parsedHead{}, 0, err
	}
	h, err := parseHead(a.Facts[0].Value)
	return h, a.Facts[0].Revision, err
}

type parsedHead struct {
	Head
	First uint64
}

func (h parsedHead) chain() audit.Chain { return audit.After(h.Seq, h.Hash) }

func parseHead(value []byte) (parsedHead, error) {
	var h head
	err := json.Unmarshal(value, &h)
	hash, err2 := audit.ParseHash(h.Hash)
	if err = errors.Join(err, err2); err == nil && (h.First == 0 || h.First > h.Seq) {
		err = errors.New("its numbers cannot be")
	}
	if err != nil {
		return parsedHead{}, fmt.Errorf("auditlog: the fact %s is not what this program writes: %w", HeadKey, err)
	}
	return parsedHead{Head{h.Seq, hash}, h.First}, nil
}

// written reports whether a line that was sent is in the chain.
func (s *Shared) written(ctx context.Context, t *try) (bool, error) {
	if t == nil || !t.sent || seqOf(s.end.chain) < t.record.Seq {
		return false, nil
	}
	a, err := s.o.Store.Ask(ctx, facts.Get{Key: lineKey(t.record.Seq)})
	if err != nil {
		return false, err
	}
	if len(a.Facts) == 0 {
		return false, errors.New("the line's place has left the window already")
	}
	return string(a.Facts[0].Value) == string(t.line), nil
}

// Head is the newest record of a chain.
type Head struct {
	Seq  uint64 // 0: the chain is empty
	Hash audit.Hash
}

// Head returns the newest record that is agreed on.
func (s *Shared) Head(ctx context.Context) (Head, error) {
	h, _, err := s.head(ctx)
	return h.Head, err
}

// Window is a part of the chain as facts hold it.
type Window struct {
	Head  Head
	First uint64   // number of the oldest line that facts hold; 0 without one
	Lines [][]byte // those behind the one that was asked for, in order, without a gap
}

// Since returns the lines behind a number. When facts hold older ones no more,
// First is higher than the next number, and the lines begin there.
func (s *Shared) Since(ctx context.Context, after uint64) (Window, error) {
	h, _, err := s.head(ctx)
	w := Window{Head: h.Head, First: h.First}
	if err != nil || h.Seq <= after {
		return w, err
	}
	seq := max(after+1, h.First)
	a, err := s.o.Store.Ask(ctx, facts.List{Prefix: linePrefix, After: lineKey(seq - 1)})
	if err != nil {
		return w, err
	}
	for i, f := range a.Facts {
		if i == 0 && after+1 < h.First {
			// Others may have written since the head was read.
			if _, err := fmt.Sscanf(strings.TrimPrefix(f.Key, linePrefix), "%d", &seq); err != nil {
				return w, fmt.Errorf("auditlog: the fact %s is none of this program's", f.Key)
			}
			w.First = seq
		}
		if f.Key != lineKey(seq) {
			break // the window has moved on meanwhile; the next look says so
		}
		w.Lines = append(w.Lines, f.Value)
		seq++
	}
	return w, nil
}
