package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"golang.org/x/sys/unix"
)

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}

// TestNoFlowLeavesAnything: flows end in every way there is, many at once, and
// no descriptor, no flow and no place is left.
func TestNoFlowLeavesAnything(t *testing.T) {
	abrupt := serveTCP(t, "b1", func(c *net.TCPConn) {
		word, _ := line(c)
		switch word {
		case "reset":
			_ = c.SetLinger(0)
		case "long":
			_, _ = c.Write(make([]byte, 1<<20))
		case "flood":
			for {
				if _, err := c.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "swallow":
			_, _ = io.Copy(io.Discard, c)
		}
	})
	dead := echo(t, "b2")
	dead.kill()
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {off: true}", ", flows_max: 40, queue_max: 5, queue_for: 100ms", abrupt, dead)+listener("tcp", port, ""))
	storm := func(n int) {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					return // reset at once: nobody had a place
				}
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond)) // some say nothing, and are left
				if r.IntN(10) == 0 {
					return
				}
				_, _ = io.WriteString(c, []string{"reset", "long", "flood", "swallow", "close"}[r.IntN(5)]+"\n")
				switch r.IntN(4) {
				case 0:
					_ = c.(*net.TCPConn).SetLinger(0)
				case 1:
					_, _ = io.CopyN(io.Discard, c, int64(r.IntN(1<<20)))
				case 2:
					_ = c.(*net.TCPConn).CloseWrite()
					_, _ = io.CopyN(io.Discard, c, 1<<16)
				case 3:
					_, _ = c.Write(make([]byte, 1<<18))
				}
			})
		}
		wg.Wait()
	}
	over := func() bool {
		return s.reading("l").Active == 0 && s.reading("b1").Active == 0 && s.reading("b2").Active == 0
	}
	storm(100) // so that pools and loops have what they keep
	eventually(t, "all flows end", over)
	before := descriptors(t)
	for round := range 3 {
		storm(100 + round)
		s.proxy.Cut([]balance.Cut{{Backend: "b1"}})
	}
	eventually(t, "all flows end", over)
	// Pipes of the pool may have come and gone.
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before+64 })
	if n := s.reading("l").Totals; n.Flows < 300 || n.Requests != n.Flows {
		t.Errorf("403 connections were counted as %d flows and %d requests", n.Flows, n.Requests)
	}
}

// TestSilentBackendsAreGivenUp: one that does not answer a connection in time is
// left for another, and held to account.
func TestSilentBackendsAreGivenUp(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	silent := &backend{name: "b1", port: sa.(*unix.SockaddrInet4).Port}
	for full := false; !full; { // its queue
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", silent.port), 50*time.Millisecond)
		if full = err != nil; !full {
			defer func() { _ = c.Close() }()
		}
	}
	two := echo(t, "b2")
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, upstream: {connect: 300ms}, ejection: {off: true}", "", silent, two)+listener("tcp", port, ""))
	for range 4 {
		if got, err := visit(port); got != "b2" {
			t.Fatalf("a client got %q, %v", got, err)
		}
	}
	if r := s.reading("b1").Totals; r.Errors == 0 || r.Retries != r.Errors || r.Flows != r.Errors {
		t.Errorf("each flow that began there is a failure that was tried again: %+v", r)
	}
}

// TestSettingsOfPlainFlowsChangeInPlace: a listener that begins to expect PROXY
// headers is the same one.
func TestSettingsOfPlainFlowsChangeInPlace(t *testing.T) {
	one := echo(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", "", one)+listener("tcp", port, ""))
	plain := dial(t, port)
	if got, err := line(plain); got != "b1" {
		t.Fatalf("%q, %v", got, err)
	}
	s.apply(pool(", upstream: {proxy_protocol: v1}", "", one) + listener("tcp", port, ", proxy_protocol: v1"))
	c := dial(t, port)
	const header = "PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n"
	before := s.reading("b1").Totals.InBytes
	_, _ = io.WriteString(c, header+"hello\n")
	for _, want := range []string{"b1", header[:len(header)-1], "hello"} {
		if got, err := line(c); got != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	if n := s.reading("b1").Totals.InBytes - before; n != uint64(len("hello\n")) {
		t.Errorf("%d bytes of the client were counted: the header is not its", n)
	}
	_, _ = io.WriteString(plain, "still here\n")
	if got, err := line(plain); got != "still here" {
		t.Errorf("%q, %v", got, err)
	}
	// A listener that goes leaves its address at once, and its flows alone.
	s.apply(pool("", "", one))
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("it still listens: %v", err)
	}
	_, _ = io.WriteString(plain, "and here\n")
	if got, err := line(plain); got != "and here" {
		t.Errorf("%q, %v", got, err)
	}
}
