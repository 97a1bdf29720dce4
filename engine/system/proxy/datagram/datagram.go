package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// flowsMax bounds a listener's flows where its spec does not: each holds a
// socket.
const flowsMax = 8192

// releasedIdle is how long a flow waits for an answer once its client's datagrams
// go to another process: longer than any that is still of use.
const releasedIdle = 3 * time.Second

// bufferSize takes the largest datagram.
const bufferSize = 64 << 10

// Server serves one UDP listener.
type Server struct {
	front *front.Front
	conn  *net.UDPConn

	mu    sync.Mutex
	flows map[netip.AddrPort]*udpFlow
	ended bool

	released atomic.Bool
}

// udpFlow is one client's datagrams.
type udpFlow struct {
	client  netip.AddrPort
	place   *flow.Place
	backend *net.UDPConn
	last    atomic.Int64 // Unix nanoseconds
	heard   atomic.Bool  // the backend has answered
	began   time.Time
}

// New returns a Server for a bound socket.
func New(f *front.Front, c *net.UDPConn) *Server {
	return &Server{front: f, conn: c, flows: map[netip.AddrPort]*udpFlow{}}
}

// Serve serves until the socket is closed.
func (s *Server) Serve(ctx context.Context) {
	done := make(chan struct{})
	defer close(done)
	go s.sweep(done)
	buf := make([]byte, bufferSize)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return
			}
			if s.released.Load() {
				<-ctx.Done() // its flows go on, and idle ones are ended
				return
			}
			continue // an ICMP error of an earlier answer; the socket is well
		}
		s.datagram(ctx, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buf[:n])
	}
}

// Release takes no more datagrams from the socket. Answers of backends still go
// to their clients.
func (s *Server) Release() {
	s.released.Store(true)
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

// Close ends all flows; there will be none after it.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	all := make([]*udpFlow, 0, len(s.flows))
	for _, f := range s.flows {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		s.end(f, flow.Outcome{})
	}
}

// datagram passes one datagram on.
func (s *Server) datagram(ctx context.Context, from netip.AddrPort, b []byte) {
	s.mu.Lock()
	f := s.flows[from]
	s.mu.Unlock()
	if f == nil {
		if f = s.open(ctx, from, b); f == nil {
			return
		}
	}
	f.last.Store(time.Now().UnixNano())
	s.front.Meter.In(int64(len(b)))
	f.place.Meter.In(int64(len(b)))
	if _, err := f.backend.Write(b); err != nil {
		s.end(f, failed(err))
	}
}

// open begins a flow; nil when nobody can take it.
func (s *Server) open(ctx context.Context, from netip.AddrPort, first []byte) *udpFlow {
	m, set := s.front.Meter, s.front.Now()
	m.Request()
	most := set.Spec.FlowsMax
	if most == 0 {
		most = flowsMax
	}
	if m.Active() >= int64(most) {
		m.Error()
		return nil
	}
	snap := s.front.Flows.Now()
	// It does not wait in a queue: a datagram that waits is worse than one that is
	// lost.
	ask := flow.Ask{Pool: snap.Pool(set.Spec.Pool), Source: from.Addr(), AtOnce: true}
	if ask.Pool >= 0 {
		if sch := snap.Table.Pools[ask.Pool].Spec.Scheduler; sch == spec.QCH || sch == spec.IQCH {
			key, ok := balance.HashQUIC(first, sch)
			if !ok {
				key = balance.HashSource(from.Addr())
			}
			ask.Key = key
		}
	}
	place, err := s.front.Flows.Acquire(ctx, snap, ask)
	if err != nil {
		m.Error()
		return nil
	}
	place.Meter.Request()
	to, err := net.ResolveUDPAddr("udp", place.Address)
	if err != nil {
		place.Done(flow.Outcome{Failed: true, Reason: err.Error()})
		return nil
	}
	c, err := net.DialUDP("udp", nil, to)
	if err != nil {
		m.Error()
		place.Done(flow.Outcome{Client: true}) // our own sockets are short; the backend is not to blame
		return nil
	}
	f := &udpFlow{client: from, place: place, backend: c, began: time.Now()}
	f.last.Store(f.began.UnixNano())
	m.FlowOpen()
	s.mu.Lock()
	if !s.ended {
		s.flows[from] = f
	}
	ended := s.ended
	s.mu.Unlock()
	if ended { // it was closed while this datagram was on its way
		_ = c.Close()
		m.FlowClose()
		place.Done(flow.Outcome{Client: true})
		return nil
	}
	place.OnCut(func() { s.end(f, flow.Outcome{}) })
	go s.answers(f)
	return f
}

// answers passes a backend's datagrams back.
func (s *Server) answers(f *udpFlow) {
	for {
		n, err := s.answer(f)
		if err != nil {
			o := flow.Outcome{}
			if !errors.Is(err, net.ErrClosed) {
				o = failed(err)
			}
			s.end(f, o)
			return
		}
		if !f.heard.Swap(true) {
			took := time.Since(f.began)
			f.place.Answered(took)
			s.front.Meter.Latency(took)
		}
		f.last.Store(time.Now().UnixNano())
		s.front.Meter.Out(int64(n))
		f.place.Meter.Out(int64(n))
	}
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// answer passes one datagram back. The buffer is taken only when there is
// something to read: a flow that waits holds none.
func (s *Server) answer(f *udpFlow) (int, error) {
	raw, err := f.backend.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var failed error
	wait := raw.Read(func(fd uintptr) bool {
		buf := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(buf)
		n, failed = unix.Read(int(fd), buf[:])
		if errors.Is(failed, unix.EAGAIN) || errors.Is(failed, unix.EINTR) {
			return false
		}
		if failed == nil {
			_, _ = s.conn.WriteToUDPAddrPort(buf[:n], f.client)
		}
		return true
	})
	return n, errors.Join(wait, failed)
}

// end closes a flow once.
func (s *Server) end(f *udpFlow, o flow.Outcome) {
	s.mu.Lock()
	if s.flows[f.client] != f {
		s.mu.Unlock()
		return
	}
	delete(s.flows, f.client)
	s.mu.Unlock()
	_ = f.backend.Close()
	if o.Failed {
		s.front.Meter.Error()
	}
	s.front.Meter.FlowClose()
	f.place.Done(o)
}

// sweep ends idle flows.
func (s *Server) sweep(done <-chan struct{}) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-done:
			return
		}
		idle := s.front.Now().Spec.Established.D()
		if s.released.Load() {
			idle = min(idle, releasedIdle)
		}
		before := time.Now().Add(-idle).UnixNano()
		var old []*udpFlow
		s.mu.Lock()
		for _, f := range s.flows {
			if f.last.Load() < before {
				old = append(old, f)
			}
		}
		s.mu.Unlock()
		for _, f := range old {
			s.end(f, flow.Outcome{})
		}
	}
}

// failed says what a failure to send or to receive tells of the backend.
func failed(err error) flow.Outcome {
	o := flow.Blame(err)
	if o.Refused {
		o.Reason = "port unreachable"
	}
	return o
}
