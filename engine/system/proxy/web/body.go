package web

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

// smallBody is how long a body may be that goes out with the head, if it came
// with it: what the server reads at once. It can be sent a second time.
const smallBody = 4 << 10

// watched is a request body that remembers whether any of it was read: a
// request whose body is partly gone cannot be sent again.
type watched struct {
	io.ReadCloser
	touched atomic.Bool
	ended   atomic.Bool // it was read to its end
	failed  atomic.Bool // the client's end broke
	front   *meter.Meter
	backend atomic.Pointer[meter.Meter] // of the attempt
	pause   time.Duration               // how long the client may send nothing
	early   []byte                      // of it, read ahead

	mu      sync.Mutex
	control *http.ResponseController // nil once the exchange is over
}

// errOver means that the exchange has ended: a transport that was told so may
// still be reading.
var errOver = errors.New("web: the request is over")

// turn is one attempt's share in a body: when the attempt is over, nobody reads
// through it any more.
type turn struct {
	body *watched
	over bool // under the lock of body
}

// Read implements io.Reader.
func (t *turn) Read(p []byte) (int, error) { return t.body.read(t, p) }

// Close leaves the client's body open: another attempt may need it, and the
// server closes it in the end.
func (t *turn) Close() error { return nil }

// end lets nobody read through the turn any more. Who is in the middle of it
// gets an error at once, and so would the server, which then could not say where
// the next request begins: the answer must have said that the connection ends.
func (t *turn) end() {
	b := t.body
	b.mu.Lock()
	defer b.mu.Unlock()
	t.over = true
	if b.control != nil && b.touched.Load() && !b.ended.Load() {
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
		b.control = nil
	}
}

// end must come before the handler returns. The server may want to read what is
// left of the body then; it gets as long as we would have given the client.
func (b *watched) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control != nil && !b.ended.Load() && !b.failed.Load() {
		_ = b.control.SetReadDeadline(time.Now().Add(b.pause))
	}
	b.control = nil
}

// Read implements io.Reader.
func (b *watched) Read(p []byte) (int, error) { return b.read(&turn{}, p) }

func (b *watched) read(t *turn, p []byte) (int, error) {
	b.mu.Lock()
	if b.control == nil || t.over {
		b.mu.Unlock()
		return 0, errOver // the server has taken back what the controller stands on
	}
	b.touched.Store(true)
	_ = b.control.SetReadDeadline(time.Now().Add(b.pause)) // no system call
	b.mu.Unlock()
	var n int
	var err error
	if len(b.early) > 0 {
		n = copy(p, b.early)
		b.early = b.early[n:]
	} else {
		n, err = b.ReadCloser.Read(p)
	}
	b.front.In(int64(n))
	if m := b.backend.Load(); m != nil {
		m.In(int64(n))
	}
	switch {
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
		b.mu.Lock()
		if b.control != nil {
			// From here on the server itself watches for the client's leave.
			_ = b.control.SetReadDeadline(time.Time{})
		}
		b.mu.Unlock()
	case err != nil:
		b.failed.Store(true) // the time stays over: the server would read the rest
	}
	return n, err
}

// receive makes the request's body ready to be sent.
func (x *exchange) receive() {
	// Over HTTP/2 a request without a body has one all the same, of no bytes; sent
	// on as one, it would be chunked, and could not be sent twice.
	if x.r.Body == nil || x.r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(x.w)
	b := &watched{ReadCloser: x.r.Body, front: x.server.front.Meter, control: control, pause: x.set.Spec.Request.D()}
	x.expects = headerHas(x.r.Header, "Expect", "100-continue")
	if n := x.r.ContentLength; n > 0 && n <= smallBody && !x.expects && x.r.ProtoMajor == 1 && x.r.TLS == nil {
		small := make([]byte, n)
		early, whole := b.atHand(small)
		if whole {
			x.small = small
			x.server.front.Meter.In(n)
			x.heard.Store(true)
			return
		}
		b.early = small[:early]
	}
	// An answer may come before the body's end. Without this the server would read
	// the rest by itself then, between our reads.
	_ = control.EnableFullDuplex()
	x.body = b
}

// atHand reads what the server has already, without waiting: an answer that does
// not need the body must not wait for it. That a read can be tried again behind a
// time that was over holds for plain connections only.
func (b *watched) atHand(p []byte) (n int, whole bool) {
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
	defer func() { _ = b.control.SetReadDeadline(time.Time{}) }()
	n, err := io.ReadFull(b.ReadCloser, p)
	if err != nil {
		return n, false
	}
	var one [1]byte
	_, err = b.ReadCloser.Read(one[:]) // its end is known with its last byte
	return n, errors.Is(err, io.EOF)
}
