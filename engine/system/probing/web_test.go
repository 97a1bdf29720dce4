package probing_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// What a server says decides; each row is an answer and what is made of it.
func TestAnswers(t *testing.T) { ways(t, answersAre) }

func answersAre(t *testing.T, r *probing.Runner) {
	long := strings.Repeat("x", 70<<10)
	for _, c := range []struct {
		name, answer string
		change       func(*spec.HTTPCheck)
		verdict      probe.Verdict
		reason       string
	}{
		{"well", ok, nil, probe.Pass, ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nall of it", nil, probe.Pass, ""},
		{"an error", "HTTP/1.1 503 Service Unavailable\r\n\r\n", nil, probe.Fail, "status 503, expected 200-299"},
		{"a redirect is not followed", "HTTP/1.1 302 Found\r\nLocation: http://127.34.1.9/\r\n\r\n", nil, probe.Fail, "status 302, expected 200-299"},
		{"in capitals and without words", "HTTP/1.1 200\r\nCONTENT-LENGTH:2\r\n\r\nok", nil, probe.Pass, ""},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", nil, probe.Fail, "Content-Length"},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", nil, probe.Pass, ""},
		{"a class of the reference", "HTTP/1.1 404 Not Found\r\n\r\n", status("http_4xx"), probe.Pass, ""},
		{"the last of a class", "HTTP/1.1 499 x\r\n\r\n", status("http_4xx"), probe.Pass, ""},
		{"after a class", "HTTP/1.1 500 x\r\n\r\n", status("http_4xx"), probe.Fail, "status 500, expected http_4xx"},
		{"one of two", "HTTP/1.1 301 x\r\n\r\n", status("200", "301-302"), probe.Pass, ""},
		{"none of two", "HTTP/1.1 303 x\r\n\r\n", status("200", "301-302"), probe.Fail, "status 303, expected 200 or 301-302"},
		{"exactly", "HTTP/1.1 201 x\r\n\r\n", status("200"), probe.Fail, "status 201, expected 200"},
		{"interim answers come first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, nil, probe.Pass, ""},
		{"interim answers only", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), nil, probe.Fail, "8 interim answers and no real one"},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", nil, probe.Fail, "status 101, expected 200-299"},
		{"nothing", "", nil, probe.Fail, "connection closed without an answer"},
		{"half a status line", "HTTP/1.1 20", nil, probe.Fail, "connection closed without an answer"},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Len", nil, probe.Fail, "connection closed without an answer"},
		{"no HTTP", "220 smtp.example.test ESMTP\r\n", nil, probe.Fail, "malformed HTTP"},
		{"a terminal's commands", "\x1b]0;owned\x07\x1b[2J HTTP\r\n\r\n", nil, probe.Fail, "malformed HTTP"},
		{"binary", "\x16\x03\x01\x00\xff\xfe\x00\r\n\r\n", nil, probe.Fail, "malformed HTTP"},
		{"a huge header", "HTTP/1.1 200 OK\r\nX: " + long + "\r\n\r\n", nil, probe.Fail, "the head of its answer is longer than 64 KiB"},
		{"many headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Y: z\r\n", 10<<10) + "\r\n", nil, probe.Fail, "the head of its answer is longer than 64 KiB"},
		{"a body with the text", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well.", body("is well"), probe.Pass, ""},
		{"a body without it", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well.", body("is ill"), probe.Fail, `"is ill" is not in its body of 12 bytes`},
		{"the text where two reads meet", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 4093) + "needle" + strings.Repeat("x", 5000), body("needle"), probe.Pass, ""},
		{"the text at the end of 64 KiB", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 64<<10-6) + "needle", body("needle"), probe.Pass, ""},
		{"the text after 64 KiB", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 64<<10-5) + "needle", body("needle"), probe.Fail, `"needle" is not in the first 64 KiB of its body`},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n", body("needle"), probe.Pass, ""},
		{"broken chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nneedle", body("needle"), probe.Fail, "invalid byte in chunk length"},
		{"a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnee", body("needle"), probe.Fail, `its body broke off after 3 bytes without "needle"`},
		{"no body to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", func(h *spec.HTTPCheck) { h.Method = "HEAD" }, probe.Pass, ""},
		{"a text nobody can print", "HTTP/1.1 200 OK\r\n\r\nx", body("\u202e\t\n"), probe.Fail, "is not in its body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := probeOf(spec.ProbeHTTP, patience)
			if c.change != nil {
				c.change(p.HTTP)
			}
			expect(t, run(t, r, says(t, c.answer), p), c.verdict, c.reason)
		})
	}
}

func status(all ...string) func(*spec.HTTPCheck) {
	return func(h *spec.HTTPCheck) { h.Status = all }
}

func body(text string) func(*spec.HTTPCheck) { return func(h *spec.HTTPCheck) { h.Body = text } }

// The request says what the probe says, and that the connection is used once.
func TestRequest(t *testing.T) { ways(t, requestIs) }

