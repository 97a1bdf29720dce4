package h1

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// feed is a connection on which the rest of an answer comes in small pieces.
type feed struct {
	net.Conn
	rest []byte
	step int
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest[:min(len(f.rest), f.step)])
	f.rest = f.rest[n:]
	return n, nil
}

func (f *feed) SetReadDeadline(time.Time) error { return nil }

// FuzzAnswers reads whatever a backend may send, cut anywhere. What we take for
// an answer, the standard library takes for the same one: the same status, the
// same body, the same bytes behind it. And nothing panics or goes on for ever.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhelloHTTP/1.1",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\nmore",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(200), false)
		f.Add([]byte(s), uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, sent []byte, step uint8, head bool) {
		n := &conn{Conn: &feed{rest: sent, step: int(step) + 1}}
		n.open()
		defer n.shut()
		c := &Call{IsHead: head, conn: n}
		if err := c.listen(n); err != nil {
			return
		}
		body, err := io.ReadAll(c)
		if err != nil {
			return
		}
		behind := string(n.buf[n.r:n.w]) + string(n.Conn.(*feed).rest)
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		r := bufio.NewReader(bytes.NewReader(sent))
		var resp *http.Response
		for resp == nil || resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			if resp, err = http.ReadResponse(r, &http.Request{Method: method}); err != nil {
				t.Fatalf("the library cannot read it: %v", err)
			}
		}
		want, err := io.ReadAll(resp.Body)
		rest, _ := io.ReadAll(r)
		if err != nil || resp.StatusCode != c.Answer.Status || string(want) != string(body) || string(rest) != behind {
			t.Errorf("the library: %d %q, %v, behind it %q\nhere:        %d %q, behind it %q", resp.StatusCode, want, err, rest, c.Answer.Status, body, behind)
		}
		for _, f := range c.Answer.Fields {
			if f.Name == "Transfer-Encoding" || f.Name == "Trailer" {
				continue // the library keeps them elsewhere
			}
			if got := resp.Header[f.Name]; !strings.Contains(strings.Join(got, "\n"), f.Value) {
				t.Errorf("%s: %q is %q to the library", f.Name, f.Value, got)
			}
		}
	})
}
