package h1_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// backend serves each connection by a function, which gets the number of it.
func backend(t *testing.T, serve func(n int64, c *net.TCPConn, r *bufio.Reader)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := int64(1); ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				serve(n, c.(*net.TCPConn), bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

func pool(t *testing.T) *h1.Pool {
	p := h1.New(h1.Options{Connect: time.Second, Idle: time.Minute, IdleMax: 4})
	t.Cleanup(p.Close)
	return p
}

// request reads a head and says its first line.
func request(r *bufio.Reader) (string, error) {
	q, err := http.ReadRequest(r)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, q.Body)
	return q.Method + " " + q.RequestURI, err
}

func call(p *h1.Pool, address string) *h1.Call {
	return &h1.Call{Pool: p, Address: address, Head: []byte(get), Wait: 10 * time.Second}
}

// ask does a whole call.
func ask(c *h1.Call) (body string, err error) {
	defer c.Close()
	if err := c.Do(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// TestWhereAnAnswerEnds: each answer comes in one piece and byte by byte; it is
// read as it should be or refused, and only then is its connection used again
// when nothing is doubtful.
func TestWhereAnAnswerEnds(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, row := range []struct {
		name, sent string
		head       bool
		body       string
		bad        string // why it is refused
		again      bool   // the connection is used again
	}{
		{"length", ok + "Content-Length: 5\r\n\r\nhello", false, "hello", "", true},
		{"length twice", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, "hello", "", true},
		{"no body", ok + "Content-Length: 0\r\n\r\n", false, "", "", true},
		{"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", false, "hello", "", true},
		{"chunked with a trailer", ok + "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n", false, "hello", "", true},
		{"to the end", ok + "\r\nhello", false, "hello", "", false},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", false, "hello", "", true},
		{"closing", ok + "Content-Length: 5\r\nConnection: x, Close\r\n\r\nhello", false, "hello", "", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "hello", "", false},
		{"HEAD", ok + "Content-Length: 5\r\n\r\n", true, "", "", true},
		{"HEAD, chunked", ok + "Transfer-Encoding: chunked\r\n\r\n", true, "", "", true},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, "", "", true},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", false, "", "", true},
		{"204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, "", "", false},
		{"interim", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", false, "hello", "", true},
		{"more than it said", ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", false, "hello", "", false},
		{"more behind HEAD", ok + "Content-Length: 4\r\n\r\nevil", true, "", "", false},
		{"more behind chunks", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", false, "", "", false},

		{"two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false, "", "two different lengths", false},
		{"a list of lengths", ok + "Content-Length: 5, 5\r\n\r\nhello", false, "", "no number", false},
		{"a signed length", ok + "Content-Length: +5\r\n\r\nhello", false, "", "no number", false},
		{"a huge length", ok + "Content-Length: 99999999999999999999\r\n\r\nhello", false, "", "no number", false},
		{"length and chunked", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "", "both", false},
		{"unknown coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false, "", "not just chunked", false},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "", "not just chunked", false},
		{"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "", "of HTTP/1.0", false},
		{"folded", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", false, "", "folded", false},
		{"LF alone", ok + "X: a\nContent-Length: 0\r\n\r\n", false, "", "CRLF", false},
		{"LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, "", "CRLF", false},
		{"CR in a value", ok + "X: a\rb\r\nContent-Length: 0\r\n\r\n", false, "", "control character", false},
		{"NUL in a value", ok + "X: a\x00b\r\nContent-Length: 0\r\n\r\n", false, "", "control character", false},
		{"space before the colon", ok + "Content-Length : 5\r\n\r\nhello", false, "", "proper name", false},
		{"no colon", ok + "Content-Length 5\r\n\r\nhello", false, "", "proper name", false},
		{"no status line", "hello\r\n\r\n", false, "", "status line", false},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", false, "", "status line", false},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", false, "", "status line", false},
		{"an empty line first", "\r\n" + ok + "Content-Length: 0\r\n\r\n", false, "", "status line", false},
		{"a protocol nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, "", "nobody asked", false},
		{"interim without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 40), false, "", "come to its end", false},
		{"a head without end", ok + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 80), false, "", "too long", false},
		{"chunk size of nothing", ok + "Transfer-Encoding: chunked\r\n\r\n\r\nhello", false, "", "size of a chunk", false},
		{"chunk size with 0x", ok + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", false, "", "size of a chunk", false},
		{"negative chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", false, "", "size of a chunk", false},
		{"huge chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", false, "", "size of a chunk", false},
		{"chunk longer than said", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", false, "", "longer than it says", false},
		{"chunk line by LF", ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", false, "", "CRLF", false},
		{"chunk extension without end", ok + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 2000) + "\r\nhello\r\n0\r\n\r\n", false, "", "too long", false},
		{"folded trailer", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n", false, "", "folded", false},
		{"cut in the head", "HTTP/1.1 200 OK\r\nContent", false, "", "EOF", false},
		{"cut in the body", ok + "Content-Length: 50\r\n\r\nhello", false, "", "EOF", false},
		{"cut in a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", false, "", "EOF", false},
		{"cut behind a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false, "", "EOF", false},
		{"cut in the trailer", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n", false, "", "EOF", false},
	} {
		for _, way := range []string{"whole", "bytes"} {
			t.Run(row.name+" "+way, func(t *testing.T) {
				t.Parallel()
				if way == "bytes" && (len(row.sent) > 1000 || strings.HasPrefix(row.name, "more ")) {
					return // what comes behind it may come as late as it wants then
				}
				var conns atomic.Int64
				address := backend(t, func(n int64, c *net.TCPConn, r *bufio.Reader) {
					conns.Add(1)
					for first := true; ; first = false {
						if _, err := request(r); err != nil {
							return
						}
						if n > 1 || !first {
							_, _ = io.WriteString(c, ok+"Content-Length: 6\r\n\r\nsecond")
							continue
						}
						if way == "whole" {
							_, _ = io.WriteString(c, row.sent)
						}
						for i := 0; way == "bytes" && i < len(row.sent); i++ {
							_, _ = io.WriteString(c, row.sent[i:i+1])
						}
						if strings.HasPrefix(row.name, "cut ") || row.name == "to the end" {
							return
						}
					}
				})
				p := pool(t)
				c := call(p, address)
				c.IsHead = row.head
				body, err := ask(c)
				if row.bad != "" {
					if err == nil || !strings.Contains(err.Error(), row.bad) {
						t.Fatalf("got %q, %v; want it refused for %q", body, err, row.bad)
					}
				} else if err != nil || body != row.body {
					t.Fatalf("got %q, %v; want %q", body, err, row.body)
				}
				if body, err := ask(call(p, address)); body != "second" || err != nil {
					t.Fatalf("the next request got %q, %v", body, err)
				}
				if again := conns.Load() == 1; again != row.again {
					t.Errorf("used again: %v, want %v", again, row.again)
				}
			})
		}
	}
}

// TestWhatComesUnaskedAnswersNobody: a backend sends an answer too many while
// its connection lies idle.
func TestWhatComesUnaskedAnswersNobody(t *testing.T) {
	evil, sent := make(chan struct{}), make(chan struct{})
	address := backend(t, func(n int64, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, err := request(r); err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
			if n == 1 {
				<-evil
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				close(sent)
			}
		}
	})
	p := pool(t)
	if body, err := ask(call(p, address)); body != "1" || err != nil {
		t.Fatal(body, err)
	}
	close(evil)
	<-sent // over loopback, it is there
	if body, err := ask(call(p, address)); body != "2" || err != nil {
		t.Errorf("the next one got %q, %v", body, err)
	}
}

// TestIdleConnectionsThatDie cost no request: one that was closed is not used,
// for any method, and one that is closed in the moment of its use is replaced
// once for what may be sent twice.
func TestIdleConnectionsThatDie(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		for _, how := range []string{"FIN", "RST"} {
			closed := make(chan struct{}, 1)
			address := backend(t, func(n int64, c *net.TCPConn, r *bufio.Reader) {
				if _, err := request(r); err == nil {
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
				}
				if how == "RST" {
					_ = c.SetLinger(0)
				}
				_ = c.Close()
				closed <- struct{}{}
			})
			p := pool(t)
			for n := range 4 {
				body, err := ask(call(p, address)) // it may not be sent twice
				if err != nil || body != fmt.Sprint(n+1) {
					t.Fatalf("%s: request %d got %q, %v", how, n, body, err)
				}
				<-closed
			}
		}
	})
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("during, may be sent twice: %v", again), func(t *testing.T) {
			address := backend(t, func(n int64, c *net.TCPConn, r *bufio.Reader) {
				if _, err := request(r); err != nil {
					return
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
				_, _ = request(r) // and no word
			})
			p := pool(t)
			if body, err := ask(call(p, address)); body != "1" || err != nil {
				t.Fatal(body, err)
			}
			c := call(p, address)
			c.Again = again
			body, err := ask(c)
			if again && (body != "2" || err != nil) || !again && !h1.Closed(err) {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
	t.Run("a new one is not replaced", func(t *testing.T) {
		var conns atomic.Int64
		address := backend(t, func(_ int64, _ *net.TCPConn, r *bufio.Reader) { conns.Add(1); _, _ = request(r) })
		c := call(pool(t), address)
		c.Again = true
		if _, err := ask(c); !h1.Closed(err) || conns.Load() != 1 {
			t.Errorf("%v after %d connections", err, conns.Load())
		}
	})
}

// TestIdleConnectionsAreBounded in number and in time.
func TestIdleConnectionsAreBounded(t *testing.T) {
	var open atomic.Int64
	address := backend(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		open.Add(1)
		defer open.Add(-1)
		for {
			if _, err := request(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := h1.New(h1.Options{Connect: time.Second, Idle: 300 * time.Millisecond, IdleMax: 2})
	defer p.Close()
	all := make([]*h1.Call, 5)
	for i := range all {
		all[i] = call(p, address)
		if err := all[i].Do(); err != nil {
			t.Fatal(err)
		}
	}
	if open.Load() != 5 {
		t.Errorf("%d connections for five at once", open.Load())
	}
	for _, c := range all {
		c.Close()
	}
	eventually(t, "two of them are kept", func() bool { return open.Load() <= 2 })
	eventually(t, "none of them is for ever", func() bool { return open.Load() == 0 })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// TestAbort ends a call wherever it is: waiting for its answer, in the middle of
// one, and before it began.
func TestAbort(t *testing.T) {
	cause := errors.New("enough")
	gone := make(chan struct{}, 3)
	address := backend(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		q, _ := request(r)
		if q == "GET /half" {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		}
		_, _ = r.ReadByte()
		gone <- struct{}{}
	})
	p := pool(t)
	t.Run("before", func(t *testing.T) {
		c := call(p, address)
		c.Abort(cause)
		if _, err := ask(c); !errors.Is(err, cause) {
			t.Error(err)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		c := call(p, address)
		time.AfterFunc(20*time.Millisecond, func() { c.Abort(cause) })
		if _, err := ask(c); !errors.Is(err, cause) {
			t.Error(err)
		}
		<-gone
	})
	t.Run("in the middle", func(t *testing.T) {
		c := call(p, address)
		c.Head = []byte("GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := c.Do(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, func() { c.Abort(cause) })
		if b, err := io.ReadAll(c); !errors.Is(err, cause) {
			t.Errorf("%q, %v", b, err)
		}
		c.Close()
		<-gone
	})
}

// TestTimesAndRefusals: an answer that does not come, and nobody there.
func TestTimesAndRefusals(t *testing.T) {
	address := backend(t, func(_ int64, _ *net.TCPConn, r *bufio.Reader) { _, _ = request(r); _, _ = r.ReadByte() })
	c := call(pool(t), address)
	c.Wait = 50 * time.Millisecond
	var ne net.Error
	if _, err := ask(c); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("without an answer: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	p := pool(t)
	if err := p.Listens(t.Context(), address); err != nil {
		t.Error(err)
	}
	_ = l.Close()
	var op *net.OpError
	if _, err := ask(call(p, address)); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("nobody there: %v", err)
	}
	if err := p.Listens(t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}
