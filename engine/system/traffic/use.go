package traffic

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Use says how a listener is used.
type Use struct {
	Protocol  spec.Protocol
	Addresses []string           // address:port, used in turn; at least one
	TLS       bool               // the listener speaks TLS, or passes it through
	Proxy     spec.ProxyProtocol // header that the listener wants first
	// Service is what stands behind the listener when it is all the fleet's own:
	// then its name is read and its echo is compared. Empty: somebody else's,
	// of which less can be asked.
	Service spec.ServiceKind
	Path    string        // http(s)
	Timeout time.Duration // of one request
}

// Of returns how clients use their listener: at the addresses of all its hosts.
func Of(f *spec.Fleet, c spec.Clients) (Use, error) {
	l := f.Listener(c.Listener)
	if l == nil {
		return Use{}, fmt.Errorf("traffic: clients %s use a listener %q that the spec does not have", c.Name, c.Listener)
	}
	u := Use{Protocol: l.Protocol, Proxy: l.Proxy, Path: c.Path, Timeout: c.Timeout.D()}
	for _, h := range l.Hosts {
		address := l.Address
		if address == "" {
			if own, _ := f.Host(h); own != nil {
				address = own.Address
			}
		}
		if a := spec.AddrPort(address, l.Port); !slices.Contains(u.Addresses, a) {
			u.Addresses = append(u.Addresses, a)
		}
	}
	u.TLS = l.Protocol == spec.HTTPS || l.Protocol == spec.TLSPassthrough || l.TLS != nil
	u.Service = serviceOf(f.Pool(l.Pool))
	return u, u.check()
}

// serviceOf is the kind of service that all backends of a pool run; empty when
// they differ or one is not the fleet's own.
func serviceOf(p *spec.Pool) spec.ServiceKind {
	if p == nil || len(p.Backends) == 0 || p.Backends[0].Service == nil {
		return ""
	}
	kind := p.Backends[0].Service.Kind
	for _, b := range p.Backends {
		if b.Service == nil || b.Service.Kind != kind {
			return ""
		}
	}
	return kind
}

// check fills in defaults and refuses what cannot be used.
func (u *Use) check() error {
	if len(u.Addresses) == 0 {
		return fmt.Errorf("traffic: the listener has no address")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if u.Timeout <= 0 {
		u.Timeout = time.Second
	}
	return nil
}

// web reports whether HTTP is spoken over a connection. A TCP listener before
// the fleet's own HTTP service is asked HTTP too, so that its name is read.
func (u *Use) web() bool {
	switch u.Protocol {
	case spec.HTTP, spec.HTTPS:
		return true
	case spec.TCP:
		return u.Service == spec.ServiceHTTP
	case spec.UDP, spec.TLSPassthrough:
	}
	return false
}
