package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

func TestBytesArriveWholeInBothDirections(t *testing.T) {
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back)+listener("tcp", port, ""))
	// Sizes around a buffer, around where splicing begins, and far beyond.
	for _, size := range []int64{0, 1, 16<<10 - 1, 16 << 10, 64 << 10, 64<<10 + 1, 300_000, 20 << 20} {
		c := dial(t, port)
		sent, got := sha256.New(), sha256.New()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := rand.NewChaCha8([32]byte{byte(size)})
			_, _ = io.CopyN(io.MultiWriter(c, sent), r, size)
			_ = c.CloseWrite()
		}()
		n, err := io.Copy(got, c) // not kept: under the race detector memory costs many times itself
		<-done
		if err != nil || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
			t.Errorf("%d bytes came back as %d, %v", size, n, err)
		}
	}
	eventually(t, "all flows end", func() bool { return s.reading("b1").Active == 0 && s.reading("l").Active == 0 })
	if r := s.reading("l"); r.Totals.InBytes != r.Totals.OutBytes || r.Totals.InBytes < 20<<20 || r.Totals.Errors != 0 || r.Totals.Flows != 8 {
		t.Errorf("the listener counted %+v", r.Totals)
	}
}

// TestSpliceGivesWayToBuffers: long bodies and short requests take turns on one
// connection.
func TestSpliceGivesWayToBuffers(t *testing.T) {
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.Copy(c, c)
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("tcp", port, ""))
	c := dial(t, port)
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for round := range 5 {
		go func() { _, _ = c.Write(long) }()
		got := make([]byte, len(long))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, long) {
			t.Fatalf("round %d: %v", round, err)
		}
		for n := range 50 {
			ask := fmt.Sprintf("request %d of round %d\n", n, round)
			if _, err := io.WriteString(c, ask); err != nil {
				t.Fatal(err)
			}
			if answer, err := line(c); err != nil || answer+"\n" != ask {
				t.Fatalf("%q, %v; want %q", answer, err, ask)
			}
		}
	}
}

func TestHalfCloseGoesThroughBothWays(t *testing.T) {
	counts := make(chan int64, 1)
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "all I say\n")
		_ = c.CloseWrite() // it only listens from here on
		n, _ := io.Copy(io.Discard, c)
		counts <- n
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("tcp", port, ""))
	c := dial(t, port)
	if got, err := io.ReadAll(c); string(got) != "all I say\n" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	// The backend's half is closed; ours still works.
	if _, err := c.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if n := <-counts; n != 100_000 {
		t.Errorf("%d bytes reached the backend behind its own half-close", n)
	}
}

func TestResetsAreResetsAtTheOtherEnd(t *testing.T) {
	ends := make(chan error, 1)
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "half an answer\n")
		word, _ := line(c)
		if word == "break" {
			_ = c.SetLinger(0)
			return
		}
		_, err := line(c)
		ends <- err
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back)+listener("tcp", port, ""))

	c := dial(t, port)
	_, _ = line(c)
	_, _ = io.WriteString(c, "break\n")
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the backend broke; the client read %v, want a reset", err)
	}
	eventually(t, "the failure is counted", func() bool {
		return s.reading("b1").Totals.Errors == 1 && s.reading("l").Totals.Errors == 1
	})

	c = dial(t, port)
	_, _ = line(c)
	_, _ = io.WriteString(c, "stay\n")
	eventually(t, "the backend waits", func() bool { return s.reading("b1").Totals.InBytes >= 11 })
	_ = c.SetLinger(0)
	_ = c.Close()
	if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client broke; the backend read %v, want a reset", err)
	}
	eventually(t, "the flow ends", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 1 {
		t.Errorf("a client's reset was held against the backend: %d errors", n)
	}
}

