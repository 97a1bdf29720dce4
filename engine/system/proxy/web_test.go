package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
)

// site is a backend that speaks HTTP.
type site struct {
	*backend
	hits atomic.Int64
}

// serveHTTP runs a handler as a backend; nil says its name.
func serveHTTP(t testing.TB, name string, h http.HandlerFunc) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &site{backend: &backend{name: name, port: l.Addr().(*net.TCPAddr).Port, l: l, conns: map[net.Conn]struct{}{}}}
	if h == nil {
		h = func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) }
	}
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Protocols: &p,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b.hits.Add(1)
			h(w, r)
		}),
		ConnState: func(c net.Conn, st http.ConnState) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if st == http.StateNew {
				b.conns[c] = struct{}{}
			} else if st == http.StateClosed {
				delete(b.conns, c)
			}
		},
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { b.kill(); _ = s.Close() })
	return b
}

// sites makes backends of HTTP ones.
func sites(all ...*site) []*backend {
	var b []*backend
	for _, s := range all {
		b = append(b, s.backend)
	}
	return b
}

// client is one user: keep-alive, its own connections, no help from the
// library.
func client(t testing.TB, set func(*http.Transport)) *http.Client {
	tr := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if set != nil {
		set(tr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func h2c(tr *http.Transport) {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr.Protocols = &p
}

// got is an answer, read whole.
type got struct {
	*http.Response
	body string
}

// ask sends one request; headers are pairs.
func ask(t testing.TB, c *http.Client, method, url string, body io.Reader, headers ...string) got {
	t.Helper()
	g, err := tryAsk(c, method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func tryAsk(c *http.Client, method, url string, body io.Reader, headers ...string) (got, error) {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		return got{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return got{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return got{resp, string(b)}, err
}

func url(port int, path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }

// mirror answers with what reached it.
func mirror(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Reply", "yes")
	w.Header().Set("Connection", "X-Hop")
	w.Header().Set("X-Hop", "must not pass")
	w.Header().Set("Trailer", "X-Sum")
	fmt.Fprintf(w, "%s %s host=%s body=%s\n", r.Method, r.RequestURI, r.Host, b)
	for _, k := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Drop", "Keep-Alive", "Te", "Cookie", "User-Agent"} {
		fmt.Fprintf(w, "%s=%s\n", k, strings.Join(r.Header.Values(k), "|"))
	}
	w.Header().Set("X-Sum", fmt.Sprint(len(b)))
}

func TestRequestsOverEveryVersion(t *testing.T) {
	one := serveHTTP(t, "b1", mirror)
	port := freePort(t)
	s := setUp(t, pool("", "", one.backend)+listener("http", port, ""))
	for name, set := range map[string]func(*http.Transport){"HTTP/1.1": nil, "HTTP/2.0": h2c} {
		t.Run(name, func(t *testing.T) {
			c := client(t, set)
			g := ask(t, c, "POST", url(port, "/a%2Fb/?q=1;2"), strings.NewReader("hello"),
				"Host", "shop.example", "X-Forwarded-For", "6.6.6.6", "Forwarded", "for=6.6.6.6", "User-Agent", "me")
			if g.Proto != name || g.StatusCode != 200 {
				t.Fatalf("%s %s", g.Proto, g.Status)
			}
			for _, want := range []string{
				"POST /a%2Fb/?q=1;2 host=shop.example body=hello\n", "X-Forwarded-For=127.0.0.1\n", "X-Forwarded-Proto=http\n",
				"X-Forwarded-Host=shop.example\n", fmt.Sprintf("X-Forwarded-Port=%d\n", port), "\nForwarded=\n", "User-Agent=me\n",
			} {
				if !strings.Contains(g.body, want) {
					t.Errorf("no %q in\n%s", want, g.body)
				}
			}
			if g.Header.Get("X-Hop") != "" || g.Header.Get("X-Reply") != "yes" || g.Trailer.Get("X-Sum") != "5" {
				t.Errorf("headers %v, trailer %v", g.Header, g.Trailer)
			}
		})
	}
	// Hop-by-hop headers of the client end here.
	g := ask(t, client(t, nil), "GET", url(port, "/"), nil, "Connection", "X-Drop", "X-Drop", "1", "Keep-Alive", "timeout=5")
	if !strings.Contains(g.body, "X-Drop=\nKeep-Alive=\n") {
		t.Errorf("hop-by-hop headers passed:\n%s", g.body)
	}
	// From a trusted peer the chain is kept; a listener may leave it all alone.
	s.apply(pool("", "", one.backend) + listener("http", port, ", trust_from: [127.0.0.0/8]"))
	g = ask(t, client(t, nil), "GET", url(port, "/"), nil, "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https")
	if !strings.Contains(g.body, "X-Forwarded-For=6.6.6.6, 127.0.0.1\nX-Forwarded-Proto=https\n") {
		t.Errorf("a trusted peer's word is lost:\n%s", g.body)
	}
	s.apply(pool("", "", one.backend) + listener("http", port, ", x_forwarded: false"))
	if g = ask(t, client(t, nil), "GET", url(port, "/"), nil); !strings.Contains(g.body, "X-Forwarded-For=\n") {
		t.Errorf("x_forwarded: false adds it:\n%s", g.body)
	}
}

func TestBackendsOverHTTP2(t *testing.T) {
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	port := freePort(t)
	setUp(t, pool(", upstream: {http2: true}", "", one.backend)+listener("http", port, ""))
	if g := ask(t, client(t, nil), "GET", url(port, "/"), nil); g.body != "HTTP/2.0" {
		t.Errorf("the backend was spoken to by %s", g.body)
	}
}

func TestRedirectToHTTPS(t *testing.T) {
	port := freePort(t)
	setUp(t, fmt.Sprintf("listeners:\n- {name: l, site: here, protocol: http, port: %d, redirect: {port: 8443, code: 301}}\n", port))
	g := ask(t, client(t, nil), "GET", url(port, "/a?b=c"), nil, "Host", "shop.example:80")
	if g.StatusCode != 301 || g.Header.Get("Location") != "https://shop.example:8443/a?b=c" {
		t.Errorf("%s, to %s", g.Status, g.Header.Get("Location"))
	}
}

// TestKilledBackendCostsNoGet: under load one of three is killed with requests
// in flight; only what is not idempotent may fail.
func TestKilledBackendCostsNoGet(t *testing.T) {
	var waiting atomic.Int64
	hold := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			waiting.Add(1)
			<-hold
		}
		_, _ = io.WriteString(w, "late")
	}
	one, two, three := serveHTTP(t, "b1", slow), serveHTTP(t, "b2", nil), serveHTTP(t, "b3", nil)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr", "", sites(one, two, three)...)+listener("http", port, ""))
	defer close(hold)
	// Requests that wait in b1 when it dies.
	held := make(chan string, 64)
	var wg sync.WaitGroup
	c := client(t, nil)
	for range 30 {
		wg.Go(func() {
			g, err := tryAsk(c, "GET", url(port, "/hold"), nil)
			held <- fmt.Sprint(g.body, err)
		})
	}
	eventually(t, "ten of them are in b1", func() bool { return waiting.Load() == 10 })
	stop := make(chan struct{})
	var failed, good atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if g, err := tryAsk(c, "GET", url(port, "/"), nil); err != nil || g.StatusCode != 200 {
					failed.Add(1)
				} else {
					good.Add(1)
				}
			}
		})
	}
	eventually(t, "load", func() bool { return good.Load() > 100 })
	one.kill()
	at := good.Load()
	eventually(t, "load goes on", func() bool { return good.Load() > at+200 })
	close(stop)
	wg.Wait()
	close(held)
	for h := range held {
		if h != "b2<nil>" && h != "b3<nil>" {
			t.Errorf("a request that waited in the killed backend got %q", h)
		}
	}
	if failed.Load() > 0 || s.reading("l").Totals.Errors > 0 {
		t.Errorf("%d GETs failed; the listener counted %+v", failed.Load(), s.reading("l").Totals)
	}
	if s.reading("l").Totals.Retries < 10 {
		t.Errorf("ten requests were in it: %d retries", s.reading("l").Totals.Retries)
	}
}

