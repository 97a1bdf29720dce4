package proxy_test

import (
	"bufio"
	"encoding/binary"
	"flag"
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
)

var rewrite = flag.Bool("rewrite", false, "write testdata/smuggling.txt anew")

// attacks are requests whose length or framing two readers could see
// differently, or that cost more than they should.
var attacks = []struct{ name, sent string }{
	{"plain", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
	{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"content-length twice, different", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
	{"content-length twice, equal", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
	{"content-length as a list", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello!"},
	{"content-length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello"},
	{"content-length negative", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello"},
	{"content-length in hexadecimal", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello"},
	{"content-length beyond 63 bits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nhello"},
	{"content-length and chunked", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"chunked and identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"transfer-encoding unknown", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"transfer-encoding with a tab", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"transfer-encoding with a vertical tab", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \vchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"transfer-encoding, space before colon", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"transfer-encoding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"the same, of a GET that wants to stay", "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"the same, with a length", "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"HTTP/1.0 that stays", "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"},
	{"HTTP/1.0 with a length", "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
	{"chunk size negative", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"},
	{"chunk size with 0x", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"},
	{"chunk size beyond 64 bits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"},
	{"chunk longer than said", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"},
	{"chunk extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"},
	{"chunk extension with a bare LF", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n"},
	{"chunk extensions without end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\na\r\n", 40) + "0\r\n\r\n"},
	{"chunk line ended by LF", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"},
	{"bare LF line ends", "GET / HTTP/1.1\nHost: x\n\n"},
	{"bare CR in a header", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"},
	{"NUL in a header", "GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n"},
	{"NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"header name with a space", "GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n"},
	{"header without a name", "GET / HTTP/1.1\r\nHost: x\r\n: 1\r\n\r\n"},
	{"header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n"},
	{"folded header", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"},
	{"folded first header", "GET / HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n"},
	{"host twice", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
	{"no host", "GET / HTTP/1.1\r\n\r\n"},
	{"host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"},
	{"host of the target wins", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"target without a slash", "GET foo HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"method with junk", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
	{"version 2.0 in words", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
	{"version 0.9", "GET /\r\n\r\n"},
	{"junk", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
	{"header too long", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n"},
	{"headers too many", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: abcdefgh\r\n", 5000) + "\r\n"},
	{"target too long", "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"trailer that is a length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"},
	{"CONNECT", "CONNECT y:443 HTTP/1.1\r\nHost: y:443\r\n\r\n"},
	{"GET with a body", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
	{"connection names a length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: Content-Length, Host\r\n\r\nhello"},
}

// TestSmuggling holds what each attack gets, and what of it a backend sees, to
// the table in testdata. Behind each comes a second request: whoever reads the
// first one's end differently would see another second one. What no row may
// show: a backend that gets something other than whole requests.
func TestSmuggling(t *testing.T) {
	seen := make(chan string, 64)
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				if err != io.EOF && !strings.Contains(err.Error(), "reset") {
					seen <- "BROKEN " + err.Error()
				}
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return // half of one, seen as half: no row, for nothing says when it comes
			}
			seen <- fmt.Sprintf("%s %s host=%s %q", req.Method, clip(req.RequestURI), req.Host, clip(string(body)))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	port := freePort(t)
	setUp(t, pool(", retry: {attempts: 0}, ejection: {off: true}", "", back)+listener("http", port, ", header_max: 16KiB, header: 2s"))
	rows := make([]string, len(attacks))
	for i, a := range attacks {
		c := dial(t, port)
		go func() { // the answer may come before all is sent
			_, _ = io.WriteString(c, a.sent+"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}()
		var answers []string
		r := bufio.NewReader(c)
		for {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				break
			}
			answers = append(answers, fmt.Sprint(resp.StatusCode))
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				break
			}
		}
		_ = c.Close()
		// The marker comes over another connection, behind whatever the attack sent.
		var got []string
		ask(t, client(t, nil), "GET", url(port, "/marker"), nil)
		for s := range seen {
			if strings.HasPrefix(s, "GET /marker") {
				break
			}
			got = append(got, s)
			if strings.HasPrefix(s, "BROKEN") {
				t.Errorf("%s: the backend got %s", a.name, s)
			}
		}
		rows[i] = fmt.Sprintf("%-40s %-8s %s", a.name, strings.Join(answers, " "), strings.Join(got, " · "))
	}
	table := strings.TrimRight(strings.Join(rows, "\n"), "\n") + "\n"
	path := filepath.Join("testdata", "smuggling.txt")
	if *rewrite {
		if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range strings.Split(strings.TrimSpace(string(want)), "\n") {
		if i >= len(rows) || strings.TrimSpace(w) != strings.TrimSpace(rows[i]) {
			t.Errorf("is    %s\nshall %s", rows[min(i, len(rows)-1)], w)
		}
	}
}

// TestSlowBodies: a client that stops in the middle of its body is not waited
// for, and it is not the backend that is to blame.
func TestSlowBodies(t *testing.T) {
	back := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	port := freePort(t)
	s := setUp(t, pool("", "", back.backend)+listener("http", port, ", request: 1s"))
	c := dial(t, port)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("%v, %v", resp, err)
	}
	eventually(t, "the request ends", func() bool { return s.reading("b1").Active == 0 })
	if n := s.reading("b1").Totals.Errors; n != 0 {
		t.Errorf("%d errors of the backend", n)
	}
	// One that keeps sending may take as long as it wants.
	c = dial(t, port)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 15 {
		<-tick.C
		_, _ = io.WriteString(c, "x")
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a slow but steady body: %v, %v", resp, err)
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%s… %d", s[:20], len(s))
	}
	return s
}

// TestRapidResetIsBounded: streams that are opened and reset at once
// (CVE-2023-44487) cost the backend no more than the most streams of one
// connection, and others are served meanwhile.
func TestRapidResetIsBounded(t *testing.T) {
	var inside, most atomic.Int64
	back := serveHTTP(t, "b1", func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "well")
	})
	port := freePort(t)
	s := setUp(t, pool("", "", back.backend)+listener("http", port, ""))
	c := dial(t, port)
	// HPACK: :method GET, :scheme http, :authority x, :path /wait.
	head := append([]byte{0x82, 0x86, 0x41, 1, 'x', 0x04, 5}, "/wait"...)
	sent := frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4, 0, 0)
	const streams = 20_000
	for n := range uint32(streams) {
		sent = frame(sent, 1, 5, 2*n+1, head...)    // HEADERS, END_STREAM | END_HEADERS
		sent = frame(sent, 3, 0, 2*n+1, 0, 0, 0, 8) // RST_STREAM, CANCEL
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	done := make(chan error, 1)
	go func() { _, err := c.Write(sent); done <- err }()
	user := client(t, nil)
	for range 20 {
		if g := ask(t, user, "GET", url(port, "/"), nil); g.body != "well" {
			t.Errorf("another user got %s", g.Status)
		}
	}
	err := <-done // nil, or the connection was ended for it
	eventually(t, "all of it is over", func() bool { return inside.Load() == 0 && s.reading("b1").Active == 0 })
	t.Logf("%d streams: at most %d at once in the backend, %d got there; the writer ended with %v", streams, most.Load(), back.hits.Load(), err)
	if most.Load() > 251+250 { // those that are being cancelled while the next ones begin
		t.Errorf("%d requests at once from one connection", most.Load())
	}
}

// frame appends an HTTP/2 frame (RFC 9113 section 4.1).
func frame(b []byte, kind, flags byte, stream uint32, payload ...byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}
