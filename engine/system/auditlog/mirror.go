package auditlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// Times of a mirror.
const (
	// lookEvery is how often facts are looked at that say nothing of themselves,
	// and lookSeldom how often those that do.
	lookEvery  = 2 * time.Second
	lookSeldom = 30 * time.Second
	// gapEvery is how often a gap is tried to be filled that nobody could fill.
	gapEvery = time.Minute
	// failTold is how often a failure that goes on is told.
	failTold = 10 * time.Minute
)

// MirrorOptions say how a mirror is kept.
type MirrorOptions struct {
	Dir string
	// Changed says that the chain may have grown; nil: it is looked at again and
	// again.
	Changed <-chan struct{}
	// Lenders are the other hosts that may have what is missing here; nil: nobody.
	Lenders func() []Lender
	Log     *slog.Logger
}

// Mirror copies the chain into files until ctx ends, and returns nil then. What
// the files miss because this host was away for long, or has just begun, it
// borrows from other hosts' files. Files of another chain are put aside.
func (s *Shared) Mirror(ctx context.Context, o MirrorOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	files, err := open(Options{Dir: o.Dir, Now: s.o.Now}, true)
	if err != nil {
		return err
	}
	m := &mirror{o: o, shared: s, files: files}
	err = m.run(ctx)
	return errors.Join(err, files.Close())
}

type mirror struct {
	o      MirrorOptions
	shared *Shared
	files  *Log
	told   time.Time // when a failure was told last
	gapAt  time.Time // when gaps are looked for next
}

func (m *mirror) run(ctx context.Context) error {
	every := lookEvery
	if m.o.Changed != nil {
		every = lookSeldom
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		more, err := m.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			m.tell(err)
		case more:
			continue
		}
		m.fill(ctx)
		select {
		case <-tick.C:
		case <-m.o.Changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// tell says a failure, and that it goes on only now and then.
func (m *mirror) tell(err error) {
	if now := time.Now(); now.Sub(m.told) >= failTold {
		m.told = now
		m.o.Log.Warn("the audit log cannot be copied into files for now", "dir", m.o.Dir, "err", err)
	}
}

// errOther means that the files are not the beginning of the group's chain.
var errOther = errors.New("the files hold another chain")

// round copies what facts hold and the files do not. It reports whether there is
// more.
func (m *mirror) round(ctx context.Context) (more bool, err error) {
	seq, hash := m.files.Head()
	w, err := m.shared.Since(ctx, seq)
	if err != nil {
		return false, err
	}
	if w.Head.Seq < seq || w.Head.Seq == seq && w.Head.Hash != hash {
		return true, m.another(fmt.Errorf("%w: it ends in record %d (%s), the group's in %d (%s)", errOther, seq, hash, w.Head.Seq, w.Head.Hash))
	}
	if len(w.Lines) == 0 {
		return false, nil
	}
	gap := w.First > seq+1
	err = m.files.add(w.Lines, gap)
	if errors.Is(err, errOther) {
		return true, m.another(err)
	}
	if err != nil {
		return false, err
	}
	if gap {
		m.gapAt = time.Time{} // to be looked for at once
	}
	m.told = time.Time{}
	at, _ := m.files.Head()
	return at < w.Head.Seq, nil
}

// another puts the files of another chain aside.
func (m *mirror) another(why error) error {
	at, err := m.files.aside("other")
	if err == nil {
		m.o.Log.Warn("an audit log that is not the fleet's was put aside", "dir", m.o.Dir, "as", "other-"+at+"-*", "why", why)
	}
	return err
}

// add writes lines that must follow the chain, in one piece. With leap they need
// not: what is between is missing, and they begin a file of their own. They are
// checked before any of them is written.
func (l *Log) add(lines [][]byte, leap bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return errClosed
	}
	if l.tried != nil { // nobody else writes, but what could not be written may be there in part
		if err := l.openAgain(); err != nil {
			return err
		}
	}
	from := l.chain
	if leap {
		r, _, err := audit.Decode(lines[0])
		if err != nil {
			return fmt.Errorf("auditlog: %w", err)
		}
		from = audit.After(r.Seq-1, r.Prev)
	}
	next := from
	var text []byte
	for _, line := range lines {
		var err error
		if _, next, err = next.Follow(line); err != nil {
			return fmt.Errorf("%w: %w", errOther, err)
		}
		text = append(text, line...)
	}
	if leap {
		if l.f != nil {
			_ = l.f.Close() // all of it was flushed
		}
		l.f, l.size, l.chain = nil, 0, from
	}
	return l.put(text, next)
}

// aside puts all files aside and begins with nothing.
func (l *Log) aside(why string) (at string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := files(l.o.Dir)
	if err != nil {
		return "", err
	}
	if at, err = l.rename(all, why); err != nil {
		return "", err
	}
	return at, l.openAgain()
}
