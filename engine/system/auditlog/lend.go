package auditlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// ProtocolName is the ALPN name by which a host asks another one for lines. It is
// between hosts only: who may read the log is for its faces to say.
const ProtocolName = "holdfast-audit/1"

// Bounds of lending.
const (
	lendMax    = 1 << 20 // bytes of lines at a time
	lendWithin = 30 * time.Second
	askMax     = 64 // bytes of a question
)

// Lender is another host that may have lines.
type Lender struct {
	Host string
	Dial func(context.Context) (net.Conn, error)
}

// Lend answers one question of another host on conn, and leaves conn open. dir is
// where this host's files are.
func Lend(ctx context.Context, conn net.Conn, dir string) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(lendWithin))
	question, err := bufio.NewReader(io.LimitReader(conn, askMax)).ReadString('\n')
	if err != nil {
		return fmt.Errorf("auditlog: a question for lines: %w", err)
	}
	var first, last uint64
	if n, err := fmt.Sscanf(question, "%d %d\n", &first, &last); n != 2 || err != nil || first == 0 || first > last {
		return errors.New("auditlog: that is no question for lines")
	}
	all, err := part(dir, first, last)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(conn)
	for _, line := range all {
		_, _ = w.Write(line)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("auditlog: lend lines: %w", err)
	}
	return nil
}

// borrow asks for lines up to a number. What comes is not checked.
func (l Lender) borrow(ctx context.Context, first, last uint64) (all [][]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, lendWithin)
	defer cancel()
	conn, err := l.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%d %d\n", first, last); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(io.LimitReader(conn, lendMax+1), audit.LineMax)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it ended in the middle of a line: %w", err)
		}
		all = append(all, append([]byte(nil), line...))
	}
}
