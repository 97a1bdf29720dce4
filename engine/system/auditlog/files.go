package auditlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

const (
	prefix = "audit-"
	suffix = ".log"
)

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

// Source returns Each for a directory, until its context ends.
func Source(dir string) func(ctx context.Context, do func(line []byte) error) error {
	return func(ctx context.Context, do func([]byte) error) error {
		return Each(dir, func(line []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(line)
		})
	}
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
