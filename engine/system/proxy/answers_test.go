package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
)

// raw is a backend that a test writes the answers of: serve gets each request's
// head, read, and the connection with what comes behind it.
func raw(t *testing.T, serve func(head *http.Request, c *net.TCPConn, r *bufio.Reader) bool) *backend {
	t.Helper()
	return serveTCP(t, "b1", func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(patience))
		r := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(r)
			if err != nil || !serve(q, c, r) {
				return
			}
		}
	})
}

// TestMalformedAnswersAreRefused: an answer whose end could be seen in two
// places is a 502 with its reason, and never becomes two answers.
func TestMalformedAnswersAreRefused(t *testing.T) {
	for name, sent := range map[string]string{
		"two different lengths": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
		"both":                  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded":                "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"control character":     "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"CRLF":                  "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			back := raw(t, func(_ *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
				_, err := io.WriteString(c, sent)
				return err == nil
			})
			port := freePort(t)
			s := setUp(t, pool(", retry: {attempts: 0}, ejection: {failures: 1, for: 60s}", "", back)+listener("http", port, ""))
			if g := ask(t, client(t, nil), "GET", url(port, "/"), nil); g.StatusCode != http.StatusBadGateway || g.body != "the server's answer is malformed\n" {
				t.Errorf("%s: %q", g.Status, g.body)
			}
			eventually(t, "it is held against the backend, with its reason", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, o := range s.outcomes {
					if strings.Contains(o.Reason, "malformed answer: ") && strings.Contains(o.Reason, name) {
						return true
					}
				}
				return false
			})
		})
	}
}

// TestASplitAnswerReachesNobodyElse: a backend that one client gets to send a
// second answer behind the first poisons no connection.
func TestASplitAnswerReachesNobodyElse(t *testing.T) {
	back := raw(t, func(q *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"
		if q.URL.Path == "/split" {
			answer += "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
		}
		_, err := io.WriteString(c, answer)
		return err == nil
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("http", port, ""))
	attacker, victim := client(t, nil), client(t, nil)
	for range 20 {
		for c, path := range map[*http.Client]string{attacker: "/split", victim: "/"} {
			if g := ask(t, c, "GET", url(port, path), nil); g.body != "well" {
				t.Fatalf("a client got %q", g.body)
			}
		}
	}
}

// TestAnswersBeforeTheEndOfTheBody: a backend answers while the client still
// sends; both go on, whatever way the body is framed.
func TestAnswersBeforeTheEndOfTheBody(t *testing.T) {
	back := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = c.Flush()
		b := make([]byte, 1<<10)
		for {
			n, err := r.Body.Read(b)
			_, _ = w.Write(b[:n])
			_ = c.Flush()
			if err != nil {
				return
			}
		}
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back.backend)+listener("http", port, ""))
	for _, framing := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		c := dial(t, port)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", framing)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil) // before a byte of the body
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v, %v", framing, resp, err)
		}
		part := strings.Repeat("x", 10_000)
		got := make([]byte, len(part))
		for range 10 {
			if strings.HasPrefix(framing, "T") {
				fmt.Fprintf(c, "%x\r\n%s\r\n", len(part), part)
			} else {
				_, _ = io.WriteString(c, part)
			}
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part {
				t.Fatalf("%s: %v", framing, err)
			}
		}
		if strings.HasPrefix(framing, "T") {
			_, _ = io.WriteString(c, "0\r\n\r\n")
		}
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v behind it", framing, rest, err)
		}
	}
	eventually(t, "the requests end", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("%d errors", n)
	}
}

