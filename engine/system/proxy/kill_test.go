package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestADeadBackendDrawsNoLoadWhileNobodyDecides: a backend dies and nobody tells
// the data path: its host is busy, its probes have not come round. With wlc the
// dead one has the fewest flows and draws every new one; still no GET fails, and
// it is left alone but for a trial now and then.
func TestADeadBackendDrawsNoLoadWhileNobodyDecides(t *testing.T) {
	for _, scheduler := range []string{"wlc", "rr", "sch", "p2c"} {
		t.Run(scheduler, func(t *testing.T) {
			all := []*site{serveHTTP(t, "b1", nil), serveHTTP(t, "b2", nil), serveHTTP(t, "b3", nil)}
			port := freePort(t)
			s := setUp(t, pool(", retry: {budget: 0%}, scheduler: "+scheduler, "", sites(all...)...)+listener("http", port, ""))
			s.deaf.Store(true)
			stop := make(chan struct{})
			var good, failed atomic.Int64
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					c := client(t, nil)
					for {
						select {
						case <-stop:
							return
						default:
						}
						if g, err := tryAsk(c, "GET", url(port, "/"), nil); err != nil || g.StatusCode != http.StatusOK {
							failed.Add(1)
						} else {
							good.Add(1)
						}
					}
				})
			}
			eventually(t, "load", func() bool { return good.Load() > 100 })
			before := s.reading("b1").Totals.Errors
			all[0].kill()
			at := good.Load() + failed.Load()
			eventually(t, "load goes on", func() bool { return good.Load()+failed.Load() > at+500 })
			close(stop)
			wg.Wait()
			if n := failed.Load(); n > 0 {
				t.Errorf("%d GETs failed", n)
			}
			// Those that were on their way to it, and its trials.
			if n := s.reading("b1").Totals.Errors - before; n > 100 {
				t.Errorf("the dead backend was tried %d times", n)
			}
		})
	}
}

// TestARefusingBackendIsBackAtOnce: one that restarts is used again within a
// moment of listening, with nobody deciding anything.
func TestARefusingBackendIsBackAtOnce(t *testing.T) {
	one, two := echo(t, "b1"), echo(t, "b2")
	port := freePort(t)
	s := setUp(t, pool(", scheduler: wlc", "", one, two)+listener("tcp", port, ""))
	s.deaf.Store(true)
	one.kill()
	for range 10 {
		if got, err := visit(port); got != "b2" {
			t.Fatalf("a client got %q, %v", got, err)
		}
	}
	again := serveAt(t, fmt.Sprintf("127.0.0.1:%d", one.port), "b1", greet("b1"))
	eventually(t, "b1 answers again", func() bool {
		got, err := visit(port)
		if err != nil {
			t.Fatal(err)
		}
		return got == "b1"
	})
	again.kill()
	two.kill()
	// Nobody is left: it is tried all the same, and clients are told by a reset.
	if _, err := visit(port); err == nil {
		t.Error("a client was served by nobody")
	}
}

// TestGetsOverHTTP2AreRepeated: a request without a body is one over HTTP/2,
// too, and may be sent again; the backend sees no body either.
func TestGetsOverHTTP2AreRepeated(t *testing.T) {
	cut := serveHTTP(t, "b1", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	var coded atomic.Int64
	well := serveHTTP(t, "b2", func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			coded.Add(1)
		}
		_, _ = io.WriteString(w, "b2")
	})
	port := freePort(t)
	setUp(t, pool(", scheduler: rr, ejection: {off: true}", "", cut.backend, well.backend)+listener("http", port, ""))
	c := client(t, h2c)
	for range 10 {
		if g := ask(t, c, "GET", url(port, "/"), nil); g.body != "b2" {
			t.Errorf("a GET got %s", g.Status)
		}
	}
	if coded.Load() > 0 {
		t.Errorf("%d GETs reached the backend with a chunked body", coded.Load())
	}
}

// TestUploadsThatAreResetEndNothing: clients that reset a stream while its body
// is being waited for leave the transport reading after the request is over.
func TestUploadsThatAreResetEndNothing(t *testing.T) {
	back := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	port := freePort(t)
	s := setUp(t, pool("", "", back.backend)+listener("http", port, ""))
	c := dial(t, port)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	sent := frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4, 0, 0)
	for n := range uint32(5000) {
		sent = frame(sent, 1, 4, 2*n+1, 0x83, 0x86, 0x84, 0x41, 1, 'x') // POST, its body to come
		sent = frame(sent, 3, 0, 2*n+1, 0, 0, 0, 8)
	}
	_, _ = c.Write(sent) // the connection may be ended for it
	eventually(t, "all of it is over", func() bool { return s.reading("b1").Active == 0 })
	if g := ask(t, client(t, nil), "POST", url(port, "/"), strings.NewReader("well")); g.body != "well" {
		t.Errorf("another user got %s", g.Status)
	}
}
