//go:build lab

package lab_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

const (
	post    = "POST /read HTTP/1.1\r\nHost: x\r\n"
	chunked = post + "Transfer-Encoding: chunked\r\n"
	hello   = "5\r\nhello\r\n0\r\n\r\n"
	second  = "GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)

// framings are requests whose end two readers could see in two places. Behind
// each comes a second request.
var framings = []struct{ name, bytes string }{
	{"plain", post + "Content-Length: 5\r\n\r\nhello"},
	{"chunked", chunked + "\r\n" + hello},
	{"both lengths", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + hello},
	{"both lengths, chunked first", chunked + "Content-Length: 5\r\n\r\n" + hello},
	{"two different lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
	{"two equal lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
	{"a list of lengths", post + "Content-Length: 5, 6\r\n\r\nhello!"},
	{"a length with a sign", post + "Content-Length: +5\r\n\r\nhello"},
	{"a negative length", post + "Content-Length: -5\r\n\r\nhello"},
	{"a length that overflows", post + "Content-Length: 99999999999999999999\r\n\r\nhello"},
	{"an empty length", post + "Content-Length: \r\n\r\nhello"},
	{"a length in hexadecimal", post + "Content-Length: 0x5\r\n\r\nhello"},
	{"unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n" + hello},
	{"chunked twice", chunked + "Transfer-Encoding: chunked\r\n\r\n" + hello},
	{"chunked, identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n" + hello},
	{"identity, chunked", post + "Transfer-Encoding: identity, chunked\r\n\r\n" + hello},
	{"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + hello},
	{"an empty coding", post + "Transfer-Encoding: \r\n\r\n" + hello},
	{"coding in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n" + hello},
	{"coding behind a vertical tab", post + "Transfer-Encoding: \vchunked\r\n\r\n" + hello},
	{"coding in capitals", post + "TRANSFER-ENCODING: CHUNKED\r\n\r\n" + hello},
	{"folded coding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + hello},
	{"coding behind a folded header", post + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n"},
	{"coding with underscore", post + "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"},
	{"chunked in HTTP/1.0", "POST /read HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hello},
	{"space before the colon", post + "Content-Length : 5\r\n\r\nhello"},
	{"folded header", "GET /seen HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n"},
	{"bare LF in the head", "GET /seen HTTP/1.1\nHost: x\n\n"},
	{"bare LF before a header", "GET /seen HTTP/1.1\r\nHost: x\r\nX-A: b\nContent-Length: 5\r\n\r\nhello"},
	{"a NUL in a header", "GET /seen HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n"},
	{"a bare CR in a header", "GET /seen HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n"},
	{"bad chunk size", chunked + "\r\nzz\r\nhello\r\n0\r\n\r\n"},
	{"chunk size with 0x", chunked + "\r\n0x5\r\nhello\r\n0\r\n\r\n"},
	{"negative chunk size", chunked + "\r\n-5\r\nhello\r\n0\r\n\r\n"},
	{"chunk size that overflows", chunked + "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"},
	{"chunk longer than said", chunked + "\r\n3\r\nhello\r\n0\r\n\r\n"},
	{"chunk size ended by LF", chunked + "\r\n5\nhello\r\n0\r\n\r\n"},
	{"chunk ended by LF", chunked + "\r\n5\r\nhello\n0\r\n\r\n"},
	{"chunk extension with LF", chunked + "\r\n5;a\nhello\r\n0\r\n\r\n"},
	{"trailer that is a length", chunked + "\r\n5\r\nhello\r\n0\r\nContent-Length: 60\r\n\r\n"},
	{"no host", "GET /seen HTTP/1.1\r\n\r\n"},
	{"two hosts", "GET /seen HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
	{"a space in the target", "GET /se en HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"HTTP/3.7", "GET /seen HTTP/3.7\r\nHost: x\r\n\r\n"},
	{"no version", "GET /seen\r\n\r\n"},
	{"a header of 64 KiB", "GET /seen HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n"},
	{"5,000 headers", "GET /seen HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: abcdef\r\n", 5000) + "\r\n"},
	{"noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
}

// TestFramingAsStrictAsHaproxy: what haproxy refuses, Holdfast refuses too; no
// request becomes more requests than with haproxy; and no connection is left
// open that haproxy closes.
func TestFramingAsStrictAsHaproxy(t *testing.T) {
	s := stage(t)
	theirs, ours, _ := bothWays(t, s, "5s")
	var table strings.Builder
	fmt.Fprintf(&table, "| %-30s | %-12s | %-12s |\n|---|---|---|\n", "request, and GET /second", "haproxy", "holdfast")
	for _, row := range framings {
		their, our := codes(send(t, s, theirs, row.bytes+second)), codes(send(t, s, ours, row.bytes+second))
		worse := ""
		switch {
		case strings.HasPrefix(our, "2") && !strings.HasPrefix(their, "2"):
			worse = "accepted"
		case strings.Count(our, " ") > max(strings.Count(their, " "), 1):
			worse = "more requests"
		case strings.Contains(our, "open") && !strings.Contains(their, "open"):
			worse = "left open"
		}
		fmt.Fprintf(&table, "| %-30s | %-12s | %-12s | %s\n", row.name, their, our, worse)
		if worse != "" {
			t.Errorf("%s: haproxy %s, Holdfast %s: %s", row.name, their, our, worse)
		}
	}
	t.Logf("\n%s", &table)
}

// codes are the statuses of all answers of a connection, in order.
func codes(answers string) string {
	var all []string
	for rest := answers; ; {
		i := strings.Index(rest, "HTTP/1.")
		if i < 0 || len(rest) < i+12 {
			break
		}
		all, rest = append(all, rest[i+9:i+12]), rest[i+12:]
	}
	if strings.Contains(answers, "STILL-OPEN") {
		all = append(all, "open")
	}
	if len(all) == 0 {
		return "closed"
	}
	return strings.Join(all, " ")
}

// code is the status of an answer, or "closed".
func code(answer string) string {
	first, _, _ := strings.Cut(codes(answer), " ")
	return first
}

// TestProxyProtocolToHaproxy: haproxy reads what we say of the client.
func TestProxyProtocolToHaproxy(t *testing.T) {
	s := stage(t)
	ha, err := s.HaproxyOn(s.Server, "back", 16384, fmt.Sprintf("frontend web\n  mode http\n  bind %s:7100 accept-proxy\n  http-request return status 200 content-type text/plain lf-string \"peer=%%[src]\\n\"\n", lab.ServerAddress))
	if err != nil {
		t.Fatal(err)
	}
	defer ha.Stop()
	for _, protocol := range []string{"tcp", "http"} {
		for _, version := range []string{"v1", "v2"} {
			t.Run(protocol+" "+version, func(t *testing.T) {
				h := holdfast(t, s, lab.Spec(protocol, 8080, []int{7100}, []string{"upstream: {proxy_protocol: " + version + "}"}, nil))
				defer h.Stop()
				serves(t, s, front+"/")
				if out := run(t, s.Client, "curl", "-s", front+"/"); !strings.Contains(out, "peer="+lab.ClientAddress) {
					t.Errorf("haproxy saw %q", out)
				}
			})
		}
	}
}
