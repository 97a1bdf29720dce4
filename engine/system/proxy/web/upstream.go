package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// upstream is how the backends of a pool are spoken to.
type upstream struct {
	h1 *h1.Pool        // over HTTP/1.1
	h2 *http.Transport // over HTTP/2; nil unless the pool wants it
}

func (u *upstream) close() {
	u.h1.Close()
	if u.h2 != nil {
		u.h2.CloseIdleConnections()
	}
}

// upstreamKey are the settings of a listener and a pool that connections are
// made by.
type upstreamKey struct {
	pool     string
	upstream spec.Upstream
	request  time.Duration
}

// recent is the upstream of one pool under one listener's settings.
type recent struct {
	pool     *spec.Pool
	set      *front.Settings
	upstream *upstream
}

// upstream returns the connections for a pool, one set per settings.
func (s *Server) upstream(place *flow.Place, set *front.Settings) *upstream {
	// Nearly always it is the one of the last request, and no lock is needed.
	if c := s.recent.Load(); c != nil && c.pool == place.Pool && c.set == set {
		return c.upstream
	}
	key := upstreamKey{pool: place.Pool.Name, upstream: place.Pool.Upstream, request: set.Spec.Request.D()}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.upstreams[key]
	if !ok {
		for k, old := range s.upstreams { // settings that are no longer in force
			if k.pool == key.pool {
				delete(s.upstreams, k)
				defer old.close()
			}
		}
		u = s.newUpstream(key.upstream, key.request)
		s.upstreams[key] = u
	}
	s.recent.Store(&recent{place.Pool, set, u})
	return u
}

func (s *Server) newUpstream(u spec.Upstream, request time.Duration) *upstream {
	var config *tls.Config
	if u.TLS {
		config = s.clientTLS(u)
	}
	up := &upstream{h1: h1.New(h1.Options{TLS: config, Connect: u.Connect.D(), Idle: u.Idle.D(), IdleMax: u.ConnsMax})}
	if u.HTTP2 {
		up.h2 = newTransport(u, config, request)
	}
	return up
}

// newTransport is the library's, for backends over HTTP/2.
func newTransport(u spec.Upstream, config *tls.Config, request time.Duration) *http.Transport {
	d := &net.Dialer{Timeout: u.Connect.D(), KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext: d.DialContext, MaxIdleConnsPerHost: u.ConnsMax, IdleConnTimeout: u.Idle.D(),
		ResponseHeaderTimeout: request, ExpectContinueTimeout: time.Second, TLSHandshakeTimeout: u.Connect.D() + time.Second,
		DisableCompression: true, TLSClientConfig: config,
	}
	if u.Proxy != spec.ProxyOff {
		// A PROXY header belongs to one client, so the connection does too.
		t.DisableKeepAlives = true
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			h, _ := ctx.Value(proxyHeader{}).(proxyproto.Header)
			if _, err := c.Write(appendProxy(u.Proxy, h)); err != nil {
				_ = c.Close()
				return nil, err
			}
			return c, nil
		}
	}
	var protocols http.Protocols
	protocols.SetHTTP2(u.TLS)
	protocols.SetUnencryptedHTTP2(!u.TLS)
	t.Protocols = &protocols
	return t
}

// proxyHeader is the context's key for the client's addresses: the transport
// gives a dialler nothing else of the request.
type proxyHeader struct{}

func appendProxy(version spec.ProxyProtocol, h proxyproto.Header) []byte {
	if version == spec.ProxyV1 {
		return proxyproto.AppendV1(nil, h)
	}
	return proxyproto.AppendV2(nil, h)
}

// outgoing makes the request that the backend gets over HTTP/2.
func (x *exchange) outgoing(t *try) *http.Request {
	in := x.r
	ctx, scheme := t.ctx, "http"
	if t.place.Pool.Upstream.Proxy != spec.ProxyOff {
		ctx = context.WithValue(ctx, proxyHeader{}, x.addresses())
	}
	if t.place.Pool.Upstream.TLS {
		scheme = "https"
	}
	out := (&http.Request{
		Method: in.Method, Host: in.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: in.ContentLength,
		URL:    &url.URL{Scheme: scheme, Host: t.place.Address, Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery},
		Header: make(http.Header, len(t.used.fields)+1),
	}).WithContext(ctx)
	if in.Method == http.MethodOptions && in.RequestURI == "*" {
		out.URL.Path, out.URL.Opaque = "", "*"
	}
	for _, f := range t.used.fields {
		out.Header[f.Name] = append(out.Header[f.Name], f.Value)
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // the transport would add its own
	}
	switch {
	case t.body != nil:
		out.Body, out.Trailer = t.body, in.Trailer
	case len(x.small) > 0:
		out.Body = io.NopCloser(bytes.NewReader(x.small))
	}
	return out
}

func (s *Server) clientTLS(u spec.Upstream) *tls.Config {
	c := &tls.Config{
		ServerName: u.ServerName, InsecureSkipVerify: u.Insecure, MinVersion: tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(0), // a connection anew costs the backend no signature
	}
	if u.CA == "" {
		return c
	}
	c.RootCAs = x509.NewCertPool()
	pem, err := os.ReadFile(u.CA)
	if err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
		// An empty pool trusts nobody: every request says so until it is mended.
		s.front.Log.Error("the backends' roots cannot be read", "file", u.CA, "listener", s.front.Name)
	}
	return c
}

// words says a failed request for people.
func words(err error) string {
	var ne net.Error
	var malformed h1.Malformed
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.As(err, &malformed):
		return "malformed answer: " + string(malformed)
	case errors.As(err, &ne) && ne.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	case errors.Is(err, errLost):
		return "no answer before its probes took it out"
	case errors.Is(err, context.Canceled):
		return "cut"
	}
	return err.Error()
}
