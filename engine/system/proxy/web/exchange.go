package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// exchange is one request on its way.
type exchange struct {
	server *Server
	set    *front.Settings
	snap   *flow.Snapshot
	pool   int
	source netip.Addr
	w      http.ResponseWriter
	r      *http.Request

	client presence
	began  time.Time
	body   *watched // the client's body; nil without one
	tried  int      // backends that failed so far
}

// watched is a request body that remembers whether any of it was read: a
// request whose body is partly gone cannot be sent again.
type watched struct {
	io.ReadCloser
	touched atomic.Bool
	failed  atomic.Bool // the client's end broke
	front   *meter.Meter
	backend atomic.Pointer[meter.Meter] // of the attempt
	pause   time.Duration               // how long the client may send nothing

	mu      sync.Mutex
	control *http.ResponseController // nil once the exchange is over
}

// errOver means that the exchange has ended: a transport that was told so may
// still be reading.
var errOver = errors.New("web: the request is over")

// wait lets the client send nothing until t.
func (b *watched) wait(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control == nil {
		return false // the server has taken back what the controller stands on
	}
	_ = b.control.SetReadDeadline(t) // no system call
	return true
}

// end must come before the handler returns.
func (b *watched) end() {
	b.mu.Lock()
	b.control = nil
	b.mu.Unlock()
}

func (b *watched) Read(p []byte) (int, error) {
	b.touched.Store(true)
	if !b.wait(time.Now().Add(b.pause)) {
		return 0, errOver
	}
	n, err := b.ReadCloser.Read(p)
	b.front.In(int64(n))
	if m := b.backend.Load(); m != nil {
		m.In(int64(n))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed.Store(true) // the time stays over: the server would read the rest
	} else if err != nil {
		// From here on the server itself watches for the client's leave.
		b.wait(time.Time{})
	}
	return n, err
}

// Close leaves the client's body open: another attempt may need it, and the
// server closes it in the end.
func (b *watched) Close() error { return nil }

// run tries backends until one answers or none may be tried any more.
func (x *exchange) run() {
	if x.pool < 0 {
		x.server.fail(x.w, http.StatusServiceUnavailable, "no server is available")
		return
	}
	x.watch()
	defer x.unwatch()
	flows := x.server.front.Flows
	x.snap.First(x.pool)
	// Over HTTP/2 a request without a body has one all the same, of no bytes; sent
	// on as one, it would be chunked, and could not be sent twice.
	if x.r.Body != nil && x.r.ContentLength != 0 {
		x.body = &watched{ReadCloser: x.r.Body, front: x.server.front.Meter, control: http.NewResponseController(x.w), pause: x.set.Spec.Request.D()}
		defer x.body.end()
	}
	ask := flow.Ask{Pool: x.pool, Source: x.source, StickTo: x.stickTo()}
	for {
		ctx, cancel := x.next()
		place, err := flows.Acquire(ctx, x.snap, ask)
		if err != nil {
			cancel(nil)
			if x.left() {
				panic(http.ErrAbortHandler) // it left the queue
			}
			code, text := codeOf(err)
			x.server.fail(x.w, code, text)
			return
		}
		err = x.attempt(ctx, cancel, place)
		if err == nil {
			return
		}
		ask.Tried = append(ask.Tried, place.Name)
		x.tried++
		ask.StickTo = ""
		// Ahead of the next question: the broken end has ended the context, too.
		if x.body != nil && x.body.failed.Load() {
			x.w.Header().Set("Connection", "close") // where the next request begins is not known
			x.server.fail(x.w, http.StatusBadRequest, "the request's body is broken or came too slowly")
			return
		}
		if x.left() {
			panic(http.ErrAbortHandler) // nobody is waiting; to return would be an empty 200
		}
		// The budget is there so that retries do not double the load of a pool that
		// fails. What a lost backend had is not in it, nor what never reached one:
		// neither carries any.
		free := errors.Is(err, errLost) || flow.Unreached(err) || place.Refuses()
		if !x.repeatable(err) || x.tried > *place.Pool.Retry.Attempts || !free && !flows.Retry(x.snap, x.pool) {
			code, text := codeOf(err)
			x.server.fail(x.w, code, text)
			return
		}
		x.server.front.Meter.Retry()
		place.Meter.Retry()
		x.snap = x.server.front.Flows.Now() // what was learnt meanwhile counts
		if x.pool = x.snap.Pool(x.set.Spec.Pool); x.pool < 0 {
			x.server.fail(x.w, http.StatusServiceUnavailable, "no server is available")
			return
		}
		ask.Pool = x.pool
	}
}

