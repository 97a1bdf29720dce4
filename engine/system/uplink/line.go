package uplink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/report"
)

// Protocol is the name of the hosts' protocol in ALPN. A change that an older
// program would read wrongly has another.
const Protocol = "holdfast-host/1"

const (
	// silence is how long nothing may be heard on a line: three pings.
	silence = 3 * report.PingEvery
	// pieceSize is what is read or written in one go. Each piece has silence to pass,
	// however large the message is.
	pieceSize = 64 << 10
	// frameSize is a message that is kept memory for: most reports are smaller.
	frameSize = 16 << 10
)

// line reads and writes messages on a connection. One goroutine reads and one
// writes.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	dec  report.Decoder
	enc  report.Encoder
	data []byte // of reading
	out  []byte // of writing
}

func newLine(c net.Conn) *line { return &line{conn: c, in: bufio.NewReaderSize(c, frameSize)} }

// read reads the next message. clock is the host's, at the end of who keeps the
// picture.
func (l *line) read(clock *report.Clock, now func() instant.Instant) (report.Message, error) {
	for {
		var head [report.HeadSize]byte
		if err := l.fill(head[:]); err != nil {
			return nil, err
		}
		n, err := report.Size(head[:])
		if err != nil {
			return nil, err
		}
		// Memory grows with what comes, not with what was announced.
		data := l.data[:0]
		for len(data) < n {
			piece := min(n-len(data), pieceSize)
			data = append(data, make([]byte, piece)...)
			if err := l.fill(data[len(data)-piece:]); err != nil {
				return nil, err
			}
		}
		if l.data = data; cap(data) > 4*frameSize {
			l.data = nil
		}
		m, err := l.dec.Read(data, clock, now())
		if errors.Is(err, report.ErrUnknown) {
			continue // of a newer version
		}
		return m, err
	}
}

func (l *line) fill(b []byte) error {
	if l.in.Buffered() < len(b) {
		if err := l.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
	}
	_, err := io.ReadFull(l.in, b)
	return err
}

// write writes messages in one go.
func (l *line) write(all []report.Message) error {
	b := l.out[:0]
	for _, m := range all {
		b = l.enc.Append(b, m)
	}
	if l.out = b; cap(b) > 4*frameSize {
		l.out = nil
	}
	for len(b) > 0 {
		n := min(len(b), pieceSize)
		if err := l.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		if _, err := l.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// errWord is for an end that begins with something else than it should.
func errWord(m report.Message) error { return fmt.Errorf("uplink: it begins with %T", m) }

// wake tells a writer that there is something to send.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is going to look anyway
	}
}
