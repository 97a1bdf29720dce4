package web

import (
	"bytes"
	"net/http"
	"sync/atomic"
)

// ancient looks for heads of HTTP/1.0 that name a Transfer-Encoding, in the bytes
// of a connection as they come. HTTP/1.0 does not have that header (RFC 9112
// section 6.1): who sends both means to be read in two ways. The server drops it
// without a word, so it has to be found ahead of the server.
type ancient struct {
	found atomic.Bool
	head  bool   // within such a head, behind its first line
	line  []byte // the beginning of the present line; outside of a head the newest bytes
}

const (
	ancientVersion = "HTTP/1.0"
	codingName     = "transfer-encoding"
)

// feed takes the next bytes. Nearly all of them are passed over by one search.
func (a *ancient) feed(b []byte) {
	for len(b) > 0 {
		if a.head {
			b = a.inside(b)
			continue
		}
		// The version may lie across two reads.
		kept := len(a.line)
		a.line = append(a.line, b[:min(len(b), len(ancientVersion)-1)]...)
		at := bytes.Index(a.line, []byte(ancientVersion))
		switch {
		case at >= 0:
			b = b[at+len(ancientVersion)-kept:]
		default:
			if at = bytes.Index(b, []byte(ancientVersion)); at < 0 {
				a.rest(kept, b)
				return
			}
			b = b[at+len(ancientVersion):]
		}
		a.head, a.line = true, append(a.line[:0], ancientVersion...)
	}
}

// rest keeps what may be the beginning of a version.
func (a *ancient) rest(kept int, b []byte) {
	const most = len(ancientVersion) - 1
	if len(b) >= most {
		a.line = append(a.line[:0], b[len(b)-most:]...)
		return
	}
	all := append(a.line[:kept], b...)
	a.line = append(a.line[:0], all[max(0, len(all)-most):]...)
}

// inside takes bytes of such a head, up to the end of a line, and returns the
// rest.
func (a *ancient) inside(b []byte) []byte {
	end := bytes.IndexByte(b, '\n')
	line := b
	if end >= 0 {
		line = b[:end]
	}
	a.line = append(a.line, line[:min(len(line), len(codingName)+1-min(len(a.line), len(codingName)+1))]...)
	if end < 0 {
		return nil
	}
	switch l := bytes.TrimRight(a.line, "\r"); {
	case len(l) == 0:
		a.head = false
	case len(l) >= len(codingName) && bytes.EqualFold(l[:len(codingName)], []byte(codingName)):
		a.found.Store(true)
	}
	a.line = a.line[:0]
	return b[end+1:]
}

// distrust says what is wrong with how a request of HTTP/1.0 says its length;
// empty for nothing.
func (c *clientConn) distrust(r *http.Request) string {
	if c.ancient.found.Load() {
		return "HTTP/1.0 has no Transfer-Encoding"
	}
	if _, said := r.Header["Content-Length"]; !said && hasBody(r.Method) {
		return "the request does not say how long its body is" // RFC 1945 section 7.2.2
	}
	return ""
}

// hasBody reports whether requests of a method are there to carry a body.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}