// TestPostsAreNotRepeated: a request that may have had its effect is not sent
// again, one that surely did not arrive is.
func TestPostsAreNotRepeated(t *testing.T) {
	cut := serveHTTP(t, "b1", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	well := serveHTTP(t, "b2", nil)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {off: true}", "", cut.backend, well.backend)+listener("http", port, ""))
	c := client(t, nil)
	bad := 0
	for range 10 {
		if g := ask(t, c, "POST", url(port, "/"), strings.NewReader("x")); g.StatusCode == http.StatusBadGateway {
			bad++
		}
	}
	if int64(bad) != cut.hits.Load() || bad != 5 || well.hits.Load() != 5 {
		t.Errorf("%d answered 502; b1 got %d requests, b2 %d; want 5 each", bad, cut.hits.Load(), well.hits.Load())
	}
	for range 10 {
		if g := ask(t, c, "GET", url(port, "/"), nil); g.body != "b2" {
			t.Errorf("a GET got %s", g.Status)
		}
	}
	cut.kill()
	s.apply(pool(", scheduler: rr, ejection: {off: true}", "", cut.backend, well.backend) + listener("http", port, ""))
	for range 10 {
		if g := ask(t, c, "POST", url(port, "/"), strings.NewReader("x")); g.body != "b2" {
			t.Errorf("a POST that could not be connected got %s", g.Status)
		}
	}
}

// TestRetriesStayInTheirBudget: when every backend fails, retries end.
func TestRetriesStayInTheirBudget(t *testing.T) {
	bad := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	one, two := serveHTTP(t, "b1", bad), serveHTTP(t, "b2", bad)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {off: true}, retry: {budget: 10%}", "", one.backend, two.backend)+listener("http", port, ""))
	c := client(t, nil)
	for range 200 {
		if g := ask(t, c, "GET", url(port, "/"), nil); g.StatusCode != http.StatusBadGateway {
			t.Fatal(g.Status)
		}
	}
	// 200 requests earn 20, the start 30, and each second 3.
	seconds := uint64(time.Since(s.began)/time.Second) + 1
	if r := s.reading("l").Totals; r.Retries < 40 || r.Retries > 50+3*seconds || r.Errors != 200 {
		t.Errorf("%+v", r)
	}
}

// TestFrozenBackendGivesItsRequestsBack: a backend is stopped with requests in
// it; when its probes take it out, those that could go elsewhere do.
func TestFrozenBackendGivesItsRequestsBack(t *testing.T) {
	thaw := make(chan struct{})
	var in atomic.Int64
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.ReadAll(r.Body)
		}
		in.Add(1)
		<-thaw
		_, _ = io.WriteString(w, "b1")
	})
	two := serveHTTP(t, "b2", nil)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr", "", one.backend, two.backend)+listener("http", port, ""))
	s.health("b2", api.Down) // everything goes to b1
	c := client(t, nil)
	gets, posts := make(chan string, 8), make(chan string, 8)
	for range 8 {
		go func() { g, err := tryAsk(c, "GET", url(port, "/"), nil); gets <- fmt.Sprint(g.body, err) }()
		go func() {
			g, err := tryAsk(c, "POST", url(port, "/"), strings.NewReader("x"))
			posts <- fmt.Sprint(g.body, err)
		}()
	}
	eventually(t, "b1 has them all", func() bool { return in.Load() == 16 })
	s.health("b1", api.Down)
	if n := s.reading("l").Totals.Retries; n != 0 {
		t.Errorf("%d were given up while nobody could take them", n)
	}
	s.health("b2", api.Up)
	for range 8 {
		select {
		case g := <-gets:
			if g != "b2<nil>" {
				t.Errorf("a GET got %q", g)
			}
		case <-time.After(patience):
			t.Fatal("a GET still waits for a dead backend")
		}
	}
	select {
	case p := <-posts:
		t.Errorf("a POST got %q before its backend answered", p)
	default:
	}
	close(thaw) // it comes to itself: what waited for it is answered
	for range 8 {
		if p := <-posts; p != "b1<nil>" {
			t.Errorf("a POST got %q", p)
		}
	}
	if r := s.reading("l").Totals; r.Errors != 0 || r.Retries != 8 {
		t.Errorf("%+v", r)
	}
}