// TestAnEarlyAnswerReachesTheClient: a backend that answers and closes while the
// client still sends is not a failure, and its answer is not lost.
func TestAnEarlyAnswerReachesTheClient(t *testing.T) {
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		var b [10]byte
		_, _ = io.ReadFull(c, b[:])
		_, _ = io.WriteString(c, "too long\n")
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("tcp", port, ""))
	c := dial(t, port)
	if _, err := io.WriteString(c, "ten bytes!"); err != nil {
		t.Fatal(err)
	}
	if got, err := line(c); got != "too long" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestRefusedConnectionsGoElsewhereAndEject(t *testing.T) {
	one, two := echo(t, "b1"), echo(t, "b2")
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {failures: 3, for: 60s}", "", one, two)+listener("tcp", port, ""))
	one.kill()
	eventually(t, "it is ejected, and no client is told", func() bool {
		if got, err := visit(port); got != "b2" {
			t.Fatalf("a client got %q, %v", got, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, b := range s.balancer.Status() {
			if b.Backend == "b1" {
				return b.Phase == api.PhaseEjected && strings.Contains(b.Reason, "connection refused")
			}
		}
		return false
	})
	l := s.reading("l")
	if l.Totals.Errors != 0 || l.Totals.Retries < 1 {
		t.Errorf("the listener counted %+v: no client failed, and one retry at least", l.Totals)
	}
	before := s.reading("b1").Totals.Requests
	c := dial(t, port)
	if got, _ := line(c); got != "b2" || s.reading("b1").Totals.Requests != before {
		t.Error("the ejected backend was still tried")
	}
}

func TestNobodyLeftIsAReset(t *testing.T) {
	one := echo(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", "", one)+listener("tcp", port, ""))
	s.health("b1", api.Down)
	if _, err := visit(port); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v, want a reset", err)
	}
	eventually(t, "the error is counted", func() bool { return s.reading("l").Totals.Errors == 1 })
}

func TestADrainCutsWhatIsLeft(t *testing.T) {
	one, two := echo(t, "b1"), echo(t, "b2")
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr", "", one, two)+listener("tcp", port, ""))
	conns := map[string]*net.TCPConn{}
	for range 2 {
		c := dial(t, port)
		name, err := line(c)
		if err != nil {
			t.Fatal(err)
		}
		conns[name] = c
	}
	s.tell(balance.Drain{Backend: "b1", For: time.Millisecond})
	// The flow stays until the deadline, and is cut then.
	eventually(t, "the deadline comes", func() bool {
		s.mu.Lock()
		d := s.balancer.Deadline()
		s.mu.Unlock()
		return d.Reached(s.now())
	})
	if s.reading("b1").Active != 1 {
		t.Fatal("the flow ended before its backend was cut")
	}
	s.tell(balance.Wake{})
	if _, err := line(conns["b1"]); err == nil {
		t.Error("the flow on the drained backend goes on")
	}
	_, _ = io.WriteString(conns["b2"], "still here\n")
	if got, err := line(conns["b2"]); got != "still here" {
		t.Errorf("the other backend's flow: %q, %v", got, err)
	}
	eventually(t, "nothing is left on it", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("the cut was counted as %d failures", n)
	}
}

func TestLimitsAndTheirQueue(t *testing.T) {
	one := echo(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", ", flows_max: 1, queue_max: 1, queue_for: 10s", one)+listener("tcp", port, ""))
	first := dial(t, port)
	if got, err := line(first); got != "b1" {
		t.Fatalf("%q, %v", got, err)
	}
	second := dial(t, port) // waits
	eventually(t, "it is accepted", func() bool { return s.reading("l").Active == 2 })
	answers := make(chan string, 2)
	answer := func(name string, err error) { answers <- fmt.Sprint(name, errors.Is(err, syscall.ECONNRESET)) }
	go func() { answer(line(second)) }()
	go func() { answer(visit(port)) }() // finds the queue full, or the second has not got there
	if got := <-answers; got != "true" {
		t.Fatalf("the third client got %q, want a reset", got)
	}
	if n := s.reading("b1").Active; n != 1 {
		t.Errorf("%d flows are open on a backend that takes one", n)
	}
	_ = first.Close()
	if got := <-answers; got != "b1false" {
		t.Errorf("the client in the queue got %q", got)
	}
}

func TestQueueTimesOut(t *testing.T) {
	one := echo(t, "b1")
	port := freePort(t)
	setUp(t, pool("", ", flows_max: 1, queue_max: 5, queue_for: 50ms", one)+listener("tcp", port, ""))
	first := dial(t, port)
	_, _ = line(first)
	began := time.Now()
	if _, err := visit(port); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v", err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("it waited only %s", took)
	}
}

func TestListenerLimit(t *testing.T) {
	one := echo(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", "", one)+listener("tcp", port, ", flows_max: 2"))
	for range 2 {
		if _, err := line(dial(t, port)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := visit(port); err == nil {
		t.Error("a third client was served")
	}
	if n := s.reading("l").Totals.Errors; n != 1 {
		t.Errorf("%d errors", n)
	}
}

// TestChangesDropNothing: a thousand tables are swapped in under load, with
// weights, backends and settings that change, and no flow fails.
func TestChangesDropNothing(t *testing.T) {
	all := []*backend{echo(t, "b1"), echo(t, "b2"), echo(t, "b3")}
	port := freePort(t)
	s := setUp(t, pool("", "", all...)+listener("tcp", port, ""))
	stop := make(chan struct{})
	var failed, good atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := oneFlow(port); err != nil {
					if failed.Add(1) < 5 {
						t.Error(err)
					}
				} else {
					good.Add(1)
				}
			}
		})
	}
	long := dial(t, port) // lives through all of it
	name, _ := line(long)
	changes := 1000
	if testing.Short() {
		changes = 100
	}
	fleets := []*spec.Fleet{
		s.parse(pool("", "", all...) + listener("tcp", port, "")),
		s.parse(pool(", scheduler: rr", "", all[0], all[1]) + listener("tcp", port, ", established: 20s")),
		s.parse(pool(", scheduler: sch", ", weight: 50", all[0], all[2]) + listener("tcp", port, ", flows_max: 100000")),
		s.parse(pool(", scheduler: p2c", ", flows_max: 1000", all...) + listener("tcp", port, "")),
	}
	for n := range changes {
		s.put(fleets[n%len(fleets)])
	}
	eventually(t, "flows were carried meanwhile", func() bool { return good.Load() > 100 })
	close(stop)
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d flows failed", failed.Load(), failed.Load()+good.Load())
	}
	// Wherever it went: b2 and b3 left the spec at times, and came back.
	_, _ = io.WriteString(long, "still here\n")
	if got, err := line(long); got != "still here" {
		t.Errorf("the long flow on %s: %q, %v", name, got, err)
	}
	t.Logf("%d flows during %d changes", good.Load(), changes)
}

func oneFlow(port int) error {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := line(c); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	if got, err := line(c); err != nil || got != "hello" {
		return fmt.Errorf("echo: %q, %w", got, err)
	}
	return nil
}

// TestIdleConnections: ten thousand of them cost little.
func TestIdleConnections(t *testing.T) {
	count := 5000 // two descriptors here for each of its two connections
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		count = min(10_000, (int(limit.Cur)-1000)/4)
	}
	if raceEnabled || testing.Short() {
		count = min(count, 500)
	}
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 64)) // a splice would hold a pipe for each
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back)+listener("tcp", port, ""))
	before := memory()
	conns := make([]net.Conn, 0, count)
	for range count {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns), err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for _, c := range conns {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.reading("l").Active; got != int64(count) {
		t.Errorf("%d of %d flows are open", got, count)
	}
	each := (memory() - before) / int64(count)
	// Its client, its backend's goroutine and their sockets are in this process
	// too.
	t.Logf("%d idle connections: %d bytes each, both ends of this test included", count, each)
	if each > 24<<10 && !raceEnabled {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	if _, err := conns[count/2].Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conns[count/2], b[:]); err != nil || b[0] != 'y' {
		t.Errorf("an idle connection is dead: %v", err)
	}
}

func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
