package auditlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
)

// ReadName is the ALPN name by which people read the whole log of an agent's host.
// Who may is for the agent to say.
const ReadName = "holdfast-log/1"

// Times of reading.
const (
	readStall  = 10 * time.Second // without a byte
	readWithin = 10 * time.Minute
)

// A RefusedError is an agent's no, in its words.
type RefusedError struct{ Why string }

// Error says why.
func (e *RefusedError) Error() string { return e.Why }

// Refuse answers that nobody reads here, and why.
func Refuse(conn net.Conn, why string) error {
	_ = conn.SetDeadline(time.Now().Add(readStall))
	_, err := fmt.Fprintf(conn, "! %s\n", strings.ReplaceAll(why, "\n", " "))
	return err
}

// Serve writes the log of a directory to conn: its lines, and an empty one when that
// was all.
func Serve(ctx context.Context, conn net.Conn, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	w := bufio.NewWriterSize(conn, 64<<10)
	write := func(line []byte) error {
		_ = conn.SetDeadline(time.Now().Add(readStall))
		_, err := w.Write(line)
		return err
	}
	if err := Each(dir, write); err != nil {
		return fmt.Errorf("auditlog: send the log: %w", err)
	}
	if err := write([]byte("\n")); err != nil {
		return fmt.Errorf("auditlog: send the log: %w", err)
	}
	return w.Flush()
}

// Remote returns what gives every line of the log that the first of some agents has. It
// goes on to the next one only before a line has come: two copies may begin at other
// lines.
func Remote(dials []func(context.Context) (net.Conn, error)) func(ctx context.Context, do func(line []byte) error) error {
	return func(ctx context.Context, do func([]byte) error) error {
		var all []error
		for _, dial := range dials {
			came := false
			err := readBy(ctx, dial, func(line []byte) error {
				came = true
				return do(line)
			})
			if err == nil || came || ctx.Err() != nil {
				return err
			}
			all = append(all, err)
		}
		return errors.Join(all...)
	}
}

func readBy(ctx context.Context, dial func(context.Context) (net.Conn, error), do func([]byte) error) error {
	dialing, cancel := context.WithTimeout(ctx, readStall)
	defer cancel()
	conn, err := dial(dialing)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnreachable, err)
	}
	defer func() { _ = conn.Close() }()
	return Read(ctx, conn, do)
}

// Read gives every line of an agent's log that comes on conn to do, oldest first.
// Where an agent refuses, the error is a *RefusedError, and do was not called.
func Read(ctx context.Context, conn net.Conn, do func(line []byte) error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := bufio.NewReaderSize(conn, audit.LineMax+1)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(readStall))
		line, err := r.ReadSlice('\n')
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return errors.New("auditlog: the log ended in the middle")
		case err != nil && !errors.Is(err, bufio.ErrBufferFull): // a line that is too long is no record
			return fmt.Errorf("auditlog: read the log: %w", err)
		case len(line) == 1 && err == nil:
			return nil
		case line[0] == '!':
			return &RefusedError{strings.TrimSpace(string(line[1:]))}
		}
		if err := do(line); err != nil {
			return err
		}
	}
}
