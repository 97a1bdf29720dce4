package local

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// seal says to a fleet's agents who they are. It is drawn when the fleet starts and
// is in memory only: nobody else can join.
type seal struct {
	fleet     string
	authority *identity.Authority
	keys      [][]byte
}

func newSeal(fleet string) (*seal, error) {
	ring, err := gossip.NewKeyring(gossip.NewKey())
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	a, err := identity.NewAuthority(fleet, time.Now())
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	return &seal{fleet, a, ring.Encode()}, nil
}

// host is the identity of one.
func (s *seal) host(name, site string) (*identity.Holder, error) {
	key, csr, err := identity.NewRequest()
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	chain, err := s.authority.Sign(time.Now(), csr, identity.Name{Fleet: s.fleet, Site: site, Host: name})
	if err != nil {
		return nil, fmt.Errorf("local: the certificate of %s: %w", name, err)
	}
	return identity.NewHolder(identity.Credentials{Key: key, Chain: chain, Roots: s.authority.Roots(), Keys: s.keys}, nil)
}

// keep renews the identity of a host for as long as ctx lives.
func (s *seal) keep(ctx context.Context, h *identity.Holder, log *slog.Logger) {
	sign := func(_ context.Context, csr []byte) (identity.Granted, error) {
		chain, err := s.authority.Sign(time.Now(), csr, h.Self())
		return identity.Granted{Chain: chain, Roots: s.authority.Roots()}, err
	}
	h.Keep(ctx, sign, func(identity.Credentials) error { return nil }, log)
}
