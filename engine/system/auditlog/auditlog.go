// Package auditlog keeps an audit.Chain in files of a state directory.
//
// A record is written and flushed before Append returns, so that what was done is
// never without its record. One process writes at a time, by a lock that the
// kernel drops with it. A line that a crash has torn was never acknowledged: it is
// cut off, and a record says so. A log that is broken otherwise is put aside under
// another name, never mended: a new chain begins with a record that names it and
// its SHA-256.
//
// A full file is followed by another one that goes on with the chain. The oldest
// is removed when there are too many.
package auditlog

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// Bounds of the log: a quarter of a gigabyte, near a million records.
const (
	fileMax  = 16 << 20
	filesMax = 16
)

const (
	prefix = "audit-"
	suffix = ".log"
)

// Options say how a log is kept.
type Options struct {
	Dir string
	Now func() time.Time // nil is the wall clock
}

// Log is a log that this process writes.
type Log struct {
	mu    sync.Mutex
	o     Options
	lock  *os.File
	f     *os.File
	size  int64
	most  int64 // fileMax; less in tests
	chain audit.Chain
	dirty bool                                // the file may end in half a line
	write func(*os.File, []byte) (int, error) // replaced in tests
}

// BusyError says that another process writes the log.
type BusyError struct{ Dir string }

// Error says what to do.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another process writes the audit log of %s: one «holdfast ssh» runs for a state directory; end it first", e.Dir)
}

// Open takes the log of a directory, which is made when there is none.
func Open(o Options) (*Log, error) {
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
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &BusyError{o.Dir}
		}
		return nil, fmt.Errorf("auditlog: lock: %w", err)
	}
	l := &Log{o: o, lock: lock, most: fileMax, write: (*os.File).Write}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// files are the log's files, oldest first.
func files(dir string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	var found []string
	for _, e := range all {
		n := e.Name()
		if strings.HasPrefix(n, prefix) && strings.HasSuffix(n, suffix) && len(n) == len(name(dir, 0))-len(dir)-1 {
			found = append(found, filepath.Join(dir, n))
		}
	}
	slices.Sort(found) // the numbers have one length
	return found, nil
}

// name is the file whose first record has the number.
func name(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%020d%s", prefix, seq, suffix))
}

// open finds the end of the chain, and mends or puts aside what is not whole.
func (l *Log) open() error {
	all, err := files(l.o.Dir)
	if err != nil {
		return err
	}
	// A crash between making a file and writing into it leaves an empty one.
	for len(all) > 0 {
		if i, err := os.Stat(all[len(all)-1]); err != nil || i.Size() > 0 {
			break
		}
		if err := os.Remove(all[len(all)-1]); err != nil {
			return fmt.Errorf("auditlog: %w", err)
		}
		all = all[:len(all)-1]
	}
	if len(all) == 0 {
		return nil
	}
	last := all[len(all)-1]
	v, whole, torn, err := scan(last)
	var broken *audit.BrokenError
	switch {
	case errors.As(err, &broken):
		return l.putAside(all, broken)
	case err != nil:
		return err
	case v.First() == 0: // one torn line only: the chain ends in the file before
		return l.dropFirst(all, torn)
	}
	l.chain = v.Chain()
	if l.f, err = os.OpenFile(last, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	l.size = whole
	if torn == 0 {
		return nil
	}
	if err := l.f.Truncate(whole); err != nil {
		return fmt.Errorf("auditlog: cut a torn line off: %w", err)
	}
	_, err = l.Append(audit.Entry{Kind: audit.KindRepair, Detail: fmt.Sprintf("%d bytes of a line that was not whole were cut off the end of %s; it was never acknowledged", torn, filepath.Base(last))})
	return err
}

// dropFirst removes a newest file that holds one torn line and nothing else.
func (l *Log) dropFirst(all []string, torn int64) error {
	last := all[len(all)-1]
	if err := os.Remove(last); err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	if err := l.open(); err != nil {
		return err
	}
	_, err := l.Append(audit.Entry{Kind: audit.KindRepair, Detail: fmt.Sprintf("%s had %d bytes of a line that was not whole; it was never acknowledged", filepath.Base(last), torn)})
	return err
}

// scan verifies a file. whole are the bytes of its whole lines, torn those after
// them. A broken line is an *audit.BrokenError.
func scan(path string) (v audit.Verifier, whole, torn int64, err error) {
	err = lines(path, func(line []byte) error {
		if line[len(line)-1] != '\n' && len(line) <= audit.LineMax {
			torn = int64(len(line))
			return nil
		}
		if _, err := v.Add(line); err != nil {
			return err
		}
		whole += int64(len(line))
		return nil
	})
	return v, whole, torn, err
}

// putAside keeps a broken log under another name, and begins a new one.
func (l *Log) putAside(all []string, why *audit.BrokenError) error {
	sum := sha256.New()
	at := l.o.Now().UTC().Format("20060102T150405.000000000")
	for _, path := range all {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("auditlog: %w", err)
		}
		_, err = io.Copy(sum, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("auditlog: %w", err)
		}
	}
	for _, path := range all {
		if err := os.Rename(path, filepath.Join(l.o.Dir, "broken-"+at+"-"+filepath.Base(path))); err != nil {
			return fmt.Errorf("auditlog: put a broken log aside: %w", err)
		}
	}
	_, err := l.Append(audit.Entry{Kind: audit.KindRepair, Detail: fmt.Sprintf("the log before this one is broken (%v of its newest file) and stands in broken-%s-*; the SHA-256 of its %d files is %x", why, at, len(all), sum.Sum(nil))})
	return err
}