func requestIs(t *testing.T, r *probing.Runner) {
	got := make(chan []string, 1)
	address := listen(t, func(c net.Conn) {
		got <- head(c)
		_, _ = io.WriteString(c, ok)
		_ = c.Close()
	})
	for _, row := range []struct {
		check spec.HTTPCheck
		first string
		with  []string
	}{
		{spec.HTTPCheck{Method: "GET", Path: "/"}, "GET / HTTP/1.1", []string{"Host: " + address, "Connection: close", "User-Agent: holdfast-probe"}},
		{spec.HTTPCheck{Method: "POST", Path: "/deep?x=1", Host: "shop.example.test:8443"}, "POST /deep?x=1 HTTP/1.1", []string{"Host: shop.example.test:8443", "Content-Length: 0"}},
		{spec.HTTPCheck{Method: "OPTIONS", Path: "/", Headers: map[string]string{"user-agent": "mine", "X-B": "two words", "X-A": "1"}}, "OPTIONS / HTTP/1.1", []string{"user-agent: mine", "X-A: 1", "X-B: two words"}},
	} {
		p := probeOf(spec.ProbeHTTP, patience)
		row.check.Status = []string{"200"}
		p.HTTP = &row.check
		expect(t, run(t, r, address, p), probe.Pass, "")
		lines := <-got
		if lines[0] != row.first {
			t.Errorf("the request is %q, want %q", lines[0], row.first)
		}
		agents := 0
		for _, l := range lines {
			if strings.HasPrefix(strings.ToLower(l), "user-agent:") {
				agents++
			}
		}
		if agents != 1 {
			t.Errorf("%d user agents in %q", agents, lines)
		}
		for _, l := range row.with {
			if !slices.Contains(lines, l) {
				t.Errorf("no %q in %q", l, lines)
			}
		}
	}
}

// A body without an end holds nobody up once the text has come.
func TestEndlessBody(t *testing.T) { ways(t, bodyHasNoEnd) }

func bodyHasNoEnd(t *testing.T, r *probing.Runner) {
	t.Parallel()
	address := listen(t, func(c net.Conn) {
		head(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\ndata: up\n\n")
		_, _ = io.Copy(io.Discard, c)
	})
	p := probeOf(spec.ProbeHTTP, patience)
	p.HTTP.Body = "data: up"
	expect(t, run(t, r, address, p), probe.Pass, "")

	flood := listen(t, func(c net.Conn) {
		head(c)
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for err == nil {
			_, err = io.WriteString(c, strings.Repeat("x", 1<<16))
		}
	})
	expect(t, run(t, r, flood, p), probe.Fail, `"data: up" is not in the first 64 KiB of its body`)
}

// Wherever a server stops, the probe ends with its time-out and says how far it
// came.
func TestTimeOuts(t *testing.T) { ways(t, timesOut) }

func timesOut(t *testing.T, r *probing.Runner) {
	var all sync.WaitGroup
	withBody := probeOf(spec.ProbeHTTP, soon)
	withBody.HTTP.Body = "needle"
	for _, c := range []struct {
		name    string
		address func(testing.TB) string
		probe   spec.Probe
		reason  string
	}{
		{"connecting", full, probeOf(spec.ProbeTCP, soon), "no connection within 1s"},
		{"connecting for HTTP", full, probeOf(spec.ProbeHTTP, soon), "no connection within 1s"},
		{"TLS", func(t testing.TB) string { return hangs(t, "") }, probeOf(spec.ProbeHTTPS, soon), "no TLS handshake within 1s"},
		{"half a TLS record", func(t testing.TB) string { return hangs(t, "\x16\x03\x03\x40\x00") }, probeOf(spec.ProbeHTTPS, soon), "no TLS handshake within 1s"},
		{"the head", func(t testing.TB) string { return hangs(t, "") }, probeOf(spec.ProbeHTTP, soon), "no answer within 1s"},
		{"half a head", func(t testing.TB) string { return hangs(t, "HTTP/1.1 200 OK\r\nX") }, probeOf(spec.ProbeHTTP, soon), "no answer within 1s"},
		{"the body", func(t testing.TB) string { return hangs(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnee") }, withBody, `no "needle" in 3 bytes of the body within 1s`},
		{"drop by drop", dripping, probeOf(spec.ProbeHTTP, soon), "no answer within 1s"},
	} {
		all.Add(1) // they wait together
		r.Start(t.Context(), probe.Launch{Target: c.name, Attempt: 1, Address: c.address(t), Probe: &c.probe}, func(o probe.Outcome) {
			defer all.Done()
			fit(t, o)
			if o.Verdict != probe.Fail || !strings.Contains(o.Reason, c.reason) || o.Latency < soon || o.Latency > patience {
				t.Errorf("%s: got %+v, want %q", c.name, o, c.reason)
			}
		})
	}
	all.Wait()
}

// dripping sends one byte of a head at a time, for ever.
func dripping(t testing.TB) string {
	return listen(t, func(c net.Conn) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
		for i := 0; err == nil; i++ {
			<-tick.C
			_, err = fmt.Fprint(c, i%10)
		}
	})
}

// A connection that was cut says so.
func TestReset(t *testing.T) { ways(t, connectionEnds) }

func connectionEnds(t *testing.T, r *probing.Runner) {
	address := listen(t, func(c net.Conn) {
		head(c)
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	expect(t, run(t, r, address, probeOf(spec.ProbeHTTP, patience)), probe.Fail, "connection reset")
	expect(t, run(t, r, nobody(t), probeOf(spec.ProbeHTTP, patience)), probe.Fail, "connection refused")
}
