package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// TestBackendsOverTLS: connections are kept, a closed one costs nothing, and a
// backend whose certificate is not to be trusted gets no request.
func TestBackendsOverTLS(t *testing.T) {
	dir := t.TempDir()
	pair := issue(t, dir, "b", time.Hour, "shop.example")
	var conns, hits atomic.Int64
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			b, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/bye" {
				w.Header().Set("Connection", "close")
			}
			fmt.Fprintf(w, "%s %s %s %d", r.Proto, r.TLS.ServerName, r.URL.Path, len(b))
		}),
		ConnState: func(_ net.Conn, st http.ConnState) {
			if st == http.StateNew {
				conns.Add(1)
			}
		},
	}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	back := &backend{name: "b1", port: l.Addr().(*net.TCPAddr).Port, l: l, conns: map[net.Conn]struct{}{}}
	port := freePort(t)
	upstream := func(settings string) string {
		return pool(", upstream: {tls: true, "+settings+"}, retry: {attempts: 0}", "", back) + listener("http", port, "")
	}
	chain := filepath.Join(dir, "b.pem")
	if _, err := os.Stat(chain); err != nil {
		all, _ := filepath.Glob(dir + "/*")
		t.Fatalf("%v among %v", err, all)
	}
	s := setUp(t, upstream("server_name: shop.example, ca: "+chain))
	c := client(t, nil)
	for range 5 {
		if g := ask(t, c, "GET", url(port, "/a"), nil); g.body != "HTTP/1.1 shop.example /a 0" {
			t.Errorf("%s %q", g.Status, g.body)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for five requests in a row", n)
	}
	if g := ask(t, c, "POST", url(port, "/b"), strings.NewReader(strings.Repeat("x", 300_000))); !strings.HasSuffix(g.body, "/b 300000") {
		t.Errorf("%s %q", g.Status, g.body)
	}
	for range 3 {
		if g := ask(t, c, "POST", url(port, "/bye"), strings.NewReader("x")); !strings.HasSuffix(g.body, "/bye 1") {
			t.Errorf("%s %q", g.Status, g.body)
		}
	}
	at := hits.Load()
	s.apply(upstream("server_name: other.example, ca: " + chain))
	if g := ask(t, c, "GET", url(port, "/a"), nil); g.StatusCode != http.StatusBadGateway || hits.Load() != at {
		t.Errorf("with another's certificate: %s %q", g.Status, g.body)
	}
	s.apply(upstream("insecure: true"))
	if g := ask(t, c, "GET", url(port, "/a"), nil); g.StatusCode != http.StatusOK {
		t.Errorf("insecure: %s %q", g.Status, g.body)
	}
}

// TestBackendsLearnTheClientByPROXY: over a connection that is the client's
// alone.
func TestBackendsLearnTheClientByPROXY(t *testing.T) {
	var conns atomic.Int64
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		conns.Add(1)
		r := bufio.NewReader(c)
		h, err := proxyproto.Read(r, true, true)
		if err != nil {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 500 %v\r\nContent-Length: 0\r\n\r\n", err)
			return
		}
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		text := fmt.Sprintf("%s %s close=%v", h.Source.Addr(), h.Destination, q.Close)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	})
	for _, version := range []string{"v1", "v2"} {
		port := freePort(t)
		setUp(t, pool(", upstream: {proxy_protocol: "+version+"}", "", back)+listener("http", port, ""))
		c := client(t, nil)
		at := conns.Load()
		for range 3 {
			if g := ask(t, c, "GET", url(port, "/"), nil); g.body != fmt.Sprintf("127.0.0.1 127.0.0.1:%d close=true", port) {
				t.Errorf("%s: %s %q", version, g.Status, g.body)
			}
		}
		if n := conns.Load() - at; n != 3 {
			t.Errorf("%s: %d connections for three requests", version, n)
		}
	}
}

// TestAKilledBackendTakesNothingOfTheBudget: requests that were in flight on new
// connections when it died are repeated, though no retry is allowed to carry
// load; a backend that lives and cannot stand a request still uses the budget.
func TestAKilledBackendTakesNothingOfTheBudget(t *testing.T) {
	hold := make(chan struct{})
	var in atomic.Int64
	one := serveHTTP(t, "b1", func(http.ResponseWriter, *http.Request) { in.Add(1); <-hold })
	two := serveHTTP(t, "b2", nil)
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	three, four := serveHTTP(t, "b3", abort), serveHTTP(t, "b4", abort)
	port := freePort(t)
	settings := ", scheduler: rr, retry: {budget: 0%}, ejection: {off: true}"
	s := setUp(t, pool(settings, "", one.backend)+listener("http", port, ""))
	s.deaf.Store(true)
	const requests = 100
	c, answers := client(t, nil), make(chan string, requests)
	for range requests {
		go func() {
			g, err := tryAsk(c, "GET", url(port, "/"), nil)
			answers <- fmt.Sprint(g.body, err)
		}()
	}
	eventually(t, "all are in it", func() bool { return in.Load() == requests })
	s.apply(pool(settings, "", one.backend, two.backend) + listener("http", port, ""))
	one.kill()
	defer close(hold)
	for range requests {
		if a := <-answers; a != "b2<nil>" {
			t.Errorf("a request that was in flight got %q", a)
		}
	}
	s.apply(pool(settings, "", three.backend, four.backend) + listener("http", port, ""))
	// What the start gives, and three each second.
	bad, began := 0, time.Now()
	for range requests {
		if g := ask(t, c, "GET", url(port, "/"), nil); g.StatusCode == http.StatusBadGateway {
			bad++
		}
	}
	if n := three.hits.Load() + four.hits.Load(); bad != requests || n > requests+30+3*(2+int64(time.Since(began)/time.Second)) {
		t.Errorf("%d of %d failed, after %d attempts", bad, requests, n)
	}
}
