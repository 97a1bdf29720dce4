// Package stream carries TCP flows to backends: plain, behind terminated TLS, and
// TLS that is passed through by the name in its ClientHello.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
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
	defer s.mu.Unlock()
	for r := range s.flows {
		r.close()
	}
}

func (s *Server) handle(ctx context.Context, raw net.Conn) {
	m := s.front.Meter
	m.FlowOpen()
	defer m.FlowClose()
	defer func() { _ = raw.Close() }()
	m.Request()
	set := s.front.Now()
	client, err := set.Unwrap(raw)
	if err != nil {
		m.Error()
		return
	}
	snap := s.front.Flows.Now()
	pool := set.Spec.Pool
	var hello []byte
	switch {
	case set.Spec.Protocol == spec.TLSPassthrough:
		if hello, pool, err = s.route(client, set); err != nil {
			m.Error()
			return
		}
	case set.Certs != nil:
		t := tls.Server(client, set.Certs.Config())
		hctx, cancel := context.WithTimeout(ctx, helloWait)
		err := t.HandshakeContext(hctx)
		cancel()
		if err != nil {
			m.Error()
			return
		}
		client = t
	}
	place, backend, err := s.connect(ctx, snap, snap.Pool(pool), client)
	if err != nil {
		m.Error()
		refuse(raw)
		return
	}
	r := &relay{client: client, backend: backend, meters: [2]counter{m, place.Meter}}
	r.touch()
	s.add(r)
	defer s.remove(r)
	place.OnCut(r.close)
	err = r.run(preamble(place.Pool.Upstream.Proxy, client), hello)
	place.Done(outcome(err, r))
}

// refuse answers a client that nobody can serve by a reset: a plain close would
// look like an empty answer.
func refuse(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

func outcome(err error, r *relay) flow.Outcome {
	var b backendError
	if errors.As(err, &b) && r.answered.Load() == 0 && !r.closed.Load() {
		return flow.Outcome{Failed: true, Reason: words(b.error)}
	}
	return flow.Outcome{}
}

// connect gets a place and a connection, on another backend when one refuses:
// nothing was sent yet, so nothing can happen twice.
func (s *Server) connect(ctx context.Context, snap *flow.Snapshot, pool int, client net.Conn) (*flow.Place, net.Conn, error) {
	if pool < 0 {
		return nil, nil, flow.ErrNobody
	}
	ask := flow.Ask{Pool: pool, Source: front.AddrOf(client.RemoteAddr()).Addr()}
	snap.First(pool)
	for {
		place, err := s.front.Flows.Acquire(ctx, snap, ask)
		if err != nil {
			return nil, nil, err
		}
		place.Meter.Request()
		began := time.Now()
		d := net.Dialer{Timeout: place.Pool.Upstream.Connect.D(), KeepAlive: 30 * time.Second}
		c, err := d.DialContext(ctx, "tcp", place.Address)
		if err == nil {
			took := time.Since(began)
			place.Answered(took)
			s.front.Meter.Latency(took)
			return place, c, nil
		}
		place.Done(flow.Outcome{Failed: true, Reason: words(err)})
		ask.Tried = append(ask.Tried, place.Name)
		if len(ask.Tried) > *place.Pool.Retry.Attempts || !s.front.Flows.Retry(snap, pool) {
			return nil, nil, err
		}
		place.Meter.Retry()
		s.front.Meter.Retry()
	}
}

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

// words says a connection's failure for people.
func words(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.As(err, &ne) && ne.Timeout():
		return "connecting timed out"
	case errors.Is(err, io.EOF):
		return "connection closed"
	}
	return err.Error()
}

func (s *Server) add(r *relay) {
	s.mu.Lock()
	s.flows[r] = struct{}{}
	s.mu.Unlock()
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
	for range t.C {
		idle := s.front.Now().Spec.Established.D()
		s.mu.Lock()
		for r := range s.flows {
			if r.idleFor() > idle {
				r.close()
			}
		}
		left := len(s.flows)
		s.mu.Unlock()
		select {
		case <-done:
			if left == 0 {
				return
			}
		default:
		}
	}
}