// repeatable reports whether the request may be sent again: it surely did not
// arrive, or its method does no harm twice (RFC 9110 section 9.2.2); and none of
// its body is gone.
func (x *exchange) repeatable(err error) bool {
	if x.body != nil && x.body.touched.Load() {
		return false
	}
	return flow.Unreached(err) || idempotent(x.r.Method)
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// Why an attempt was ended by us.
var (
	errCut  = errors.New("web: the backend's drain has come to its end")
	errHalf = errors.New("web: the request's body broke")
	errLost = errors.New("web: the backend went down before it answered")
)

// Who decides how an attempt goes on: it is begun by the answer's head or lost
// with its backend, whatever comes first.
const (
	attemptWaits int32 = iota
	attemptBegun
	attemptLost
)

// attempt sends the request to one backend. It returns an error only while the
// client has got nothing.
func (x *exchange) attempt(ctx context.Context, cancel context.CancelCauseFunc, place *flow.Place) error {
	if place.Pool.Upstream.Proxy != spec.ProxyOff {
		ctx = context.WithValue(ctx, proxyHeader{}, x.addresses())
	}
	defer cancel(nil)
	// A request that could go elsewhere does not wait for a backend that its
	// probes found dead. Any other does: the backend may come to itself in time.
	var phase atomic.Int32
	var lost func()
	if idempotent(x.r.Method) && x.tried < *place.Pool.Retry.Attempts {
		lost = func() {
			if (x.body == nil || !x.body.touched.Load()) && phase.CompareAndSwap(attemptWaits, attemptLost) {
				cancel(errLost)
			}
		}
	}
	place.OnCutOrLost(func() { cancel(errCut) }, lost)
	if x.body != nil {
		x.body.backend.Store(place.Meter)
	}
	place.Meter.Request()
	began := time.Now()
	resp, err := x.server.transport(place, x.set).RoundTrip(x.outgoing(ctx, place))
	if err == nil && !phase.CompareAndSwap(attemptWaits, attemptBegun) {
		_ = resp.Body.Close()
		err = errLost
	}
	if err == nil && x.body != nil && x.body.failed.Load() {
		// The backend answered to half a request.
		_ = resp.Body.Close()
		err = errHalf
	}
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errCut) || errors.Is(cause, errLost) {
			err = cause
		}
		client := x.left() || x.body != nil && x.body.failed.Load() || errors.Is(err, errCut)
		o := flow.Blame(err)
		o.Client, o.Reason = o.Client || client, words(err)
		place.Done(o)
		return err
	}
	took := time.Since(began)
	place.Answered(took)
	x.server.front.Meter.Latency(time.Since(x.began))
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		place.Done(x.upgrade(place, resp))
		return nil
	}
	x.stick(place, resp)
	header := x.w.Header()
	for k, v := range resp.Header {
		if !hopByHop(k, resp.Header) {
			header[k] = v
		}
	}
	if len(resp.Trailer) > 0 {
		names := make([]string, 0, len(resp.Trailer))
		for k := range resp.Trailer {
			names = append(names, k)
		}
		slices.Sort(names)
		header.Set("Trailer", strings.Join(names, ", "))
	}
	if resp.StatusCode >= 500 {
		x.server.front.Meter.Error()
	}
	x.w.WriteHeader(resp.StatusCode)
	n, err := x.copy(resp)
	x.server.front.Meter.Out(n)
	place.Meter.Out(n)
	for k, v := range resp.Trailer {
		header[k] = v
	}
	place.Done(x.outcome(resp, err))
	if err != nil {
		// What the client got so far cannot be taken back; a cut connection is the
		// only way to say that it is not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// addresses are the client's connection, for a PROXY header.
func (x *exchange) addresses() proxyproto.Header {
	source, err := netip.ParseAddrPort(x.r.RemoteAddr)
	if err != nil {
		return proxyproto.Header{Local: true}
	}
	h := proxyproto.Header{Source: source}
	if a, ok := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		h.Destination = front.AddrOf(a)
	}
	return h
}

