package web

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
)

// scratch is memory that each attempt needs for a moment.
type scratch struct {
	fields []h1.Field // of the request
	head   []byte
	answer []h1.Field
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

// hopByHop reports whether a header concerns one connection only (RFC 9110
// section 7.6.1), by its name or because the lines of Connection name it.
func hopByHop(name string, connection []string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return named(name, connection)
}

// named reports whether the lines of a Connection header name a header.
func named(name string, lines []string) bool {
	for _, line := range lines {
		switch line {
		case "keep-alive", "Keep-Alive", "close", "upgrade", "Upgrade":
			continue // what nearly all of them say, and no header to pass on
		}
		for token := range strings.SplitSeq(line, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(token)) == name {
				return true
			}
		}
	}
	return false
}

// mayTrail reports whether a field may come behind a body: none that says how a
// message is delimited or where it goes (RFC 9110 section 6.5.1).
func mayTrail(name string) bool {
	switch name {
	case "", "Content-Length", "Host", "Content-Encoding", "Content-Type", "Content-Range", "Set-Cookie", "Authorization":
		return false
	}
	return h1.Token(name) && !hopByHop(name, nil)
}

func headerHas(h http.Header, name, token string) bool {
	for _, line := range h[name] {
		if h1.Has(line, token) {
			return true
		}
	}
	return false
}

// targetOf is what a request asks for, as a backend is told. ok is false if it
// cannot be said in one line: over HTTP/2 a space is no separator.
func targetOf(r *http.Request) (target string, ok bool) {
	target = r.RequestURI
	if !proper(target) {
		if r.Method == http.MethodOptions && target == "*" {
			return target, true
		}
		target = r.URL.RequestURI()
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return "", false
		}
	}
	return target, target != "" && target[0] == '/'
}

// proper reports whether a target is a path, and maybe a query, that needs no
// reading to be passed on.
func proper(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '#', c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '{', c == '|', c == '}':
			return false
		}
	}
	return true
}

// properHost reports whether a host can be said in one line; none is one, too.
func properHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == '\\' || c == '@' || c == '"' || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// upgrades is the protocol that the client wants to change to.
func (x *exchange) upgrades() string {
	in := x.r
	if up := in.Header["Upgrade"]; len(up) > 0 && in.ProtoMajor == 1 && headerHas(in.Header, "Connection", "upgrade") {
		return up[0]
	}
	return ""
}

// fields appends what the backend gets of the request's headers, sorted, and
// what we say of the client. What the client itself says of that is believed
// only from peers that are trusted.
func (x *exchange) fields(out []h1.Field) []h1.Field {
	in := x.r
	connection := in.Header["Connection"]
	p := x.snap.Table.Pools[x.pool].Spec.Persistence
	sticky := p.Kind == spec.CookieInsert || p.Kind == spec.CookieRewrite
	forwarded := *x.set.Spec.XForwarded
	trusted := forwarded && x.set.Trusts(x.source)
	told := trusted && in.Header.Get("X-Forwarded-Proto") != ""
	for k, lines := range in.Header {
		switch k {
		case "Content-Length", "Host", "Cookie":
			continue
		case "X-Forwarded-For":
			if forwarded {
				continue
			}
		case "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port":
			if forwarded && !told {
				continue
			}
		case "Forwarded":
			if forwarded && !trusted {
				continue
			}
		}
		if hopByHop(k, connection) {
			continue
		}
		for _, line := range lines {
			out = append(out, h1.Field{Name: k, Value: line})
		}
	}
	if lines := in.Header["Cookie"]; len(lines) > 0 && !named("Cookie", connection) {
		// Over HTTP/2 they come in pieces; a backend gets one line (RFC 9113 section
		// 8.2.3).
		line := strings.Join(lines, "; ")
		if sticky {
			line = unstick(&p, lines)
		}
		if line != "" {
			out = append(out, h1.Field{Name: "Cookie", Value: line})
		}
	}
	if in.Header.Get("Te") == "trailers" {
		out = append(out, h1.Field{Name: "Te", Value: "trailers"})
	}
	slices.SortStableFunc(out, func(a, b h1.Field) int { return strings.Compare(a.Name, b.Name) })
	if !forwarded {
		return out
	}
	client, port := x.client.conn.client, x.client.conn.port
	if prior := in.Header["X-Forwarded-For"]; trusted && len(prior) > 0 && !named("X-Forwarded-For", connection) {
		client = strings.Join(prior, ", ") + ", " + client
	}
	out = append(out, h1.Field{Name: "X-Forwarded-For", Value: client})
	if told {
		return out
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	return append(out, h1.Field{Name: "X-Forwarded-Proto", Value: proto}, h1.Field{Name: "X-Forwarded-Host", Value: in.Host}, h1.Field{Name: "X-Forwarded-Port", Value: port})
}

// head appends the head of the request as the backend gets it over HTTP/1.1, and
// a body that is at hand.
func (x *exchange) head(b []byte, fields []h1.Field, announced []string, place *flow.Place) []byte {
	in := x.r
	host := in.Host
	if host == "" {
		host = place.Address // of HTTP/1.0
	}
	b = append(append(append(append(append(b, in.Method...), ' '), x.target...), " HTTP/1.1\r\nHost: "...), host...)
	b = append(b, "\r\n"...)
	for _, f := range fields {
		b = appendLine(b, f.Name, f.Value)
	}
	up := x.upgrades()
	switch {
	case up != "":
		b = appendLine(appendLine(b, "Connection", "Upgrade"), "Upgrade", up)
	case place.Pool.Upstream.Proxy != spec.ProxyOff:
		b = appendLine(b, "Connection", "close") // it belongs to one client
	}
	switch {
	case x.body != nil && in.ContentLength < 0:
		b = appendLine(b, "Transfer-Encoding", "chunked")
		if len(announced) > 0 {
			b = appendLine(b, "Trailer", strings.Join(announced, ", "))
		}
	case in.ContentLength > 0:
		b = strconv.AppendInt(append(b, "Content-Length: "...), in.ContentLength, 10)
		b = append(b, "\r\n"...)
	case in.Method == http.MethodPost, in.Method == http.MethodPut, in.Method == http.MethodPatch:
		b = appendLine(b, "Content-Length", "0")
	}
	return append(append(b, "\r\n"...), x.small...)
}

func appendLine(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

// appendFields takes a header apart.
func appendFields(out []h1.Field, h http.Header) []h1.Field {
	for k, lines := range h {
		for _, line := range lines {
			out = append(out, h1.Field{Name: k, Value: line})
		}
	}
	return out
}