// Append writes a record and returns it when it is on the disk.
func (l *Log) Append(e audit.Entry) (audit.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return audit.Record{}, errors.New("auditlog: the log is closed")
	}
	r, line, next, err := l.chain.Next(l.o.Now(), e)
	if err != nil {
		return audit.Record{}, err
	}
	if err := l.room(r.Seq, int64(len(line))); err != nil {
		return audit.Record{}, err
	}
	if _, err := l.write(l.f, line); err != nil {
		l.dirty = true // the next one begins with cutting it off
		return audit.Record{}, fmt.Errorf("auditlog: write record %d: %w", r.Seq, err)
	}
	if err := l.f.Sync(); err != nil {
		l.dirty = true
		return audit.Record{}, fmt.Errorf("auditlog: flush record %d: %w", r.Seq, err)
	}
	l.chain, l.size = next, l.size+int64(len(line))
	return r, nil
}

// room sees to a file that ends in a whole line and has room for another one.
func (l *Log) room(seq uint64, n int64) error {
	if l.f != nil && l.dirty {
		if err := l.f.Truncate(l.size); err != nil {
			return fmt.Errorf("auditlog: cut off what could not be written: %w", err)
		}
		l.dirty = false
	}
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
	if all, err := files(l.o.Dir); err == nil && len(all) > filesMax {
		for _, old := range all[:len(all)-filesMax] {
			_ = os.Remove(old) // a file too many is no reason to record nothing
		}
	}
	return nil
}

// Head returns the number and the hash of the newest record.
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

// Each gives every line of a directory's log to do, oldest first, with its line
// feed. It may run while another process writes.
func Each(dir string, do func(line []byte) error) error {
	all, err := files(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, path := range all {
		if err := lines(path, do); err != nil {
			return err
		}
	}
	return nil
}

// lines gives every line of a file to do. A longer one than a record can be comes
// in pieces, of which none is a record.
func lines(path string, do func([]byte) error) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed as the oldest while it was read
	}
	if err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, audit.LineMax+1)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) > 0 {
			line, err = rest(r, line)
		}
		if len(line) > 0 {
			if err := do(line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("auditlog: %w", err)
		}
	}
}

// A line that is just being written is whole in a moment.
const (
	restTries = 5
	restWait  = 20 * time.Millisecond
)

// rest waits a moment for the rest of a line.
func rest(r *bufio.Reader, begun []byte) ([]byte, error) {
	line := slices.Clone(begun)
	for range restTries {
		time.Sleep(restWait)
		more, err := r.ReadSlice('\n')
		line = append(line, more...)
		if !errors.Is(err, io.EOF) || len(line) > audit.LineMax {
			return line, err
		}
	}
	return line, io.EOF
}
