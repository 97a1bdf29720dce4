// Package identitytest makes fleets of identities for tests: an authority, and
// certificates of hosts and people that it signed.
package identitytest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// Fleet is an authority and whom it removed.
type Fleet struct {
	Name      string
	Authority *identity.Authority

	mu      sync.Mutex
	removed map[string]time.Time
}

// New returns a fleet with an authority of its own.
func New(t testing.TB, name string) *Fleet {
	t.Helper()
	a, err := identity.NewAuthority(name, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return &Fleet{Name: name, Authority: a, removed: map[string]time.Time{}}
}

// RemovedAt implements identity.Removals for all holders of the fleet.
func (f *Fleet) RemovedAt(target string) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.removed[target]
	return at, ok
}

// Remove removes a target, such as host/tokyo-1, from now on.
func (f *Fleet) Remove(target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed[target] = time.Now()
}

// Host returns the identity of a host, whose site is what stands before the - in its
// name.
func (f *Fleet) Host(t testing.TB, host string) *identity.Holder {
	t.Helper()
	site, _, _ := strings.Cut(host, "-")
	return f.Holder(t, identity.Name{Fleet: f.Name, Site: site, Host: host})
}

// Person returns the identity of a person.
func (f *Fleet) Person(t testing.TB, person string, role api.Role) *identity.Holder {
	t.Helper()
	return f.Holder(t, identity.Name{Fleet: f.Name, Person: person, Role: role})
}

// Holder returns the identity of a name, good for an hour.
func (f *Fleet) Holder(t testing.TB, n identity.Name) *identity.Holder {
	t.Helper()
	key, csr, err := identity.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	chain, err := f.Authority.SignFor(time.Now(), csr, n, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h, err := identity.NewHolder(identity.Credentials{Key: key, Chain: chain, Roots: f.Authority.Roots()}, f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Serve serves protocols on a listener until the test, or stop, ends it. Connections
// that stand are closed by stop, and it returns when all have ended.
func Serve(t testing.TB, h *identity.Holder, log *slog.Logger, l net.Listener, protocols ...identity.Protocol) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	port := identity.NewPort(h, log, protocols...)
	go func() { ended <- port.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the port of %s: %v", h.Self(), err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// Listen listens on a free port of loopback.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Dial calls an address by a protocol.
func Dial(h *identity.Holder, address, protocol string, want func(identity.Peer) error) (*tls.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: h.Client(protocol, want)}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}
