package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// transport returns the transport for a pool, one per set of settings.
func (s *Server) transport(place *flow.Place, set *front.Settings) http.RoundTripper {
	// Nearly always it is the one of the last request, and no lock is needed.
	if c := s.recent.Load(); c != nil && c.pool == place.Pool && c.set == set {
		return c.transport
	}
	key := transportKey{pool: place.Pool.Name, upstream: place.Pool.Upstream, request: set.Spec.Request.D()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.transports[key]; ok {
		s.recent.Store(&recent{place.Pool, set, t})
		return t
	}
	for k, t := range s.transports { // settings that are no longer in force
		if k.pool == key.pool {
			delete(s.transports, k)
			defer t.CloseIdleConnections()
		}
	}
	t := s.newTransport(place.Pool.Upstream, set.Spec.Request.D())
	s.transports[key] = t
	s.recent.Store(&recent{place.Pool, set, t})
	return t
}

// recent is the transport of one pool under one listener's settings.
type recent struct {
	pool      *spec.Pool
	set       *front.Settings
	transport *http.Transport
}

func (s *Server) newTransport(u spec.Upstream, request time.Duration) *http.Transport {
	d := &net.Dialer{Timeout: u.Connect.D(), KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext: d.DialContext, MaxIdleConnsPerHost: u.ConnsMax, IdleConnTimeout: u.Idle.D(),
		ResponseHeaderTimeout: request, ExpectContinueTimeout: time.Second, TLSHandshakeTimeout: u.Connect.D() + time.Second,
		DisableCompression: true, WriteBufferSize: 4 << 10, ReadBufferSize: 8 << 10,
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
			b := proxyproto.AppendV2(nil, h)
			if u.Proxy == spec.ProxyV1 {
				b = proxyproto.AppendV1(nil, h)
			}
			if _, err := c.Write(b); err != nil {
				_ = c.Close()
				return nil, err
			}
			return c, nil
		}
	}
	var protocols http.Protocols
	switch {
	case u.HTTP2 && u.TLS:
		protocols.SetHTTP2(true)
	case u.HTTP2:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP1(true)
	}
	t.Protocols = &protocols
	if u.TLS {
		t.TLSClientConfig = s.clientTLS(u)
	}
	return t
}

// proxyHeader is the context's key for the client's addresses: the transport
// gives a dialler nothing else of the request.
type proxyHeader struct{}

func (s *Server) clientTLS(u spec.Upstream) *tls.Config {
	c := &tls.Config{ServerName: u.ServerName, InsecureSkipVerify: u.Insecure, MinVersion: tls.VersionTLS12}
	if u.CA == "" {
		return c
	}
	path := u.CA
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.front.Dir, path)
	}
	c.RootCAs = x509.NewCertPool()
	pem, err := os.ReadFile(path)
	if err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
		// An empty pool trusts nobody: every request says so until it is mended.
		s.front.Log.Error("the backends' roots cannot be read", "file", path, "listener", s.front.Name)
	}
	return c
}

// markOf is a backend's mark in cookies: stable, and it tells nobody the
// backend's name or address.
func markOf(name string) string {
	sum := sha256.Sum256([]byte("holdfast cookie " + name))
	return hex.EncodeToString(sum[:6])
}

// words says a failed request for people.
func words(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
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