func TestCutRequestsOfADrainGoElsewhere(t *testing.T) {
	thaw := make(chan struct{})
	defer close(thaw)
	var in atomic.Int64
	one := serveHTTP(t, "b1", func(http.ResponseWriter, *http.Request) { in.Add(1); <-thaw })
	two := serveHTTP(t, "b2", nil)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr", "", one.backend, two.backend)+listener("http", port, ""))
	s.health("b2", api.Down)
	answer := make(chan string, 1)
	go func() {
		g, err := tryAsk(client(t, nil), "GET", url(port, "/"), nil)
		answer <- fmt.Sprint(g.body, err)
	}()
	eventually(t, "b1 has it", func() bool { return in.Load() == 1 })
	s.health("b2", api.Up)
	s.tell(balance.Drain{Backend: "b1", For: time.Millisecond})
	eventually(t, "the deadline is over", func() bool { s.tell(balance.Wake{}); return len(answer) == 1 })
	if a := <-answer; a != "b2<nil>" {
		t.Errorf("it got %q", a)
	}
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("the cut was held against the backend: %d errors", n)
	}
}

func TestTimeouts(t *testing.T) {
	thaw := make(chan struct{})
	one := serveHTTP(t, "b1", func(http.ResponseWriter, *http.Request) { <-thaw })
	port := freePort(t)
	setUp(t, pool(", retry: {attempts: 0}", "", one.backend)+listener("http", port, ", request: 1s, header: 1s, idle: 1s"))
	t.Cleanup(func() { close(thaw) }) // parallel parts go on behind the end of this one
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		if g := ask(t, client(t, nil), "GET", url(port, "/"), nil); g.StatusCode != http.StatusGatewayTimeout {
			t.Error(g.Status)
		}
	})
	for name, sent := range map[string]string{"header": "GET / HTTP/1.1\r\nHost: x\r\nX-Slow", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, port)
			_, _ = io.WriteString(c, sent)
			began := time.Now()
			_, err := io.ReadAll(c) // to its end
			if took := time.Since(began); err != nil || took < 900*time.Millisecond || took > 5*time.Second {
				t.Errorf("the connection ended after %s, %v", took, err)
			}
		})
	}
	t.Run("drip", func(t *testing.T) { // slowloris: a byte now and then does not put it off
		t.Parallel()
		c := dial(t, port)
		began := time.Now()
		done := make(chan struct{})
		go func() { defer close(done); _, _ = io.ReadAll(c) }()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for enough := time.After(patience); ; {
			select {
			case <-tick.C:
				_, _ = io.WriteString(c, "a")
				continue
			case <-done:
			case <-enough:
				t.Errorf("a slow client is kept for %s", time.Since(began))
			}
			break
		}
	})
}

