package proxy_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// stage is a data path with the decider that feeds it, on real sockets.
type stage struct {
	t     testing.TB
	proxy *proxy.Proxy
	began time.Time
	dir   string

	deaf atomic.Bool // the balancer hears nothing of what traffic saw

	mu       sync.Mutex
	balancer *balance.Balancer
	outcomes []balance.Outcomes
	bound    map[string]host.Bound
}

func (s *stage) now() instant.Instant { return instant.Instant(time.Since(s.began)) }

// set up begins a stage with a fleet.
func setUp(t testing.TB, yaml string) *stage {
	t.Helper()
	return setUpAfter(t, nil, yaml)
}

// setUpAfter begins a stage with the sockets of one before.
func setUpAfter(t testing.TB, inherit func(network, address string) *os.File, yaml string) *stage {
	t.Helper()
	s := &stage{t: t, began: time.Now(), dir: t.TempDir(), balancer: balance.New(), bound: map[string]host.Bound{}}
	reports := make(chan balance.Outcomes, 1024)
	s.proxy = proxy.New(proxy.Options{
		Log: slog.New(slog.DiscardHandler), Now: s.now, Inherit: inherit,
		Report: func(o balance.Outcomes) {
			if s.deaf.Load() {
				return
			}
			select {
			case reports <- o:
			default:
			}
		},
	})
	done := make(chan struct{})
	go func() {
		for {
			select {
			case o := <-reports:
				s.mu.Lock()
				s.outcomes = append(s.outcomes, o)
				s.mu.Unlock()
				s.tell(o)
			case <-done:
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.proxy.Close()
		close(done)
	})
	s.apply(yaml)
	return s
}

// apply puts a fleet into force.
func (s *stage) apply(yaml string) {
	s.t.Helper()
	s.put(s.parse(yaml))
}

func (s *stage) parse(yaml string) *spec.Fleet {
	s.t.Helper()
	f, _, err := spec.ParseIn("fleet.yaml", []byte("fleet: test\nsites: [{name: here, hosts: [{name: h, address: 127.0.0.1}]}]\n"+yaml), s.dir)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, yaml)
	}
	return f
}

func (s *stage) put(f *spec.Fleet) {
	set := balance.SetSpec{Listeners: f.Listeners, Pools: f.Pools, Bind: map[string]string{}}
	for _, l := range f.Listeners {
		address := l.Address
		if address == "" {
			address = "127.0.0.1"
		}
		set.Bind[l.Name] = spec.AddrPort(address, l.Port)
	}
	s.tell(set)
	for _, p := range f.Pools {
		for _, b := range p.Backends {
			s.tell(balance.SetHealth{Backend: b.Name, Health: api.Combine(api.Up, ""), Reason: "test"})
		}
	}
}

func (s *stage) tell(ev balance.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out balance.Effects
	s.balancer.Step(s.now(), ev, &out)
	if out.Table != nil {
		for _, b := range s.proxy.Apply(out.Table) {
			s.bound[b.Listener] = b
		}
	}
	if len(out.Cut) > 0 {
		s.proxy.Cut(out.Cut)
	}
}

func (s *stage) health(backend string, m api.Measure) {
	s.tell(balance.SetHealth{Backend: backend, Health: api.Combine(m, ""), Reason: "test"})
}

// reading returns what a listener or a backend counted.
func (s *stage) reading(name string) host.Reading {
	r := s.proxy.Readings()
	for _, x := range append(r.Listeners, r.Backends...) {
		if x.Name == name {
			return x
		}
	}
	s.t.Fatalf("there is no reading of %s", name)
	return host.Reading{}
}

// patience is how long a test waits for what must come: it is there to end a test
// that hangs, and says nothing about how long anything takes.
const patience = 2 * time.Minute

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// freePort returns a port that was free a moment ago, for TCP and UDP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		_ = l.Close()
		if err == nil {
			_ = u.Close()
			return port
		}
	}
	t.Fatal("no port is free for both TCP and UDP")
	return 0
}

// backend is a TCP server that a test owns.
type backend struct {
	name string
	port int
	l    net.Listener

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// serveTCP runs serve for each connection.
func serveTCP(t testing.TB, name string, serve func(*net.TCPConn)) *backend {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", name, serve)
}

// serveAt is serveTCP at an address.
func serveAt(t testing.TB, address, name string, serve func(*net.TCPConn)) *backend {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{name: name, port: l.Addr().(*net.TCPAddr).Port, l: l, conns: map[net.Conn]struct{}{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns[c] = struct{}{}
			b.mu.Unlock()
			go func() {
				defer func() {
					_ = c.Close()
					b.mu.Lock()
					delete(b.conns, c)
					b.mu.Unlock()
				}()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(b.kill)
	return b
}

// kill closes it as SIGKILL would: nobody listens, connections are reset.
func (b *backend) kill() {
	_ = b.l.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// echo greets with its name and sends back what comes.
func echo(t testing.TB, name string) *backend {
	return serveTCP(t, name, greet(name))
}

// greet is what an echo does with a connection.
func greet(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if _, err := io.WriteString(c, name+"\n"); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.CloseWrite()
		}
	}
}

// pool writes a pool of backends, with more settings for the pool and for each
// backend.
func pool(settings, each string, all ...*backend) string {
	var y strings.Builder
	fmt.Fprintf(&y, "pools:\n- {name: p, site: here%s, backends: [", settings)
	for _, b := range all {
		fmt.Fprintf(&y, "{name: %s, address: 127.0.0.1, port: %d%s},", b.name, b.port, each)
	}
	return y.String() + "]}\n"
}

// listener writes one listener.
func listener(protocol string, port int, settings string) string {
	return fmt.Sprintf("listeners:\n- {name: l, site: here, protocol: %s, port: %d, pool: p%s}\n", protocol, port, settings)
}

// dial connects to a listener.
func dial(t testing.TB, port int) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// visit connects and reads the greeting. A reset may be as early as the dial.
func visit(port int) (string, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	return line(c)
}

// line reads up to a newline, a byte at a time.
func line(c io.Reader) (string, error) {
	var s []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return string(s), err
		}
		if b[0] == '\n' {
			return string(s), nil
		}
		s = append(s, b[0])
	}
}