// TestAnAnswerThatMakesTheBodyNeedless: the client gets it at once, the rest of
// its body is not taken for a request, and the backend is not to blame.
func TestAnAnswerThatMakesTheBodyNeedless(t *testing.T) {
	back := raw(t, func(q *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
		_, _ = io.CopyN(io.Discard, c, 100_000) // or it would be a reset
		return false
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back)+listener("http", port, ""))
	c := dial(t, port)
	go func() {
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
		for range 10 {
			_, _ = io.WriteString(c, strings.Repeat("GET /evil HTTP/1.1\r\nHost: x\r\n\r\n", 300))
		}
	}()
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		t.Fatalf("%v, %v", resp, err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "no\n" {
		t.Errorf("%q, %v", b, err)
	}
	if resp, err := http.ReadResponse(r, nil); err == nil {
		t.Errorf("its body became a request, which got %s", resp.Status)
	}
	// A short body is not waited for either.
	short := dial(t, port)
	_, _ = io.WriteString(short, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	if resp, err := http.ReadResponse(bufio.NewReader(short), nil); err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		t.Errorf("with half a short body: %v, %v", resp, err)
	}
	_ = short.Close()
	eventually(t, "both end", func() bool { return s.reading("b1").Active == 0 })
	if l := s.reading("l").Totals; l.Requests != 2 || s.reading("b1").Totals.Errors != 0 {
		t.Errorf("%+v, backend %+v", l, s.reading("b1").Totals)
	}
}

// TestContinueAndHints: 100 is asked for by the backend alone, other interim
// answers reach the client with their headers, and only those.
func TestContinueAndHints(t *testing.T) {
	back := raw(t, func(q *http.Request, c *net.TCPConn, r *bufio.Reader) bool {
		if q.URL.Path == "/refuse" {
			_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			return false
		}
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
		if r.Buffered() > 0 {
			_, _ = io.WriteString(c, "HTTP/1.1 500 The body came unasked\r\nContent-Length: 0\r\n\r\n")
			return false
		}
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		b, _ := io.ReadAll(q.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		return true
	})
	port := freePort(t)
	setUp(t, pool(", retry: {attempts: 0}", "", back)+listener("http", port, ""))
	for _, path := range []string{"/", "/refuse"} {
		var interim []string
		continued := false
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				interim = append(interim, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
			Got100Continue: func() { continued = true },
		}), "POST", url(port, path), strings.NewReader("hello"))
		r.Header.Set("Expect", "100-continue")
		c := client(t, func(tr *http.Transport) { tr.ExpectContinueTimeout = 10 * time.Second })
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if path == "/refuse" {
			if resp.StatusCode != http.StatusUnauthorized || continued {
				t.Errorf("%s, continued %v", resp.Status, continued)
			}
			continue
		}
		if string(b) != "hello" || !continued || len(interim) == 0 || interim[0] != "103</a.css>" || resp.Header.Get("Link") != "" {
			t.Errorf("%s %q, continued %v, interim %v, headers %v", resp.Status, b, continued, interim, resp.Header)
		}
	}
}

