package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	format "github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// ErrFull is the root of a write's failure that may pass: there is no room, and
// nothing of the write counts.
var ErrFull = errors.New("journal: the disk is full; make room, and the host takes part again by itself")

// ErrFailed is the root of a failure after which nobody knows what is on the disk.
var ErrFailed = errors.New("journal: the disk failed; restart the process, and replace the disk if it happens again")

// ErrLocked is why a second process cannot have the journal.
var ErrLocked = errors.New("journal: another process has the directory; end it first")

const (
	suffix    = ".journal"
	spareName = "spare"
	lockName  = "lock"
)

// Files is an open journal. Its methods must not be called at the same time.
type Files struct {
	dir    string
	names  *os.File // the directory, to flush it
	lock   *os.File
	head   *os.File // the segment that is written to
	number uint64   // of head
	all    []uint64 // the segments there are, in order
	size   int64    // of the spare
	spare  chan error
	failed error

	// fault lets a test fail an operation by what it is for.
	fault func(op string) error
}

// Open opens the journal in a directory, which is made if it is not there, and
// reads it. What was torn is cut off, durably.
func Open(dir string, segmentSize int64) (*Files, *format.Recovered, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("journal: make %s: %w", dir, err)
	}
	f := &Files{dir: dir, size: segmentSize, fault: func(string) error { return nil }}
	if err := f.open(); err != nil {
		f.Close()
		return nil, nil, err
	}
	found, err := f.read()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	f.prepare()
	return f, found, nil
}

func (f *Files) open() (err error) {
	if f.names, err = os.Open(f.dir); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if f.lock, err = os.OpenFile(filepath.Join(f.dir, lockName), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%w: %s", ErrLocked, f.dir)
	}
	return nil
}

// read reads all segments.
func (f *Files) read() (*format.Recovered, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var segments []format.Segment
	for _, e := range entries {
		digits, ours := strings.CutSuffix(e.Name(), suffix)
		number, err := strconv.ParseUint(digits, 16, 64)
		if !ours || err != nil || name(number) != e.Name() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(f.dir, e.Name()))
		if err != nil {
			// A page that cannot be read is as rotten as one that reads wrong, but a
			// disk that cannot be read may be mended: let a person decide.
			return nil, fmt.Errorf("%w: read %s: %w", ErrFailed, e.Name(), err)
		}
		segments = append(segments, format.Segment{Number: number, Data: data})
		f.all = append(f.all, number)
	}
	slices.Sort(f.all)
	found := format.Recover(segments)
	for _, c := range found.Cuts {
		if err := f.cut(c); err != nil {
			return nil, fmt.Errorf("%w: cut %s: %w", ErrFailed, name(c.Segment), err)
		}
	}
	return found, nil
}

func name(number uint64) string { return fmt.Sprintf("%016x%s", number, suffix) }

func (f *Files) path(number uint64) string { return filepath.Join(f.dir, name(number)) }

func (f *Files) cut(c format.Cut) error {
	file, err := os.OpenFile(f.path(c.Segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = file.Truncate(c.Size)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Write makes one batch durable. ErrFull says that it may be tried again, and
// ErrFailed that nothing may.
func (f *Files) Write(w format.Write) error {
	if f.failed != nil {
		return f.failed
	}
	if w.Size > 0 && f.number != w.Segment || f.head == nil {
		if err := f.turn(w); err != nil {
			return f.why(err, "begin "+name(w.Segment))
		}
	}
	if f.number != w.Segment {
		f.failed = fmt.Errorf("%w: a batch for segment %d, and %d is written", ErrFailed, w.Segment, f.number)
		return f.failed
	}
	if err := f.try("write", func() error {
		_, err := f.head.WriteAt(w.Data, w.Offset)
		return err
	}); err != nil {
		return f.why(err, "write "+name(w.Segment))
	}
	if err := f.try("flush", func() error { return flush(f.head) }); err != nil {
		f.failed = fmt.Errorf("%w: flush %s: %w", ErrFailed, name(w.Segment), err)
		return f.failed
	}
	return nil
}

func (f *Files) try(op string, do func() error) error {
	if err := f.fault(op); err != nil {
		return err
	}
	return do()
}

// why tells a full disk from a broken one.
func (f *Files) why(err error, op string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %s: %w", ErrFull, op, err)
	}
	f.failed = fmt.Errorf("%w: %s: %w", ErrFailed, op, err)
	return f.failed
}

// turn makes the segment of w the one that is written to: a new one, or, after a
// start, the last one there is.
func (f *Files) turn(w format.Write) error {
	if w.Size == 0 {
		file, err := os.OpenFile(f.path(w.Segment), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		f.head, f.number = file, w.Segment
		return nil
	}
	ready := f.await()
	if ready != nil || w.Size != f.size {
		if err := f.make(w.Size); err != nil {
			return err
		}
	}
	if err := f.try("name", func() error {
		return os.Rename(filepath.Join(f.dir, spareName), f.path(w.Segment))
	}); err != nil {
		return err
	}
	if err := f.try("flush names", f.names.Sync); err != nil {
		return fmt.Errorf("flush names: %w", err)
	}
	file, err := os.OpenFile(f.path(w.Segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if f.head != nil {
		_ = f.head.Close() // all of it is flushed
	}
	f.head, f.number = file, w.Segment
	f.all = append(f.all, w.Segment)
	f.prepare()
	return nil
}

// prepare makes the next segment while this one is written.
func (f *Files) prepare() {
	f.spare = make(chan error, 1)
	size, done := f.size, f.spare
	go func() { done <- f.make(size) }()
}

// await waits until the spare is made, and returns why it is not there.
func (f *Files) await() error {
	if f.spare == nil {
		return os.ErrNotExist
	}
	err := <-f.spare
	f.spare = nil
	return err
}

// make makes a file of zeros, flushed, under the spare's name. Zeros that were
// written once make later flushes cheap: nothing but the data changes.
func (f *Files) make(size int64) error {
	if err := f.fault("make"); err != nil {
		return err
	}
	path := filepath.Join(f.dir, spareName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, 256<<10)
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path) // a full disk needs the room
	}
	return err
}

// Drop removes the segments below one: the oldest first, each durably before the
// next, so that no gap is ever found among them.
func (f *Files) Drop(below uint64) error {
	for len(f.all) > 0 && f.all[0] < below {
		if err := f.try("drop", func() error { return os.Remove(f.path(f.all[0])) }); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("journal: drop %s: %w", name(f.all[0]), err)
		}
		if err := f.names.Sync(); err != nil {
			return fmt.Errorf("journal: drop %s: flush names: %w", name(f.all[0]), err)
		}
		f.all = f.all[1:]
	}
	return nil
}

// Close closes the files. What was not written is not durable.
func (f *Files) Close() {
	_ = f.await()
	for _, file := range []*os.File{f.head, f.names, f.lock} {
		if file != nil {
			_ = file.Close() // what had to be durable is flushed
		}
	}
}
