package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// fixed is a backend that answers each request with the same bytes, at the
// least cost: what is measured is the data path.
func fixed(b *testing.B, body int) *backend {
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", body, strings.Repeat("x", body)))
	return serveTCP(b, "b1", func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for {
			for {
				l, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(l) <= 2 {
					break
				}
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
}

// BenchmarkRequests sends keep-alive requests over 16 connections.
func BenchmarkRequests(b *testing.B) {
	for _, protocol := range []string{"direct", "tcp", "http"} {
		b.Run(protocol, func(b *testing.B) {
			back := fixed(b, 128)
			port := back.port
			if protocol != "direct" {
				port = freePort(b)
				setUp(b, pool("", "", back)+listener(protocol, port, ""))
			}
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				request := []byte("GET /index.html HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
				for pb.Next() {
					if _, err := c.Write(request); err != nil {
						b.Error(err)
						return
					}
					for {
						l, err := r.ReadSlice('\n')
						if err != nil {
							b.Error(err)
							return
						}
						if len(l) <= 2 {
							break
						}
					}
					if _, err := r.Discard(128); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