func TestWebLimitsAndQueue(t *testing.T) {
	thaw := make(chan struct{})
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) { <-thaw; _, _ = io.WriteString(w, "b1") })
	port := freePort(t)
	s := setUp(t, pool("", ", flows_max: 2, queue_max: 3, queue_for: 10s", one.backend)+listener("http", port, ""))
	c := client(t, nil)
	answers := make(chan int, 10)
	for range 10 {
		go func() {
			g, err := tryAsk(c, "GET", url(port, "/"), nil)
			if err != nil {
				answers <- -1
				return
			}
			if g.StatusCode == 503 && (g.Header.Get("Retry-After") == "" || g.body != "all servers are busy\n") {
				answers <- -2
				return
			}
			answers <- g.StatusCode
		}()
	}
	for range 5 { // two in it, three in the queue, five refused at once
		if a := <-answers; a != http.StatusServiceUnavailable {
			t.Errorf("got %d", a)
		}
	}
	if n := s.reading("b1").Active; n != 2 {
		t.Errorf("%d requests on a backend that takes two", n)
	}
	close(thaw)
	for range 5 {
		if a := <-answers; a != http.StatusOK {
			t.Errorf("got %d", a)
		}
	}
}

func TestEjectionByAnswers(t *testing.T) {
	var sick atomic.Bool
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "b1")
	})
	two := serveHTTP(t, "b2", nil)
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {failures: 3, for: 60s}", "", one.backend, two.backend)+listener("http", port, ""))
	sick.Store(true)
	c := client(t, nil)
	ejected := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, b := range s.balancer.Status() {
			if b.Backend == "b1" && b.Phase == api.PhaseEjected {
				return strings.Contains(b.Reason, "503")
			}
		}
		return false
	}
	eventually(t, "it is ejected", func() bool { ask(t, c, "GET", url(port, "/"), nil); return ejected() })
	at := one.hits.Load()
	for range 20 {
		if g := ask(t, c, "GET", url(port, "/"), nil); g.body != "b2" {
			t.Errorf("%s from %q", g.Status, g.body)
		}
	}
	if one.hits.Load() != at {
		t.Error("the ejected backend was asked")
	}
}

