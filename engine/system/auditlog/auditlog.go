// Package auditlog keeps an audit.Chain: in files of a state directory, and, where
// several hosts write one chain, in the facts that they agree on.
//
// A Log is a chain in files. A record is written and flushed before Append
// returns, so that what was done is never without its record. Processes of one
// machine take turns by a lock that the kernel drops with them. A line that a
// crash has torn was never acknowledged: it is cut off, and a record says so. A
// log that is broken otherwise is put aside under another name, never mended: a
// new chain begins with a record that names it and its SHA-256. A full file is
// followed by another one that goes on with the chain; the oldest is removed when
// there are too many.
//
// A Shared is a chain in facts, of which these hold the newest part. Mirror copies
// it into files like a Log's, on every host that has the facts, so that the whole
// of it outlives the window, and what a host has missed comes from another one's
// files: what any line must be follows from the hash that the next one carries.
//
//	auditlog.go  Log, its turns
//	repair.go    a log that is torn or broken
//	files.go     the files, and what reads them
//	shared.go    a record into facts
//	mirror.go    facts into files
//	gap.go       what the files miss
//	lend.go      lines from another host
//	recorded.go  api.Client that records commands
package auditlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// Bounds of the log: a quarter of a gigabyte, near a million records.
const (
	fileMax  = 16 << 20
	bytesMax = 256 << 20
	filesMax = 64 // more than bytesMax takes, as a gap that was filled leaves smaller ones
)

// Options say how a log is kept.
type Options struct {
	Dir string
	Now func() time.Time // nil is the wall clock
}

// Log is a chain in files that this process writes, and others may.
type Log struct {
	mu     sync.Mutex
	o      Options
	lock   *os.File
	copies bool // the chain is another's: nothing is added to it here
	f      *os.File
	size   int64
	most   int64 // fileMax; less in tests
	total  int64 // bytesMax; less in tests
	chain  audit.Chain
	tried  []byte                              // what could not be written; the file may end in a part of it
	write  func(*os.File, []byte) (int, error) // replaced in tests
}

// BusyError says that another process keeps the log for itself.
type BusyError struct{ Dir string }

// Error says what to do.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another process keeps the audit log of %s for itself: an agent runs from this directory; ask it instead, or end it first", e.Dir)
}

// Open opens the log of a directory, which is made when there is none.
func Open(o Options) (*Log, error) { return open(o, false) }

func open(o Options, copies bool) (*Log, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, "audit.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	l := &Log{o: o, lock: lock, copies: copies, most: fileMax, total: bytesMax, write: (*os.File).Write}
	if err = l.take(); err == nil {
		err = l.open()
		l.give()
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Turns of processes. One takes as long as a disk takes to flush.
const (
	turnLook   = 2 * time.Millisecond
	turnWithin = 5 * time.Second
)

// take waits for this process's turn.
func (l *Log) take() error {
	look := time.NewTicker(turnLook)
	defer look.Stop()
	for late := time.Now().Add(turnWithin); ; <-look.C {
		err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("auditlog: lock: %w", err)
		case time.Now().After(late):
			return &BusyError{l.o.Dir}
		}
	}
}

// give ends the turn. A copy's never ends: two of them would write the same.
func (l *Log) give() {
	if !l.copies {
		_ = unix.Flock(int(l.lock.Fd()), unix.LOCK_UN)
	}
}

var errClosed = errors.New("auditlog: the log is closed")

// Append writes a record and returns it when it is on the disk.
func (l *Log) Append(e audit.Entry) (audit.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return audit.Record{}, errClosed
	}
	if err := l.take(); err != nil {
		return audit.Record{}, err
	}
	defer l.give()
	if err := l.catchUp(); err != nil {
		return audit.Record{}, err
	}
	return l.append(e)
}

func (l *Log) append(e audit.Entry) (audit.Record, error) {
	r, line, next, err := l.chain.Next(l.o.Now(), e)
	if err != nil {
		return audit.Record{}, err
	}
	return r, l.put(line, next)
}

// put writes lines that follow the chain, which is next with them.
func (l *Log) put(lines []byte, next audit.Chain) error {
	first := seqOf(l.chain) + 1
	if err := l.room(first, int64(len(lines))); err != nil {
		return err
	}
	if _, err := l.write(l.f, lines); err != nil {
		l.tried = lines
		return fmt.Errorf("auditlog: write record %d: %w", first, err)
	}
	if err := l.f.Sync(); err != nil {
		l.tried = lines
		return fmt.Errorf("auditlog: flush record %d: %w", first, err)
	}
	l.chain, l.size = next, l.size+int64(len(lines))
	return nil
}

// room sees to a file that has room for more.
func (l *Log) room(seq uint64, n int64) error {
	if l.f != nil && l.size+n <= l.most {
		return nil
	}
	f, err := os.OpenFile(name(l.o.Dir, seq), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	if err := durable.FlushNames(l.o.Dir); err != nil {
		return errors.Join(fmt.Errorf("auditlog: flush the directory: %w", err), f.Close(), os.Remove(f.Name()))
	}
	if l.f != nil {
		_ = l.f.Close() // all of it was flushed
	}
	l.f, l.size = f, 0
	l.thin()
	return nil
}

// thin removes the oldest files that there is no room for. One too many is no
// reason to record nothing.
func (l *Log) thin() {
	all, err := files(l.o.Dir)
	if err != nil {
		return
	}
	total := int64(0)
	for i := len(all) - 1; i >= 0; i-- {
		if f, err := os.Stat(all[i]); err == nil {
			total += f.Size()
		}
		if i < len(all)-1 && (total+l.most > l.total || len(all)-i > filesMax) {
			_ = os.Remove(all[i])
		}
	}
}

// Head returns the number and the hash of the newest record that this process
// knows of.
func (l *Log) Head() (uint64, audit.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.Head()
}

// Close gives the log back.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return nil
	}
	var err error
	if l.f != nil {
		err = l.f.Close()
	}
	err = errors.Join(err, l.lock.Close())
	l.f, l.lock = nil, nil
	return err
}
