package web

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAncientHeads: what is found does not depend on how the bytes come.
func TestAncientHeads(t *testing.T) {
	for _, row := range []struct {
		name, sent string
		found      bool
	}{
		{"chunked", "GET / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", true},
		{"in capitals", "GET / HTTP/1.0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", true},
		{"with a length", "POST / HTTP/1.0\r\nContent-Length: 3\r\ntransfer-encoding:chunked\r\n\r\nabc", true},
		{"behind another request", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nTransfer-Encoding: x\r\n\r\n", true},
		{"behind one of HTTP/1.1", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\nTransfer-Encoding: x\n\n", true},
		{"of HTTP/1.1", "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"plain", "GET / HTTP/1.0\r\nHost: x\r\nUser-Agent: " + strings.Repeat("x", 100) + "\r\n\r\n", false},
		{"in a body", "POST / HTTP/1.0\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"in another name", "GET / HTTP/1.0\r\nContent-Transfer-Encoding: 7bit\r\nX: Transfer-Encoding: chunked\r\n\r\n", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var a ancient
				for rest := row.sent; rest != ""; {
					n := rapid.IntRange(1, min(len(rest), 40)).Draw(t, "piece")
					if rapid.Bool().Draw(t, "all") {
						n = len(rest)
					}
					a.feed([]byte(rest[:n]))
					rest = rest[n:]
				}
				if a.found.Load() != row.found {
					t.Fatalf("found is %v", a.found.Load())
				}
				if len(a.line) > len(codingName)+1 {
					t.Fatalf("%d bytes are kept", len(a.line))
				}
			})
		})
	}
}