// TestPanicUsesAllBackends: with too few left, all of them are tried.
func TestPanicUsesAllBackends(t *testing.T) {
	all := []*site{serveHTTP(t, "b1", nil), serveHTTP(t, "b2", nil), serveHTTP(t, "b3", nil)}
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, panic: 50%", "", sites(all...)...)+listener("http", port, ""))
	seen := func() map[string]bool {
		seen, c := map[string]bool{}, client(t, nil)
		for range 9 {
			seen[ask(t, c, "GET", url(port, "/"), nil).body] = true
		}
		return seen
	}
	s.health("b1", api.Down)
	if got := seen(); got["b1"] || len(got) != 2 {
		t.Errorf("with one of three down: %v", got)
	}
	s.health("b2", api.Down)
	if got := seen(); len(got) != 3 {
		t.Errorf("with two of three down: %v", got)
	}
}

func TestCookiePersistence(t *testing.T) {
	name := func(n string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "s-" + n})
			fmt.Fprintf(w, "%s %s", n, r.Header.Get("Cookie"))
		}
	}
	one, two := serveHTTP(t, "b1", name("b1")), serveHTTP(t, "b2", name("b2"))
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, persistence: {kind: cookie-insert, for: 60s}", "", one.backend, two.backend)+listener("http", port, ""))
	c := client(t, nil)
	cookie := func(g got, name string) string {
		for _, k := range g.Cookies() {
			if k.Name == name {
				return k.Value
			}
		}
		return ""
	}
	g := ask(t, c, "GET", url(port, "/"), nil)
	first, mark := g.body[:2], cookie(g, "SERVERID")
	if mark == "" || strings.Contains(mark, first) || g.Header.Get("Cache-Control") != "private" {
		t.Fatalf("mark %q of %s, %v", mark, first, g.Header)
	}
	for range 6 {
		g := ask(t, c, "GET", url(port, "/"), nil, "Cookie", "a=b; SERVERID="+mark)
		if g.body != first+" a=b" || cookie(g, "SERVERID") != "" {
			t.Errorf("%q, again %q", g.body, cookie(g, "SERVERID"))
		}
	}
	// It draws nobody to a backend that is down, and the client learns the new one.
	s.health(first, api.Down)
	if g := ask(t, c, "GET", url(port, "/"), nil, "Cookie", "SERVERID="+mark); g.body[:2] == first || cookie(g, "SERVERID") == mark || cookie(g, "SERVERID") == "" {
		t.Errorf("%q with %q", g.body, cookie(g, "SERVERID"))
	}
	s.health(first, api.Up)
	for _, junk := range []string{"nobody", "", "\"", strings.Repeat("f", 4000)} {
		if g := ask(t, c, "GET", url(port, "/"), nil, "Cookie", "SERVERID="+junk); g.StatusCode != 200 {
			t.Errorf("%q: %s", junk, g.Status)
		}
	}

	s.apply(pool(", scheduler: rr, persistence: {kind: cookie-rewrite, cookie: SESSION}", "", one.backend, two.backend) + listener("http", port, ""))
	g = ask(t, c, "GET", url(port, "/"), nil)
	first, mark = g.body[:2], cookie(g, "SESSION")
	if !strings.HasSuffix(mark, "s-"+first) || mark == "s-"+first {
		t.Fatalf("rewritten to %q", mark)
	}
	for range 6 {
		if g := ask(t, c, "GET", url(port, "/"), nil, "Cookie", "SESSION="+mark); g.body != first+" SESSION=s-"+first {
			t.Errorf("the backend saw %q", g.body)
		}
	}
}

