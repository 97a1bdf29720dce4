package web

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// exchange is one request on its way.
type exchange struct {
	server *Server
	set    *front.Settings
	snap   *flow.Snapshot
	pool   int
	source netip.Addr
	target string // what the request asks for, as it is said to backends
	w      http.ResponseWriter
	r      *http.Request

	client  presence
	began   time.Time
	looked  time.Time   // at the client; the lookout's
	heard   atomic.Bool // all of the request was read
	body    *watched    // the client's body; nil without one, and for a small one
	small   []byte      // a body that came with the head
	expects bool        // the client waits for a 100 with its body
	tried   int         // backends that failed so far
	first   try         // the others are made when they are needed
}

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
	x.receive()
	if x.body != nil {
		defer x.body.end()
	}
	ask := flow.Ask{Pool: x.pool, Source: x.source, StickTo: x.stickTo()}
	for {
		place, err := flows.Acquire(&x.client, x.snap, ask)
		if err != nil {
			if x.left() {
				panic(http.ErrAbortHandler) // it left the queue
			}
			x.failed(err)
			return
		}
		err = x.attempt(place)
		if err == nil {
			return
		}
		ask.Tried = append(ask.Tried, place.Name)
		x.tried++
		ask.StickTo = ""
		// Ahead of the next question: the broken end has ended the attempt, too.
		if x.body != nil && x.body.failed.Load() {
			x.broken()
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
			x.failed(err)
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

// broken answers to a body that did not come whole.
func (x *exchange) broken() {
	x.w.Header().Set("Connection", "close") // where the next request begins is not known
	x.server.fail(x.w, http.StatusBadRequest, "the request's body is broken or came too slowly")
}

// failed answers for want of a backend's answer.
func (x *exchange) failed(err error) {
	if b := x.body; b != nil && !b.ended.Load() {
		x.w.Header().Set("Connection", "close") // the rest of the body is not waited for
	}
	code, text := codeOf(err)
	x.server.fail(x.w, code, text)
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

// addresses are the client's connection, for a PROXY header.
func (x *exchange) addresses() proxyproto.Header {
	c := x.client.conn
	return proxyproto.Header{Source: front.AddrOf(c.RemoteAddr()), Destination: front.AddrOf(c.LocalAddr())}
}

// announced are the trailers that the client said it would send, but for those
// that say how a message is delimited.
func (x *exchange) announced() []string {
	if x.body == nil || x.r.ContentLength >= 0 || len(x.r.Trailer) == 0 {
		return nil
	}
	var all []string
	for k := range x.r.Trailer {
		if mayTrail(k) {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return all
}
