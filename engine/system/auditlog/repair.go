package auditlog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

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
	return l.say(tornOff, torn, filepath.Base(last))
}

// The words of repairs.
const (
	tornOff   = "%d bytes of a line that was not whole were cut off the end of %s; it was never acknowledged"
	tornFirst = "%d bytes of a line that was not whole were all that stood in %s; it was never acknowledged"
	wasBroken = "the log before this one is broken (%v of its newest file) and stands in broken-%s-*; the SHA-256 of its %d files is %x"
)

// say records what was repaired, where the chain is our own.
func (l *Log) say(format string, args ...any) error {
	if l.copies {
		return nil
	}
	_, err := l.append(audit.Entry{Kind: audit.KindRepair, Detail: fmt.Sprintf(format, args...)})
	return err
}

// catchUp follows what other processes wrote since this one looked.
func (l *Log) catchUp() error {
	all, err := files(l.o.Dir)
	if err != nil {
		return err
	}
	if l.f == nil || len(all) == 0 || all[len(all)-1] != l.f.Name() {
		return l.openAgain()
	}
	i, err := os.Stat(l.f.Name())
	if err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	if i.Size() == l.size {
		l.tried = nil
		return nil
	}
	if i.Size() < l.size {
		return l.openAgain()
	}
	tail, err := readAt(l.f.Name(), l.size, i.Size())
	if err != nil {
		return err
	}
	own := l.tried != nil && bytes.HasPrefix(l.tried, tail)
	l.tried = nil
	for !own && len(tail) > 0 {
		n := bytes.IndexByte(tail, '\n') + 1
		if n == 0 {
			break
		}
		_, next, err := l.chain.Follow(tail[:n])
		if err != nil {
			return l.openAgain() // which puts aside what is broken
		}
		l.chain, l.size, tail = next, l.size+int64(n), tail[n:]
	}
	if len(tail) == 0 {
		return nil
	}
	if err := l.f.Truncate(l.size); err != nil {
		return fmt.Errorf("auditlog: cut off what could not be written: %w", err)
	}
	if own {
		return nil
	}
	return l.say(tornOff, len(tail), filepath.Base(l.f.Name()))
}

// readAt reads a part of a file.
func readAt(path string, from, to int64) (b []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b = make([]byte, to-from)
	if _, err := f.ReadAt(b, from); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	return b, nil
}

// openAgain forgets what was known of the files, and looks.
func (l *Log) openAgain() error {
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f, l.size, l.chain, l.tried = nil, 0, audit.Chain{}, nil
	return l.open()
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
	return l.say(tornFirst, torn, filepath.Base(last))
}

// putAside keeps a broken log under another name, and begins a new one.
func (l *Log) putAside(all []string, why *audit.BrokenError) error {
	sum := sha256.New()
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
	at, err := l.rename(all, "broken")
	if err != nil {
		return err
	}
	return l.say(wasBroken, why, at, len(all), sum.Sum(nil))
}

// rename puts files aside, under a name that says why and when.
func (l *Log) rename(all []string, why string) (at string, err error) {
	at = l.o.Now().UTC().Format("20060102T150405.000000000")
	for _, path := range all {
		if err := os.Rename(path, filepath.Join(l.o.Dir, why+"-"+at+"-"+filepath.Base(path))); err != nil {
			return "", fmt.Errorf("auditlog: put a log aside: %w", err)
		}
	}
	return at, nil
}
