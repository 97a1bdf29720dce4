package web

import (
	"context"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// hopByHop reports whether a header concerns one connection only (RFC 9110
// section 7.6.1).
func hopByHop(name string, h http.Header) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return named(name, h["Connection"])
}

// named reports whether the lines of a Connection header name a header.
func named(name string, lines []string) bool {
	for _, line := range lines {
		switch line {
		case "keep-alive", "Keep-Alive", "close", "upgrade", "Upgrade":
			continue // what nearly all of them say, and no header to pass on
		}
		for _, token := range strings.Split(line, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(token)) == name {
				return true
			}
		}
	}
	return false
}

// outgoing makes the request that the backend gets.
func (x *exchange) outgoing(ctx context.Context, place *flow.Place) *http.Request {
	in := x.r
	scheme := "http"
	if place.Pool.Upstream.TLS {
		scheme = "https"
	}
	out := blank.WithContext(ctx) // a copy: filling it after saves another one
	out.Method, out.Host, out.Proto, out.ProtoMajor, out.ProtoMinor = in.Method, in.Host, "HTTP/1.1", 1, 1
	out.URL = &url.URL{Scheme: scheme, Host: place.Address, Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery}
	out.Header = make(http.Header, len(in.Header)+4)
	out.ContentLength = in.ContentLength
	if in.Method == http.MethodOptions && in.RequestURI == "*" {
		out.URL.Path, out.URL.Opaque = "", "*"
	}
	for k, v := range in.Header {
		if !hopByHop(k, in.Header) {
			out.Header[k] = v
		}
	}
	if x.body != nil {
		out.Body = x.body
		out.Trailer = in.Trailer
	}
	if in.Header.Get("Te") == "trailers" {
		out.Header.Set("Te", "trailers")
	}
	if up := in.Header.Get("Upgrade"); up != "" && headerHas(in.Header, "Connection", "upgrade") && in.ProtoMajor == 1 {
		out.Header.Set("Connection", "Upgrade")
		out.Header.Set("Upgrade", up)
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // the transport would add its own
	}
	if *x.set.Spec.XForwarded {
		x.forwarded(out)
	}
	x.unstick(out)
	return out
}

// blank is what outgoing requests are copies of. Nobody may change it.
var blank http.Request

func headerHas(h http.Header, name, token string) bool {
	for _, line := range h[name] {
		for _, t := range strings.Split(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// forwarded says who the client is. What the client itself says of that is
// believed only from peers that are trusted.
func (x *exchange) forwarded(out *http.Request) {
	h, in := out.Header, x.r
	trusted := x.set.Trusts(x.source)
	prior := ""
	if trusted {
		prior = strings.Join(in.Header["X-Forwarded-For"], ", ")
	} else {
		for _, k := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded"} {
			h.Del(k)
		}
	}
	client := x.source.String()
	if prior != "" {
		client = prior + ", " + client
	}
	values := [4]string{client} // one piece of memory for the values of all four
	h["X-Forwarded-For"] = values[0:1:1]
	if trusted && h.Get("X-Forwarded-Proto") != "" {
		return
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	values[1], values[2] = proto, in.Host
	h["X-Forwarded-Proto"], h["X-Forwarded-Host"] = values[1:2:2], values[2:3:3]
	if a, ok := in.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		values[3] = strconv.Itoa(int(front.AddrOf(a).Port()))
		h["X-Forwarded-Port"] = values[3:4:4]
	}
}

// rewriteMark is between the backend's mark and the service's own cookie value.
const rewriteMark = "~"

// stickTo is the backend that the request's cookie names; empty without one.
func (x *exchange) stickTo() string {
	p := x.snap.Table.Pools[x.pool].Spec.Persistence
	if p.Kind != spec.CookieInsert && p.Kind != spec.CookieRewrite {
		return ""
	}
	c, err := x.r.Cookie(p.Cookie)
	if err != nil {
		return ""
	}
	mark, _, _ := strings.Cut(c.Value, rewriteMark)
	pool := &x.snap.Table.Pools[x.pool]
	for i := pool.First; i < pool.First+pool.Count; i++ {
		if name := x.snap.Table.Backends[i].Spec.Name; markOf(name) == mark {
			return name
		}
	}
	return ""
}

// stick adds or rewrites the cookie of an answer.
func (x *exchange) stick(place *flow.Place, resp *http.Response) {
	p := place.Pool.Persistence
	switch p.Kind {
	case spec.CookieInsert:
		if c, err := x.r.Cookie(p.Cookie); err == nil && c.Value == markOf(place.Name) {
			return // it has it
		}
		c := http.Cookie{Name: p.Cookie, Value: markOf(place.Name), Path: "/", MaxAge: int(p.For.D().Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.r.TLS != nil}
		resp.Header.Add("Set-Cookie", c.String())
		// Otherwise one client's cookie could reach others through a cache.
		if resp.Header.Get("Cache-Control") == "" {
			resp.Header.Set("Cache-Control", "private")
		}
	case spec.CookieRewrite:
		prefix := p.Cookie + "="
		lines := slices.Clone(resp.Header["Set-Cookie"])
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				lines[i] = prefix + markOf(place.Name) + rewriteMark + rest
				resp.Header["Set-Cookie"] = lines
			}
		}
	case spec.PersistOff, spec.PersistSource:
	}
}

// unstick takes our part out of the request's cookies: the backend sees what it
// set itself.
func (x *exchange) unstick(out *http.Request) {
	p := x.snap.Table.Pools[x.pool].Spec.Persistence
	if p.Kind != spec.CookieInsert && p.Kind != spec.CookieRewrite {
		return
	}
	var kept []string
	for _, line := range out.Header["Cookie"] {
		for _, part := range strings.Split(line, ";") {
			part = strings.TrimSpace(part)
			if value, ours := strings.CutPrefix(part, p.Cookie+"="); ours {
				if p.Kind == spec.CookieInsert {
					continue
				}
				if _, own, ok := strings.Cut(value, rewriteMark); ok {
					part = p.Cookie + "=" + own
				}
			}
			if part != "" {
				kept = append(kept, part)
			}
		}
	}
	if len(kept) == 0 {
		out.Header.Del("Cookie")
		return
	}
	out.Header["Cookie"] = []string{strings.Join(kept, "; ")}
}
