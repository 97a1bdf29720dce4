package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// helloWait is how long a TLS handshake or a ClientHello may take.
const helloWait = 10 * time.Second

// Server serves one listener.
type Server struct {
	front *front.Front

	mu    sync.Mutex
	flows map[*relay]struct{}
	ended bool
}

// New returns a Server.
func New(f *front.Front) *Server { return &Server{front: f, flows: map[*relay]struct{}{}} }

// Serve serves the connections of l until it is closed. Flows that are open
// then go on; Close ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener) {
	done := make(chan struct{})
	defer close(done)
	go s.sweep(done)
	s.front.Accept(ctx, l, func(c net.Conn) { s.handle(ctx, c) })
}

// Close ends all flows.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	all := make([]*relay, 0, len(s.flows))
	for r := range s.flows {
		all = append(all, r)
	}
	s.mu.Unlock()
	for _, r := range all {
		r.abort()
	}
}

// handle serves one connection to its end.
func (s *Server) handle(ctx context.Context, raw net.Conn) {
	m := s.front.Meter
	m.FlowOpen()
	defer m.FlowClose()
	m.Request()
	set := s.front.Now()
	r := &relay{raw: raw, client: raw, meter: m, idle: set.Spec.Established.D()}
	r.touch()
	if !s.add(r) {
		_ = raw.Close()
		return
	}
	defer s.remove(r)
	pool, hello, err := s.begin(ctx, r, set)
	if err != nil {
		m.Error()
		_ = raw.Close()
		return
	}
	place, err := s.connect(ctx, r, pool)
	if err != nil {
		m.Error()
		r.abort() // a plain close would look like an empty answer
		return
	}
	r.place = place
	place.OnCut(r.abort)
	place.Done(r.run(preamble(place.Pool.Upstream.Proxy, r.client), hello))
}

// begin does what comes before the first byte for a backend: the PROXY header,
// the name in a ClientHello, the TLS handshake. It returns the pool and what was
// read of the ClientHello.
func (s *Server) begin(ctx context.Context, r *relay, set *front.Settings) (pool string, hello []byte, err error) {
	if r.client, err = set.Unwrap(r.raw); err != nil {
		return "", nil, err
	}
	switch {
	case set.Spec.Protocol == spec.TLSPassthrough:
		hello, pool, err = s.route(r.client, set)
		return pool, hello, err
	case set.Certs != nil:
		t := tls.Server(r.client, s.front.TLS())
		ctx, cancel := context.WithTimeout(ctx, helloWait)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return "", nil, err
		}
		r.client = t
	}
	return set.Spec.Pool, nil, nil
}

// errNoPool means that the table has no such pool: the listener's spec is newer
// or older than it.
var errNoPool = errors.New("stream: the listener's pool is not in the table")

// connect gets a place and a connection to its backend, on another one when the
// first cannot be reached.
func (s *Server) connect(ctx context.Context, r *relay, name string) (*flow.Place, error) {
	flows := s.front.Flows
	snap := flows.Now()
	pool := snap.Pool(name)
	if pool < 0 {
		return nil, errNoPool
	}
	ask := flow.Ask{Pool: pool, Source: front.AddrOf(r.client.RemoteAddr()).Addr()}
	for {
		place, err := flows.Acquire(ctx, snap, ask)
		if err != nil {
			return nil, err
		}
		place.Meter.Request()
		began := time.Now()
		d := net.Dialer{Timeout: place.Pool.Upstream.Connect.D(), KeepAlive: 30 * time.Second}
		c, err := d.DialContext(ctx, "tcp", place.Address)
		if err == nil {
			if !r.attach(c) {
				place.Done(flow.Outcome{Client: true})
				return nil, net.ErrClosed
			}
			took := time.Since(began)
			place.Answered(took)
			s.front.Meter.Latency(took)
			return place, nil
		}
		place.Done(flow.Blame(err))
		ask.Tried = append(ask.Tried, place.Name)
		if flow.Local(err) || len(ask.Tried) > *place.Pool.Retry.Attempts {
			return nil, err
		}
		place.Meter.Retry()
		s.front.Meter.Retry()
		snap = flows.Now() // what was learnt meanwhile counts
		if ask.Pool = snap.Pool(name); ask.Pool < 0 {
			return nil, errNoPool
		}
	}
}

// preamble is the PROXY header for a backend.
func preamble(v spec.ProxyProtocol, client net.Conn) []byte {
	h := proxyproto.Header{Source: front.AddrOf(client.RemoteAddr()), Destination: front.AddrOf(client.LocalAddr())}
	switch v {
	case spec.ProxyV1:
		return proxyproto.AppendV1(nil, h)
	case spec.ProxyV2:
		return proxyproto.AppendV2(nil, h)
	case spec.ProxyOff, spec.ProxyAny:
	}
	return nil
}

// add counts a flow among those that can be ended; false when all of them were.
func (s *Server) add(r *relay) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.flows[r] = struct{}{}
	return true
}

func (s *Server) remove(r *relay) {
	s.mu.Lock()
	delete(s.flows, r)
	s.mu.Unlock()
}

// sweepEvery is how exact idle time-outs are. One look at all flows a second
// costs less than a timer that each read would have to move.
const sweepEvery = time.Second

// sweep closes idle flows until the listener is gone and its last flow with it.
func (s *Server) sweep(done <-chan struct{}) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for now := range t.C {
		if left := s.closeIdle(now); left > 0 {
			continue
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// closeIdle closes the flows that are idle for too long at now, and returns how
// many flows there were.
func (s *Server) closeIdle(now time.Time) int {
	var idle []*relay
	s.mu.Lock()
	left := len(s.flows)
	for r := range s.flows {
		if r.quietFor(now) > r.idle {
			idle = append(idle, r)
		}
	}
	s.mu.Unlock()
	for _, r := range idle {
		// Only now is the kernel asked: while it moves the bytes the relay does not
		// see them.
		if r.kernelQuietFor() > r.idle {
			r.close()
		}
	}
	return left
}