// outcome says what an answer means for the backend.
func (x *exchange) outcome(resp *http.Response, err error) flow.Outcome {
	switch {
	case errors.As(err, new(writeError)), err != nil && x.left(),
		err != nil && errors.Is(context.Cause(resp.Request.Context()), errCut):
		return flow.Outcome{Client: true}
	case err != nil:
		return flow.Outcome{Failed: true, Reason: words(err)}
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return flow.Outcome{Failed: true, Reason: "status " + resp.Status}
	}
	return flow.Outcome{}
}

// writeError marks a failure of the client's end.
type writeError struct{ error }

const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copy sends the body. An answer whose length is not known is flushed as it
// comes: it may be a stream of events.
func (x *exchange) copy(resp *http.Response) (int64, error) {
	if resp.ContentLength == 0 || x.r.Method == http.MethodHead || resp.Body == http.NoBody {
		return 0, nil
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	var flush func() error
	if resp.ContentLength < 0 {
		flush = http.NewResponseController(x.w).Flush
	}
	if flush == nil && resp.ContentLength > 64<<10 {
		if rf, ok := x.w.(io.ReaderFrom); ok {
			return x.splice(rf, resp)
		}
	}
	var total int64
	for {
		n, err := resp.Body.Read(buf[:])
		if n > 0 {
			if _, err := x.w.Write(buf[:n]); err != nil {
				return total, writeError{err}
			}
			total += int64(n)
			if flush != nil {
				if err := flush(); err != nil {
					return total, writeError{err}
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// splice sends a long body by the server's own ReadFrom.
func (x *exchange) splice(rf io.ReaderFrom, resp *http.Response) (int64, error) {
	src := &sourceReader{r: resp.Body}
	n, err := rf.ReadFrom(src)
	if err != nil && src.err == nil {
		return n, writeError{err}
	}
	return n, err
}

// sourceReader remembers its own failure, to tell it from the writer's.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// upgrade joins both ends of a connection that changed its protocol.
func (x *exchange) upgrade(place *flow.Place, resp *http.Response) flow.Outcome {
	backend, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		x.server.fail(x.w, http.StatusBadGateway, "the server could not be reached")
		return flow.Outcome{Failed: true, Reason: "a changed protocol that cannot be written to"}
	}
	if !strings.EqualFold(resp.Header.Get("Upgrade"), x.r.Header.Get("Upgrade")) {
		x.server.fail(x.w, http.StatusBadGateway, "the server could not be reached")
		return flow.Outcome{Failed: true, Reason: "it changed to a protocol that was not asked for"}
	}
	c, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.server.fail(x.w, http.StatusHTTPVersionNotSupported, "a protocol can be changed over HTTP/1.1 only")
		return flow.Outcome{Client: true}
	}
	m := x.server.front.Meter
	m.FlowOpen() // the server has let go of the connection, and with it of the count
	defer m.FlowClose()
	closeBoth := func() { _ = c.Close(); _ = backend.Close() }
	defer closeBoth()
	stop := context.AfterFunc(x.r.Context(), closeBoth)
	defer stop()
	place.OnCut(closeBoth)
	resp.Body = nil
	if err := resp.Write(rw); err != nil {
		return flow.Outcome{Client: true}
	}
	if err := rw.Flush(); err != nil {
		return flow.Outcome{Client: true}
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		n, err := io.Copy(backend, rw.Reader)
		m.In(n)
		place.Meter.In(n)
		if h, ok := backend.(interface{ CloseWrite() error }); ok && err == nil {
			_ = h.CloseWrite()
			return
		}
		closeBoth()
	}()
	n, err := io.Copy(c, backend)
	m.Out(n)
	place.Meter.Out(n)
	if h, ok := c.(interface{ CloseWrite() error }); ok && err == nil {
		_ = h.CloseWrite()
		// A WebSocket closes by frames before the connection goes; a client that
		// does not is not waited for.
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	} else {
		closeBoth()
	}
	<-up
	return flow.Outcome{}
}
