package h1

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// frame is how an answer's body is delimited.
type frame uint8

const (
	frameNone frame = iota
	frameLength
	frameChunked
	frameEnd // by the end of the connection
)

// chunkLineMax bounds the line ahead of a chunk: its size, and extensions that
// nobody has ever seen used.
const chunkLineMax = 256

// begin says how the body comes (RFC 9112 section 6.3).
func (c *Call) begin(n *conn) {
	h := &c.Answer
	switch {
	case h.Status == http.StatusSwitchingProtocols:
		c.frame = frameNone
		h.ends = true
		return // over is never true: the connection is not ours any more
	case c.IsHead || h.Status == http.StatusNotModified:
		c.frame = frameNone
	case h.Status == http.StatusNoContent:
		// It says of itself that nothing comes. If it says so of a body too, who
		// knows what comes.
		c.frame = frameNone
		h.ends = h.ends || h.chunked || h.length > 0
	case h.chunked:
		c.frame, c.left = frameChunked, 0
	case h.length == 0:
		c.frame = frameNone
	case h.length != unsaid:
		c.frame, c.left = frameLength, h.length
	default:
		c.frame, h.ends = frameEnd, true
	}
	c.over = c.frame == frameNone
}

// Size is the length of the body; -1 if the answer does not say it.
func (c *Call) Size() int64 {
	switch c.frame {
	case frameNone:
		return 0
	case frameLength:
		return c.Answer.length
	case frameChunked, frameEnd:
	}
	return unsaid
}

// atHand reports whether all of the body is in the buffer, or there is none.
func (c *Call) atHand(n *conn) bool {
	return c.frame == frameNone || c.frame == frameLength && int64(n.w-n.r) >= c.left
}

// Whole returns the body if all of it is here already. It is valid up to Close.
func (c *Call) Whole() ([]byte, bool) {
	n := c.conn
	if !c.atHand(n) {
		return nil, false
	}
	b := n.buf[n.r : n.r+int(c.left)]
	n.r += int(c.left)
	c.left, c.over = 0, true
	return b, true
}

// Silent reports whether nothing of the body has come yet.
func (c *Call) Silent() bool { return c.conn.r == c.conn.w }

// Waits reports whether the body is not at its end, and the next of it is not
// here.
func (c *Call) Waits() bool { return !c.over && c.Silent() }

// Rest returns a body's bytes that are in the buffer, and where its other n
// bytes can be read: for who can move them without us. ok is false if the body
// has another form. Moved says how many bytes came in that way.
func (c *Call) Rest() (early []byte, from io.Reader, n int64, ok bool) {
	k := c.conn
	if c.frame != frameLength || int64(k.w-k.r) >= c.left {
		return nil, nil, 0, false
	}
	early = k.buf[k.r:k.w]
	k.r = k.w
	c.left -= int64(len(early))
	return early, k.Conn, c.left, true
}

// Moved counts bytes of the body that were moved behind our back, and reports
// whether that was all.
func (c *Call) Moved(n int64) bool {
	c.left -= n
	c.over = c.left == 0
	return c.over
}

// Read reads the answer's body.
func (c *Call) Read(p []byte) (int, error) {
	if c.over || len(p) == 0 {
		return 0, io.EOF
	}
	n, err := c.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := c.Cause(); cause != nil {
			return n, cause
		}
	}
	return n, err
}

func (c *Call) read(p []byte) (int, error) {
	k := c.conn
	if c.frame == frameChunked && c.left == 0 {
		if err := c.chunk(k); err != nil || c.over {
			if err == nil {
				err = io.EOF
			}
			return 0, err
		}
	}
	if c.frame != frameEnd {
		p = p[:min(int64(len(p)), c.left)]
	}
	var n int
	var err error
	if k.r < k.w {
		n = copy(p, k.buf[k.r:k.w])
		k.r += n
	} else {
		n, err = k.Conn.Read(p)
	}
	if n > 0 {
		err = nil // it will be said again
	}
	if c.frame == frameEnd {
		c.over = errors.Is(err, io.EOF)
		return n, err
	}
	if errors.Is(err, io.EOF) {
		return n, io.ErrUnexpectedEOF
	}
	c.left -= int64(n)
	if c.frame == frameLength {
		c.over = c.left == 0
	} else if err == nil && c.left == 0 {
		err = c.crlf(k)
	}
	return n, err
}