// TestTrailersPassBothWays, declared or not; none of them becomes a length.
func TestTrailersPassBothWays(t *testing.T) {
	seen := make(chan http.Header, 1)
	back := raw(t, func(q *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
		_, _ = io.ReadAll(q.Body)
		seen <- q.Trailer
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 5\r\nX-More: 6\r\nContent-Length: 9\r\n\r\n")
		return err == nil
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("http", port, ""))
	for name, set := range map[string]func(*http.Transport){"HTTP/1.1": nil, "HTTP/2": h2c} {
		r, _ := http.NewRequest("POST", url(port, "/"), struct{ io.Reader }{strings.NewReader("hello")})
		r.Trailer = http.Header{"X-Up": {"7"}}
		resp, err := client(t, set).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(b) != "hi" || err != nil || resp.Trailer.Get("X-Sum") != "5" || resp.Trailer.Get("X-More") != "6" || resp.Trailer.Get("Content-Length") != "" {
			t.Errorf("%s: %q, %v, trailer %v", name, b, err, resp.Trailer)
		}
		if up := <-seen; up.Get("X-Up") != "7" {
			t.Errorf("%s: the backend got %v", name, up)
		}
	}
}

// TestAnswersByTheEndOfTheConnection: of HTTP/1.0, and a stream whose events
// come when they come: its head does not wait for the first.
func TestAnswersByTheEndOfTheConnection(t *testing.T) {
	next := make(chan string)
	back := raw(t, func(q *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
		_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for event := range next {
			_, _ = io.WriteString(c, event)
		}
		return false
	})
	port := freePort(t)
	setUp(t, pool("", "", back)+listener("http", port, ""))
	resp, err := client(t, nil).Get(url(port, "/"))
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(resp, err)
	}
	for _, event := range []string{"one\n", "two\n"} {
		next <- event
		if got, err := line(resp.Body); got+"\n" != event || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	close(next)
	if b, err := io.ReadAll(resp.Body); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestLongBodies arrive byte for byte, and one that breaks off breaks off for
// the client, too.
func TestLongBodies(t *testing.T) {
	const size = 3 << 20
	body := strings.Repeat("0123456789abcde\n", size/16)
	back := raw(t, func(q *http.Request, c *net.TCPConn, _ *bufio.Reader) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		if q.URL.Path == "/half" {
			_, _ = io.WriteString(c, body[:size/2])
			return false
		}
		_, err := io.WriteString(c, body)
		return err == nil
	})
	port := freePort(t)
	s := setUp(t, pool(", ejection: {off: true}", "", back)+listener("http", port, ""))
	for name, set := range map[string]func(*http.Transport){"HTTP/1.1": nil, "HTTP/2": h2c} {
		for range 3 {
			if g := ask(t, client(t, set), "GET", url(port, "/"), nil); g.body != body {
				t.Errorf("%s: %d bytes", name, len(g.body))
			}
		}
		if g, err := tryAsk(client(t, set), "GET", url(port, "/half"), nil); err == nil {
			t.Errorf("%s: half a body looks whole: %d bytes", name, len(g.body))
		}
	}
	eventually(t, "all end", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals; n.Errors != 2 || n.OutBytes != 7*size {
		t.Errorf("%+v, want 2 errors and %d bytes out", n, 7*size)
	}
	// A client that goes in the middle is not the backend's fault.
	c := dial(t, port)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.ReadFull(c, make([]byte, 1000))
	_ = c.SetLinger(0)
	_ = c.Close()
	eventually(t, "it ends", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 2 {
		t.Errorf("%d errors", n)
	}
}

// TestACutEndsALongBody at once, for the client as for the backend.
func TestACutEndsALongBody(t *testing.T) {
	gone := make(chan struct{})
	back := raw(t, func(q *http.Request, c *net.TCPConn, r *bufio.Reader) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nhello")
		_, _ = r.ReadByte()
		close(gone)
		return false
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back)+listener("http", port, ""))
	c := dial(t, port)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	s.health("b1", api.Down)
	s.proxy.Cut(cutOf("b1"))
	<-gone
	if b, err := io.ReadAll(c); strings.Contains(string(b), "0\r\n\r\n") {
		t.Errorf("it looks whole: %q, %v", b, err)
	}
	eventually(t, "it ends", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("%d errors", n)
	}
}

// TestSlowHeadsHearWhy: a head that does not come to its end in its time gets a
// 408; a connection on which nothing was asked ends without a word.
func TestSlowHeadsHearWhy(t *testing.T) {
	back := serveHTTP(t, "b1", nil)
	port := freePort(t)
	setUp(t, pool("", "", back.backend)+listener("http", port, ", header: 1s, idle: 1s"))
	for name, row := range map[string]struct{ sent, want string }{
		"half a head":                  {"GET / HTTP/1.1\r\nHost: x\r\nX-Slow", "HTTP/1.1 408 "},
		"nothing":                      {"", ""},
		"half a head behind a request": {"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", "HTTP/1.1 200 "},
		"silence behind a request":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
		"silence behind a body":        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 "},
		"HTTP/2 that goes silent":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, port)
			_, _ = io.WriteString(c, row.sent)
			b, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(b), row.want) || row.want == "" && len(b) > 0 {
				t.Errorf("it got %q, %v", b, err)
			}
			if n := strings.Count(string(b), "408"); n > 1 || n == 1 && !strings.Contains(name, "half") {
				t.Errorf("it got %q", b)
			}
		})
	}
}

func cutOf(backend string) []balance.Cut { return []balance.Cut{{Backend: backend}} }