// TestUpgrade: a WebSocket's bytes go both ways, behind what came with the
// handshake, and its end reaches the other side.
func TestUpgrade(t *testing.T) {
	ended := make(chan struct{})
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c, rw, _ := http.NewResponseController(w).Hijack()
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello\n")
		_ = rw.Flush()
		_, _ = io.Copy(c, rw)
		close(ended)
	})
	port := freePort(t)
	s := setUp(t, pool("", "", one.backend)+listener("http", port, ""))
	c := dial(t, port)
	_, _ = io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "x" {
		t.Fatalf("%v, %v", resp, err)
	}
	for _, want := range []string{"hello", "early"} {
		if got, err := line(r); got != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	_, _ = io.WriteString(c, "more\n")
	if got, _ := line(r); got != "more" {
		t.Errorf("%q", got)
	}
	if l, b := s.reading("l").Active, s.reading("b1").Active; l != 1 || b != 1 {
		t.Errorf("an open WebSocket counts as %d and %d flows", l, b)
	}
	_ = c.Close()
	<-ended
	eventually(t, "the flow ends", func() bool { return s.reading("l").Active == 0 && s.reading("b1").Active == 0 })
}

// TestCountsOfTheWeb: each figure, once.
func TestCountsOfTheWeb(t *testing.T) {
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/bad" {
			w.WriteHeader(500)
		}
		_, _ = w.Write(make([]byte, 2*n))
	})
	port := freePort(t)
	s := setUp(t, pool("", "", one.backend)+listener("http", port, ""))
	c := client(t, nil)
	ask(t, c, "POST", url(port, "/"), strings.NewReader(strings.Repeat("x", 1000)))
	ask(t, c, "POST", url(port, "/bad"), struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 500))}) // chunked
	ask(t, c, "GET", url(port, "/"), nil)
	eventually(t, "the requests end", func() bool { return s.reading("b1").Active == 0 })
	// reading resets the latencies, so they are asked for in one go.
	ask(t, c, "GET", url(port, "/"), nil)
	l := s.reading("l")
	if x := l.Totals; x.Requests != 4 || x.Errors != 1 || x.InBytes != 1500 || x.OutBytes != 3000 || x.Flows != 1 || l.Active != 1 {
		t.Errorf("listener: %+v, %d active", x, l.Active)
	}
	eventually(t, "the last one ends", func() bool { return s.reading("b1").Active == 0 })
	if x := s.reading("b1").Totals; x.Requests != 4 || x.InBytes != 1500 || x.OutBytes != 3000 || x.Flows != 4 {
		t.Errorf("backend: %+v", x)
	}
}

// TestClientsThatLeaveAreNotHeldAgainstTheBackend.
func TestClientsThatLeaveAreNotHeldAgainstTheBackend(t *testing.T) {
	left := make(chan struct{}, 10)
	one := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); left <- struct{}{} })
	port := freePort(t)
	s := setUp(t, pool(", ejection: {failures: 3, for: 60s}", "", one.backend)+listener("http", port, ""))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", url(port, "/"), nil)
		at := one.hits.Load()
		go func() {
			eventually(t, "it is there", func() bool { return one.hits.Load() > at })
			cancel()
		}()
		// It leaves by a reset: a FIN alone may be a client that only waits.
		c := client(t, func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err == nil {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				return c, err
			}
		})
		if _, err := c.Do(r); err == nil {
			t.Error("it was answered")
		}
		<-left // the backend learns of it
	}
	eventually(t, "all end", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("%d errors", n)
	}
}

// TestHalfClosedClientsGetTheirAnswer: over HTTP and HTTPS a client that sends
// no more hears what it asked for, also what it asked behind it; one that has
// left is not waited for longer than the request time.
func TestHalfClosedClientsGetTheirAnswer(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, 10)
	back := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
			_, _ = io.WriteString(w, "well "+r.URL.Path)
		}
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back.backend)+listener("http", port, ", request: 1s"))
	half := func() *net.TCPConn {
		c := dial(t, port)
		_, _ = io.WriteString(c, "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = c.CloseWrite()
		<-asked
		return c
	}
	c := half()
	// Time enough for the server to see the end.
	<-time.After(50 * time.Millisecond)
	release <- struct{}{}
	go func() { <-asked; release <- struct{}{} }()
	b, err := io.ReadAll(c)
	if err != nil || strings.Count(string(b), "200 OK") != 2 || !strings.Contains(string(b), "well /one") || !strings.Contains(string(b), "well /two") {
		t.Errorf("a half-closed client got %q, %v", b, err)
	}
	c = half()
	if b, _ := io.ReadAll(c); strings.Contains(string(b), "200") {
		t.Errorf("without an answer of the backend it got %q", b)
	}
	eventually(t, "nobody is waited for", func() bool { return s.reading("b1").Active == 0 })
}
