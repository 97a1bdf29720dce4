package stream

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/carry"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// helloWait is how long a TLS handshake or a ClientHello may take.
const helloWait = 10 * time.Second

// Server serves one listener.
type Server struct {
	front *front.Front

	mu       sync.Mutex
	flows    map[member]struct{}
	ended    bool
	released bool
	raw      *front.Raw
}

// member is a flow as its server sees it.
type member interface {
	abort()
	// quietFor is how long no byte was seen, and idle how long that may be.
	quietFor(now time.Time) time.Duration
	idle() time.Duration
	// swept is told of each look at the idle flows.
	swept()
	// expire closes the flow, unless the kernel still saw data of it.
	expire()
}

// New returns a Server.
func New(f *front.Front) *Server { return &Server{front: f, flows: map[member]struct{}{}} }

// Serve serves the connections of l until Release. Flows that are open then go
// on; Close ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener) {
	done := make(chan struct{})
	defer close(done)
	go s.sweep(done)
	raw, err := front.NewRaw(l)
	if err != nil {
		s.front.Log.Warn("the listening socket cannot be watched; its connections get a goroutine each", "listener", s.front.Name, "error", err)
		s.front.Accept(ctx, l, func(c net.Conn) {
			s.open()
			s.handle(ctx, c, s.front.Now())
		})
		return
	}
	s.mu.Lock()
	s.raw = raw
	released := s.released
	s.mu.Unlock()
	if released {
		_ = raw.Close()
		return
	}
	s.front.AcceptRaw(ctx, raw, func(fd int, peer netip.AddrPort) { s.take(ctx, fd, peer) })
}

// Release ends the accepting. It is for him who closes the listener.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	if s.raw != nil {
		_ = s.raw.Close()
	}
}

// Close ends all flows.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	all := slices.Collect(maps.Keys(s.flows))
	s.mu.Unlock()
	for _, r := range all {
		r.abort()
	}
}

// open counts a connection.
func (s *Server) open() {
	s.front.Meter.FlowOpen()
	s.front.Meter.Request()
}

// take begins with one connection: one of plain TCP goes to a loop at once, any
// other one has something to be read first, on a goroutine.
func (s *Server) take(ctx context.Context, fd int, peer netip.AddrPort) {
	s.open()
	set := s.front.Now()
	if set.Spec.Protocol == spec.TCP && set.Certs == nil && set.Spec.Proxy == spec.ProxyOff {
		if loops, err := carry.Shared(); err == nil {
			s.carry(ctx, loops.Next(), fd, origin{from: peer}, set.Spec.Pool, set, nil)
			return
		}
	}
	go func() {
		f := os.NewFile(uintptr(fd), "client")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			s.front.Meter.Error()
			s.front.Meter.FlowClose()
			return
		}
		s.handle(ctx, c, set)
	}()
}

// handle serves one connection that is not for a loop from its beginning. Where
// it turns out that the rest is plain TCP, a loop gets it.
func (s *Server) handle(ctx context.Context, raw net.Conn, set *front.Settings) {
	m := s.front.Meter
	r := &relay{raw: raw, client: raw, meter: m, idleFor: set.Spec.Established.D()}
	r.touch()
	if !s.add(r) {
		m.FlowClose()
		_ = raw.Close()
		return
	}
	pool, hello, err := s.begin(ctx, r, set)
	if err == nil && s.handOver(ctx, r, pool, set, hello) {
		s.remove(r)
		return
	}
	defer m.FlowClose()
	defer s.remove(r)
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
	o := origin{from: front.AddrOf(r.client.RemoteAddr()), to: front.AddrOf(r.client.LocalAddr())}
	place.Done(r.run(preamble(place.Pool.Upstream.Proxy, o), hello))
}

// handOver gives a connection to a loop, unless it is not plain TCP; then it
// returns false.
func (s *Server) handOver(ctx context.Context, r *relay, pool string, set *front.Settings, hello []byte) bool {
	loops, err := carry.Shared()
	if err != nil {
		return false
	}
	first, below := hello, r.client
	if w, ok := r.client.(*front.Conn); ok {
		var rest []byte
		rest, below = w.Rest()
		first = append(slices.Clone(hello), rest...)
	}
	t, ok := below.(*net.TCPConn)
	if !ok {
		return false
	}
	// A second descriptor, for Go's poller has to be told to forget the first.
	fd, err := front.Dup(t)
	if err != nil {
		return false
	}
	o := origin{from: front.AddrOf(r.client.RemoteAddr()), to: front.AddrOf(r.client.LocalAddr())}
	if !r.leave() {
		// The flow was ended meanwhile.
		_ = unix.Close(fd)
		s.front.Meter.FlowClose()
		return true
	}
	s.carry(ctx, loops.Next(), fd, o, pool, set, first)
	return true
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

// connect gets a place and a connection to its backend, on another one when the
// first cannot be reached.
func (s *Server) connect(ctx context.Context, r *relay, name string) (*flow.Place, error) {
	q := s.newQuest(name, front.AddrOf(r.client.RemoteAddr()).Addr())
	for {
		place, err := q.place(ctx, false)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		d := net.Dialer{Timeout: place.Pool.Upstream.Connect.D(), KeepAlive: 30 * time.Second}
		c, err := d.DialContext(ctx, "tcp", place.Address)
		if err == nil {
			if !r.attach(c) {
				place.Done(flow.Outcome{Client: true})
				return nil, net.ErrClosed
			}
			q.reached(place, time.Since(began))
			return place, nil
		}
		if !q.missed(place, err) {
			return nil, err
		}
	}
}

// add counts a flow among those that can be ended; false when all of them were.
func (s *Server) add(r member) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.flows[r] = struct{}{}
	return true
}

func (s *Server) remove(r member) {
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
	var idle []member
	s.mu.Lock()
	left := len(s.flows)
	for r := range s.flows {
		r.swept()
		if r.quietFor(now) > r.idle() {
			idle = append(idle, r)
		}
	}
	s.mu.Unlock()
	for _, r := range idle {
		r.expire()
	}
	return left
}