// chunk reads the line ahead of a chunk, and all that is behind the last one.
func (c *Call) chunk(k *conn) error {
	l, err := k.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(l, ";")
	size = strings.TrimRight(size, " \t") // ahead of an extension, some put one
	if len(size) == 0 || len(size) > 15 || !Value(extension) {
		return Malformed("the size of a chunk is none")
	}
	c.left = 0
	for i := range len(size) {
		d := strings.IndexByte("0123456789abcdef", size[i]|0x20)
		if d < 0 || d < 10 && !digit(size[i]) {
			return Malformed("the size of a chunk is none")
		}
		c.left = c.left<<4 | int64(d)
	}
	if c.left > 0 {
		return nil
	}
	s, err := k.block(true)
	if err == nil {
		c.trailer, err = fields(nil, s)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.over = err == nil
	return err
}

// Trailers are what came behind a chunked body.
func (c *Call) Trailers() []Field { return c.trailer }

// crlf reads the end of a chunk.
func (c *Call) crlf(k *conn) error {
	for k.w-k.r < 2 {
		if err := k.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if k.buf[k.r] != '\r' || k.buf[k.r+1] != '\n' {
		return Malformed("a chunk is longer than it says")
	}
	k.r += 2
	return nil
}

// line reads a line of a chunked body.
func (c *conn) line() (string, error) {
	for {
		at := c.buf[c.r:c.w]
		if i := slices.Index(at, '\n'); i >= 0 && i <= chunkLineMax {
			l, _, err := cutLine(string(at[:i+1]))
			c.r += i + 1
			return l, err
		}
		if len(at) > chunkLineMax {
			return "", Malformed("the line of a chunk is too long")
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
	}
}

const (
	sendSize = 32 << 10
	// Room for a chunk's size ahead of it, and for its end.
	sendAhead, sendBehind = 10, 2
)

var sendBuffers = sync.Pool{New: func() any { return new([sendSize]byte) }}

// send sends the request's body.
func (c *Call) send(n *conn) {
	defer close(c.sending)
	if c.Expect {
		timer := time.NewTimer(continueWait)
		defer timer.Stop()
		select {
		case <-c.wanted:
		case <-timer.C:
		}
		c.mu.Lock()
		over := c.cause != nil || c.conn != n || c.answered
		c.mu.Unlock()
		if over {
			return
		}
	}
	err := c.stream(n)
	var body ErrBody
	switch {
	case errors.As(err, &body):
		c.Abort(err)
	case err != nil:
		// The backend takes no more of it. It may have answered for all that; if it
		// did not, it is not waited for any longer.
		c.answerBy(n, time.Now().Add(min(c.Wait, time.Second)))
	default:
		c.sent = true
		c.answerBy(n, time.Now().Add(c.Wait))
	}
}

// answerBy bounds the wait for the answer, if it is still waited for.
func (c *Call) answerBy(n *conn, t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered && c.conn == n {
		_ = n.SetReadDeadline(t)
	}
}

// stream copies the body, and frames it.
func (c *Call) stream(n *conn) error {
	buf := sendBuffers.Get().(*[sendSize]byte)
	defer sendBuffers.Put(buf)
	room := buf[sendAhead : sendSize-sendBehind]
	var total int64
	for {
		k, err := c.Body.Read(room)
		total += int64(k)
		if k > 0 {
			b := room[:k]
			if c.Length < 0 {
				b = framed(buf, k)
			} else if total > c.Length {
				return ErrBody{errors.New("h1: the body is longer than it was said to be")}
			}
			_ = n.SetWriteDeadline(time.Now().Add(c.Wait))
			if _, err := n.Write(b); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return ErrBody{err}
		}
	}
	if c.Length >= 0 {
		if total != c.Length {
			return ErrBody{io.ErrUnexpectedEOF}
		}
		return nil
	}
	b := append(buf[:0], "0\r\n"...)
	for _, name := range c.Announced {
		for _, v := range c.Trailer[name] {
			if Value(v) {
				b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
			}
		}
	}
	_, err := n.Write(append(b, "\r\n"...))
	return err
}

// framed puts a chunk's size ahead of its n bytes, and its end behind them.
func framed(buf *[sendSize]byte, n int) []byte {
	var digits [sendAhead]byte
	size := append(strconv.AppendInt(digits[:0], int64(n), 16), "\r\n"...)
	from := sendAhead - len(size)
	copy(buf[from:], size)
	end := sendAhead + n
	buf[end], buf[end+1] = '\r', '\n'
	return buf[from : end+2]
}
