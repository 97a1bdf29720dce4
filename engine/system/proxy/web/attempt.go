package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
)

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

// try is one attempt: the request at one backend.
type try struct {
	x     *exchange
	place *flow.Place
	up    *upstream
	phase atomic.Int32
	used  *scratch
	body  *turn // nil without a body that is streamed

	call h1.Call // over HTTP/1.1

	// Over HTTP/2.
	ctx    context.Context
	cancel context.CancelCauseFunc // nil over HTTP/1.1
	resp   *http.Response
}

// attempt sends the request to one backend. It returns an error only while the
// client has got nothing.
func (x *exchange) attempt(place *flow.Place) error {
	t := &x.first
	if x.tried > 0 {
		t = &try{} // somebody may still be saying to the first one that it is lost
	}
	t.x, t.place, t.up = x, place, x.server.upstream(place, x.set)
	if t.up.h2 != nil {
		t.ctx, t.cancel = context.WithCancelCause(context.Background())
	}
	defer t.end()
	x.hold(t)
	// A request that could go elsewhere does not wait for a backend that its
	// probes found dead. Any other does: the backend may come to itself in time.
	var lost func()
	if idempotent(x.r.Method) && x.tried < *place.Pool.Retry.Attempts {
		lost = t.lose
	}
	place.OnCutOrLost(t.cut, lost)
	if x.body != nil {
		x.body.backend.Store(place.Meter)
		t.body = &turn{body: x.body}
	}
	place.Meter.In(int64(len(x.small)))
	place.Meter.Request()
	began := time.Now()
	err := t.send()
	if err == nil && !t.phase.CompareAndSwap(attemptWaits, attemptBegun) {
		err = errLost
	}
	if err == nil && x.body != nil && x.body.failed.Load() {
		err = errHalf // the backend answered to half a request
	}
	if err != nil {
		if cause := t.cause(); errors.Is(cause, errCut) || errors.Is(cause, errLost) {
			err = cause
		}
		o := flow.Blame(err)
		o.Client = o.Client || x.left() || x.body != nil && x.body.failed.Load() || errors.Is(err, errCut)
		o.Reason = words(err)
		o.Refused = o.Refused || !o.Client && t.refuses(err)
		t.end()
		place.Done(o)
		return err
	}
	place.Answered(time.Since(began))
	x.server.front.Meter.Latency(time.Since(x.began))
	if t.cancel == nil && t.call.Answer.Status == http.StatusSwitchingProtocols {
		place.Done(t.upgrade())
		return nil
	}
	err = t.answer()
	o := t.outcome(err)
	t.end()
	place.Done(o)
	if err != nil {
		// What the client got so far cannot be taken back; a cut connection is the
		// only way to say that it is not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// send sends the request and waits for the answer's head.
func (t *try) send() (err error) {
	x := t.x
	t.used = scratches.Get().(*scratch)
	t.used.fields = x.fields(t.used.fields[:0])
	if t.cancel != nil {
		t.resp, err = t.up.h2.RoundTrip(x.outgoing(t))
		return err
	}
	announced := x.announced()
	t.used.head = x.head(t.used.head[:0], t.used.fields, announced, t.place)
	c := &t.call
	c.Pool, c.Address, c.Head, c.Wait = t.up.h1, t.place.Address, t.used.head, x.set.Spec.Request.D()
	c.Answer.Fields = t.used.answer
	c.IsHead, c.Upgrade = x.r.Method == http.MethodHead, x.upgrades() != ""
	c.Again = idempotent(x.r.Method) && x.body == nil
	if v := t.place.Pool.Upstream.Proxy; v != spec.ProxyOff {
		c.First = appendProxy(v, x.addresses())
	}
	if x.r.ProtoMajor > 1 || x.r.ProtoMinor > 0 {
		c.Interim = t.interim
	}
	if t.body != nil {
		c.Body, c.Length, c.Trailer, c.Announced, c.Expect = t.body, x.r.ContentLength, x.r.Trailer, announced, x.expects
	}
	return c.Do()
}

// refuses finds out whether nobody listens at the backend's address any more: a
// connection that ends without an answer may be one request that the backend
// cannot stand, or the end of the backend. The second takes nothing of the
// budget for retries, and keeps other requests away.
func (t *try) refuses(err error) bool {
	if t.cancel != nil || !h1.Closed(err) || !t.x.repeatable(err) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), refusalWait)
	defer cancel()
	return errors.Is(t.up.h1.Listens(ctx, t.place.Address), syscall.ECONNREFUSED)
}

// refusalWait bounds that. A refusal comes within the time to the backend and
// back, which may be another continent's, or a busy moment of this host; what
// drops the question instead closed no connection either, so this is rarely
// waited for. After a second the kernel would ask once more.
const refusalWait = time.Second

// abort ends the attempt from outside.
func (t *try) abort(cause error) {
	if t.cancel != nil {
		t.cancel(cause)
		return
	}
	t.call.Abort(cause)
}

// cause is why it was ended from outside; nil if it was not.
func (t *try) cause() error {
	if t.cancel != nil {
		return context.Cause(t.ctx)
	}
	return t.call.Cause()
}

func (t *try) cut() { t.abort(errCut) }

// lose ends an attempt that nothing has come of yet.
func (t *try) lose() {
	if b := t.x.body; (b == nil || !b.touched.Load()) && t.phase.CompareAndSwap(attemptWaits, attemptLost) {
		t.abort(errLost)
	}
}

// end lets go of the backend's connection. It may be called twice.
func (t *try) end() {
	if t.used == nil {
		return
	}
	if t.body != nil {
		t.body.end() // the sender may be reading it
	}
	if t.cancel != nil {
		if t.resp != nil {
			_ = t.resp.Body.Close()
		}
		t.cancel(nil)
	} else {
		t.call.Close()
		t.used.answer = t.call.Answer.Fields[:0]
	}
	scratches.Put(t.used)
	t.used = nil
}

// outcome says what an answer means for the backend.
func (t *try) outcome(err error) flow.Outcome {
	if err != nil {
		var client writeError
		if errors.As(err, &client) || t.x.left() || errors.Is(t.cause(), errCut) {
			return flow.Outcome{Client: true}
		}
		return flow.Outcome{Failed: true, Reason: words(err)}
	}
	switch code := t.status(); code {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return flow.Outcome{Failed: true, Reason: "status " + itoa(code) + " " + http.StatusText(code)}
	}
	return flow.Outcome{}
}

// codeOf is the status for a failure before the backend answered.
func codeOf(err error) (code int, text string) {
	var ne net.Error
	var malformed h1.Malformed
	switch {
	case errors.Is(err, flow.ErrNobody):
		return http.StatusServiceUnavailable, "no server is available"
	case errors.Is(err, flow.ErrFull), errors.Is(err, flow.ErrQueueTimeout):
		return http.StatusServiceUnavailable, "all servers are busy"
	case errors.As(err, &malformed):
		return http.StatusBadGateway, "the server's answer is malformed"
	case errors.Is(err, errLost), errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "the server did not answer in time"
	}
	return http.StatusBadGateway, "the server could not be reached"
}
