package datagram_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/datagram"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// server is a Server for one backend, without a balancer.
type server struct {
	*datagram.Server
	flows   *flow.Flows
	front   *front.Front
	at      *net.UDPAddr
	backend *net.UDPConn
	ended   chan struct{}
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

// serve begins to serve; more is of the backend's and of the listener's spec.
func serve(t *testing.T, backend, listener string) *server {
	t.Helper()
	began := time.Now()
	now := func() instant.Instant { return instant.Instant(time.Since(began)) }
	flows := flow.New(flow.Options{Now: now, Report: func(balance.Outcomes) {}})
	s := &server{flows: flows, backend: udp(t), ended: make(chan struct{})}
	f, err := spec.Parse("fleet.yaml", fmt.Appendf(nil, `fleet: test
sites: [{name: here, hosts: [{name: h, address: 127.0.0.1}]}]
pools: [{name: p, site: here, backends: [{name: b, address: 127.0.0.1, port: %d%s}]}]
listeners: [{name: l, site: here, protocol: udp, port: 5300, pool: p%s}]
`, s.backend.LocalAddr().(*net.UDPAddr).Port, backend, listener))
	if err != nil {
		t.Fatal(err)
	}
	balancer, out := balance.New(), balance.Effects{}
	for _, ev := range []balance.Event{
		balance.SetSpec{Listeners: f.Listeners, Pools: f.Pools, Bind: map[string]string{}},
		balance.SetHealth{Backend: "b", Health: api.Combine(api.Up, ""), Reason: "test"},
	} {
		if balancer.Step(now(), ev, &out); out.Table != nil {
			flows.Swap(out.Table)
		}
	}
	s.front = &front.Front{Name: "l", Flows: flows, Meter: flows.Listener("l"), Log: slog.New(slog.DiscardHandler)}
	if err := s.front.Set(&f.Listeners[0]); err != nil {
		t.Fatal(err)
	}
	c := udp(t)
	_ = c.SetReadDeadline(time.Time{})
	s.at = c.LocalAddr().(*net.UDPAddr)
	s.Server = datagram.New(s.front, c)
	go func() {
		defer close(s.ended)
		s.Serve(context.Background())
	}()
	t.Cleanup(func() {
		s.Close()
		_ = c.Close()
		<-s.ended
	})
	return s
}

// says sends a client's datagram, and returns whom the backend has it from.
func (s *server) says(t *testing.T, client *net.UDPConn, what string) netip.AddrPort {
	t.Helper()
	if _, err := client.WriteToUDP([]byte(what), s.at); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, from, err := s.backend.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != what {
		t.Fatalf("the backend got %q, %v; want %q", b[:n], err, what)
	}
	return from
}

// TestEachClientHasItsOwnSocket: answers reach the client that they are for, and
// only the backend's own are passed back.
func TestEachClientHasItsOwnSocket(t *testing.T) {
	s := serve(t, "", "")
	one, two, stranger := udp(t), udp(t), udp(t)
	a, b := s.says(t, one, "one"), s.says(t, two, "two")
	if a == b || s.says(t, one, "again") != a {
		t.Fatalf("the clients come from %s and %s", a, b)
	}
	_, _ = stranger.WriteToUDPAddrPort([]byte("not an answer"), b)
	_, _ = s.backend.WriteToUDPAddrPort([]byte("for two"), b)
	_, _ = s.backend.WriteToUDPAddrPort([]byte{}, a) // an empty datagram is one
	buf := make([]byte, 100)
	if n, from, err := two.ReadFromUDP(buf); err != nil || string(buf[:n]) != "for two" || from.Port != s.at.Port {
		t.Errorf("two got %q from %s, %v", buf[:n], from, err)
	}
	if n, _, err := one.ReadFromUDP(buf); err != nil || n != 0 {
		t.Errorf("one got %q, %v", buf[:n], err)
	}
	// A datagram is counted behind its back.
	var answers uint64
	eventually(t, "all is counted", func() bool {
		r := s.front.Meter.Read("l")
		answers += r.Latency.Count
		return r.Active == 2 && r.Totals.InBytes == uint64(len("onetwoagain")) && r.Totals.OutBytes == uint64(len("for two")) && answers == 2
	})
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// TestAFullBackendIsNotWaitedFor: what its queue would hold back is lost at
// once, and the listener goes on.
func TestAFullBackendIsNotWaitedFor(t *testing.T) {
	s := serve(t, ", flows_max: 1, queue_max: 10, queue_for: 60s", "")
	one, two := udp(t), udp(t)
	s.says(t, one, "x")
	if _, err := two.WriteToUDP([]byte("lost"), s.at); err != nil {
		t.Fatal(err)
	}
	s.says(t, one, "y") // behind it, on the same socket
	if r := s.front.Meter.Read("l"); r.Active != 1 || r.Totals.Errors != 1 {
		t.Errorf("%d flows, %d errors", r.Active, r.Totals.Errors)
	}
}

// TestCutAndClosedFlowsAreGone: with their sockets, from one moment to the
// next; a client that goes on has a new one.
func TestCutAndClosedFlowsAreGone(t *testing.T) {
	s := serve(t, "", "")
	client := udp(t)
	a := s.says(t, client, "x")
	s.flows.Cut([]balance.Cut{{Backend: "b"}})
	if n := s.front.Meter.Active(); n != 0 {
		t.Errorf("%d flows after the cut", n)
	}
	if b := s.says(t, client, "y"); a == b {
		t.Error("its socket is the one that was cut")
	}
	s.Close()
	if n := s.front.Meter.Active(); n != 0 {
		t.Errorf("%d flows after the end", n)
	}
	before := s.front.Meter.Read("l").Totals.Requests
	if _, err := client.WriteToUDP([]byte("late"), s.at); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool {
		r := s.front.Meter.Read("l")
		return r.Totals.Requests == before+1 && r.Active == 0
	})
}
