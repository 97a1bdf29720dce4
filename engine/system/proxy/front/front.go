package front

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/cert"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

// Front is one bound listener.
type Front struct {
	Name  string
	Flows *flow.Flows
	Meter *meter.Meter
	Log   *slog.Logger

	settings atomic.Pointer[Settings]
	tls      *tls.Config
	tlsOnce  sync.Once
}

// Settings are what a new flow goes by. They are immutable.
type Settings struct {
	Spec  *spec.Listener
	Certs *cert.Store // nil without TLS
	trust []netip.Prefix
}

// Set puts new settings into force for new flows. It fails when a certificate
// cannot be read, and leaves the old ones then.
func (f *Front) Set(s *spec.Listener) error {
	next := &Settings{Spec: s}
	if s.TLS != nil {
		store, err := cert.Open(*s.TLS, f.Log.With("listener", f.Name))
		if err != nil {
			return err
		}
		next.Certs = store
	}
	for _, p := range s.TrustFrom {
		if prefix, err := netip.ParsePrefix(p); err == nil {
			next.trust = append(next.trust, prefix)
		}
	}
	f.settings.Store(next)
	return nil
}

// TLS returns a configuration that goes, for each handshake, by the settings in
// force then. Session tickets are its own, so that sessions outlive a change of
// the certificates.
func (f *Front) TLS() *tls.Config {
	f.tlsOnce.Do(func() {
		f.tls = &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				if c := f.Now().Certs; c != nil {
					return c.Config(), nil
				}
				return nil, errNoCertificate
			},
		}
	})
	return f.tls
}

// errNoCertificate means that TLS was taken off a listener while a client began
// its handshake.
var errNoCertificate = errors.New("front: the listener has no certificate")

// Now returns the settings in force.
func (f *Front) Now() *Settings { return f.settings.Load() }

// Trusts reports whether what a peer says of its clients is believed.
func (s *Settings) Trusts(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(s.trust, func(p netip.Prefix) bool { return p.Contains(a) })
}

// TrustsProxy reports whether a peer's PROXY header is believed: without
// prefixes the listener's setting alone decides.
func (s *Settings) TrustsProxy(a netip.Addr) bool { return len(s.trust) == 0 || s.Trusts(a) }

// Full reports whether another flow would be over the listener's limit.
func (f *Front) Full() bool {
	most := f.Now().Spec.FlowsMax
	return most > 0 && f.Meter.Active() >= int64(most)
}

// AddrOf is the address of one end of a connection.
func AddrOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
