package web

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// exchangeOf is a request as the server hands it to us, before a pool with the
// settings.
func exchangeOf(r *http.Request, p spec.Persistence, trust []string) (*exchange, error) {
	yes := true
	f := &front.Front{}
	if err := f.Set(&spec.Listener{XForwarded: &yes, TrustFrom: trust}); err != nil {
		return nil, err
	}
	flows := flow.New(flow.Options{})
	flows.Swap(&balance.Table{Pools: []balance.Pool{{Spec: &spec.Pool{Name: "p", Persistence: p}}}})
	target, ok := targetOf(r)
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	x := &exchange{set: f.Now(), snap: flows.Now(), r: r, target: target, source: netip.MustParseAddr("192.0.2.1")}
	x.client.conn = &clientConn{client: "192.0.2.1", port: "80"}
	return x, nil
}

var place = flow.Place{Address: "192.0.2.9:80", Pool: &spec.Pool{Upstream: spec.Upstream{Proxy: spec.ProxyOff}}}

// FuzzRequestHeads: whatever head a client sends, what a backend is told is one
// request with the same method and the same end; nothing of one hop is in it,
// and nobody but us says who the client is.
func FuzzRequestHeads(f *testing.F) {
	for _, s := range []string{
		"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: X-Drop, keep-alive\r\nX-Drop: 1\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: Content-Length, Host, Cookie\r\nCookie: a=b; SERVERID=c\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\nTe: trailers\r\n\r\n0\r\n\r\n",
		"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET http://y/%2f%20?q HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nConnection: x-forwarded-for\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"PUT /{}|^ HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\nTransfer_Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, head []byte, trusted bool) {
		in, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil || !properHost(in.Host) || slices.ContainsFunc(lines(in.Header), func(s string) bool { return strings.ContainsFunc(s, control) }) {
			return // the server, or ServeHTTP, has refused it
		}
		p := spec.Persistence{Kind: spec.CookieInsert, Cookie: "SERVERID"}
		var trust []string
		if trusted {
			trust = []string{"192.0.2.0/24"}
		}
		x, err := exchangeOf(in, p, trust)
		if err != nil {
			return
		}
		body := "hello"
		switch {
		case in.ContentLength < 0:
			x.body = &watched{}
			body = "5\r\nhello\r\n0\r\n\r\n"
		case in.ContentLength > 1<<16:
			return
		default:
			x.small = bytes.Repeat([]byte("x"), int(in.ContentLength))
			body = ""
		}
		sent := append(x.head(nil, x.fields(nil), x.announced(), &place), body...)
		r := bufio.NewReader(bytes.NewReader(sent))
		out, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("the backend cannot read it: %v\n%q", err, sent)
		}
		got, err := io.ReadAll(out.Body)
		if err != nil || r.Buffered() > 0 || in.ContentLength < 0 && string(got) != "hello" || in.ContentLength >= 0 && int64(len(got)) != in.ContentLength {
			t.Fatalf("the backend sees a body of %d, %v, and %d bytes behind it\n%q", len(got), err, r.Buffered(), sent)
		}
		if out.Method != in.Method || in.Host != "" && out.Host != in.Host {
			t.Errorf("%s %s became %s %s", in.Method, in.Host, out.Method, out.Host)
		}
		up := x.upgrades() != ""
		for k := range out.Header {
			if named(k, in.Header["Connection"]) && !strings.HasPrefix(k, "X-Forwarded-") && k != "Content-Length" && !(up && k == "Upgrade") && !(k == "Te") {
				t.Errorf("%s is of one hop and passed\n%q", k, sent)
			}
			switch k {
			case "Proxy-Connection", "Keep-Alive", "Transfer-Encoding":
				t.Errorf("%s passed\n%q", k, sent)
			case "Connection", "Upgrade":
				if !up {
					t.Errorf("%s passed\n%q", k, sent)
				}
			case "Forwarded":
				if !trusted {
					t.Errorf("%s passed\n%q", k, sent)
				}
			}
		}
		chain := out.Header["X-Forwarded-For"]
		if len(chain) != 1 || !strings.HasSuffix(chain[0], "192.0.2.1") || !trusted && chain[0] != "192.0.2.1" {
			t.Errorf("the client is said to be %q", chain)
		}
		if proto := out.Header["X-Forwarded-Proto"]; !trusted && (len(proto) != 1 || proto[0] != "http") {
			t.Errorf("the protocol is said to be %q", proto)
		}
		for _, c := range out.Cookies() {
			if c.Name == p.Cookie {
				t.Errorf("our cookie passed: %q", out.Header["Cookie"])
			}
		}
	})
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func lines(h http.Header) (all []string) {
	for k, l := range h {
		all = append(append(all, k), l...)
	}
	return all
}
