package plain_test

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/plain"
)

const usual = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Served-By: a\r\nDate: Tue, 24 Nov 2026 23:42:05 GMT\r\ncontent-length: 3 \r\n\r\nok\n"

// The glance must know a usual answer, or nothing is quick.
func TestUsual(t *testing.T) {
	h, ok := plain.Read([]byte(usual))
	if !ok || h.Status != 200 || h.Length != 3 || !h.Keep || h.Size != len(usual)-3 || h.Get("x-served-by") != "a" || h.Get("X-Served") != "" {
		t.Errorf("%+v, known %v", h, ok)
	}
	for i := range len(usual) - 3 {
		if _, ok := plain.Read([]byte(usual[:i])); ok {
			t.Fatalf("%d bytes of a head are known", i)
		}
	}
}

// FuzzRead: what the glance says of an answer, the standard library says too.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		usual, "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 503 Out\r\nContent-Length: 5\r\nX-A:\tb\r\n\r\nsorry", "HTTP/1.1 204\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 999 \r\nA:b\nC:d\r\n\r\n", "HTTP/1.1 200 \x00\r\n\r\n", "HTTP/1.1 +20 x\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := plain.Read(b)
		if !ok {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			t.Fatalf("the library says %v of %q", err, b)
		}
		if resp.StatusCode != h.Status || h.Keep && resp.Close && h.Length >= 0 || resp.Header.Get("Server") != h.Get("Server") {
			t.Errorf("%+v is %+v of %q", h, resp, b)
		}
		if bodiless := h.Status == http.StatusNoContent || h.Status == http.StatusNotModified; !bodiless && resp.ContentLength != h.Length {
			t.Errorf("a length of %d is %d of %q", h.Length, resp.ContentLength, b)
		}
	})
}
