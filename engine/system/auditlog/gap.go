package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// gap is what the files miss between two of them, or before the first.
type gap struct {
	after, last uint64     // its records are those behind after, up to last
	before      audit.Hash // of record after
	want        audit.Hash // of record last, as the one behind it says
	older       []string   // files before it
}

// gaps are what a directory's files miss, the newest first. What was before the
// first file is missed only while there is room for it.
func gaps(dir string, room int64) ([]gap, error) {
	all, err := files(dir)
	if err != nil {
		return nil, err
	}
	var found []gap
	total := int64(0)
	for _, path := range all {
		i, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("auditlog: %w", err)
		}
		total += i.Size()
	}
	end := audit.Chain{}
	for i, path := range all {
		first, last, err := ends(path)
		if err != nil {
			return nil, err
		}
		seq, hash := end.Head()
		if first.Seq > seq+1 && (i > 0 || total+fileMax <= room && len(all) < filesMax/2) {
			found = append(found, gap{after: seq, before: hash, last: first.Seq - 1, want: first.Prev, older: all[:i]})
		}
		end = last
	}
	slices.Reverse(found)
	return found, nil
}

// ends are a file's first record, and the chain that its last one makes.
func ends(path string) (first audit.Record, last audit.Chain, err error) {
	i, err := os.Stat(path)
	if err != nil {
		return first, last, fmt.Errorf("auditlog: %w", err)
	}
	begin, err := readAt(path, 0, min(i.Size(), audit.LineMax))
	if err == nil {
		first, _, err = audit.Decode(begin[:bytes.IndexByte(begin, '\n')+1])
	}
	if err != nil {
		return first, last, fmt.Errorf("auditlog: the first line of %s: %w", path, err)
	}
	tail, err := readAt(path, max(0, i.Size()-2*audit.LineMax), i.Size())
	if err != nil {
		return first, last, err
	}
	tail = tail[:bytes.LastIndexByte(tail, '\n')+1] // the end may be torn
	line := tail[bytes.LastIndexByte(tail[:max(0, len(tail)-1)], '\n')+1:]
	r, h, err := audit.Decode(line)
	if err != nil {
		return first, last, fmt.Errorf("auditlog: the last line of %s: %w", path, err)
	}
	return first, audit.After(r.Seq, h), nil
}

// fill borrows what is missing, until nothing is or nobody has it.
func (m *mirror) fill(ctx context.Context) {
	if m.o.Lenders == nil || time.Now().Before(m.gapAt) {
		return
	}
	for ctx.Err() == nil {
		all, err := gaps(m.o.Dir, m.files.total)
		if err != nil {
			m.tell(err)
		}
		if err != nil || len(all) == 0 {
			break
		}
		if err := m.fillOne(ctx, all[0]); err != nil {
			if ctx.Err() == nil {
				m.o.Log.Warn("records of the audit log are missing here", "dir", m.o.Dir, "from", all[0].after+1, "to", all[0].last, "err", err)
			}
			break
		}
	}
	m.gapAt = time.Now().Add(gapEvery)
}

// fillOne borrows the newest part of a gap, as much as a file holds, or all of it.
func (m *mirror) fillOne(ctx context.Context, g gap) error {
	var parts [][]byte // the newest first
	size, last, want := 0, g.last, g.want
	for last > g.after && size < fileMax-lendMax {
		lines, err := m.borrow(ctx, g.after+1, last, want)
		if err != nil && size == 0 {
			return err
		}
		if err != nil {
			break
		}
		part := bytes.Join(lines, nil)
		parts, size = append(parts, part), size+len(part)
		r, _, err := audit.Decode(lines[0])
		if err != nil {
			return err // it was read before
		}
		last, want = r.Seq-1, r.Prev
	}
	if last == g.after && want != g.before {
		// What is older here does not lead to what is newer.
		l := m.files
		at, err := l.rename(g.older, "other")
		if err == nil {
			m.o.Log.Warn("files of the audit log that are not of the fleet's chain were put aside", "dir", m.o.Dir, "as", "other-"+at+"-*")
		}
		return err
	}
	slices.Reverse(parts)
	return durable.Replace(name(m.o.Dir, last+1), bytes.Join(parts, nil))
}

// borrow asks one lender after another for the lines that end in a record of this
// hash. What it returns is those, whoever sent them.
func (m *mirror) borrow(ctx context.Context, first, last uint64, want audit.Hash) ([][]byte, error) {
	all := m.o.Lenders()
	if len(all) == 0 {
		return nil, errors.New("no other host has the fleet's facts")
	}
	var errs []error
	for _, l := range all {
		lines, err := l.borrow(ctx, first, last)
		if err == nil {
			err = proven(lines, first, last, want)
		}
		if err == nil {
			return lines, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", l.Host, err))
	}
	return nil, errors.Join(errs...)
}

// proven reports whether lines are those that end in a record of this hash: each
// hash is that of all before it.
func proven(lines [][]byte, first, last uint64, want audit.Hash) error {
	if len(lines) == 0 {
		return errors.New("it has none of them")
	}
	for i := len(lines) - 1; i >= 0; i-- {
		r, h, err := audit.Decode(lines[i])
		switch {
		case err != nil:
			return err
		case r.Seq != last || r.Seq < first || h != want:
			return fmt.Errorf("what it sent for record %d is not that one", last)
		}
		last, want = r.Seq-1, r.Prev
	}
	return nil
}

// part reads the lines up to a number, as many as may be lent at once, but none
// below first. Without the last one there are none.
func part(dir string, first, last uint64) ([][]byte, error) {
	all, err := files(dir)
	if err != nil {
		return nil, err
	}
	i, found := slices.BinarySearch(all, name(dir, last))
	if !found {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	var seq uint64
	if _, err := fmt.Sscanf(all[i][len(all[i])-len(suffix)-20:], "%020d", &seq); err != nil {
		return nil, fmt.Errorf("auditlog: %s: %w", all[i], err)
	}
	var kept [][]byte
	size := 0
	err = lines(all[i], func(line []byte) error {
		if seq > last {
			return io.EOF
		}
		if seq >= first {
			kept, size = append(kept, bytes.Clone(line)), size+len(line)
		}
		for size > lendMax {
			kept, size = kept[1:], size-len(kept[0])
		}
		seq++
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) || seq <= last {
		return nil, err
	}
	return kept, nil
}
