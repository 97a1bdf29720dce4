package local_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/api/apitest"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// TestClient holds the fleet's own client, the one over its socket and the one
// over mTLS to the same suite.
func TestClient(t *testing.T) {
	t.Run("InProcess", func(t *testing.T) {
		apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
			r := start(t, small)
			return apitest.Fixture{Client: r.fleet.Client(), Gone: r.close}
		})
	})
	t.Run("Socket", func(t *testing.T) {
		apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
			r := start(t, small)
			return apitest.Fixture{Client: r.socket(t), Filler: r.fleet.Client(), Gone: r.close}
		})
	})
	t.Run("MutualTLS", func(t *testing.T) {
		apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
			r := start(t, small)
			return apitest.Fixture{Client: overTLS(t, r.fleet.Client()), Filler: r.fleet.Client(), Gone: r.close}
		})
	})
}

// overTLS is a person's client of a fleet, through a host's port on loopback.
func overTLS(t *testing.T, c api.Client) api.Client {
	t.Helper()
	authority, err := identity.NewAuthority("small", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	holder := func(n identity.Name) *identity.Holder {
		key, csr, err := identity.NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		chain, err := authority.SignFor(time.Now(), csr, n, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		h, err := identity.NewHolder(identity.Credentials{Key: key, Chain: chain, Roots: authority.Roots()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	log := slog.New(slog.DiscardHandler)
	host := holder(identity.Name{Fleet: "small", Site: "here", Host: "here-1"})
	server := access.NewServer(c, host, api.RoleViewer, log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = identity.NewPort(host, log, server.Protocol).Serve(ctx, l) })
	all.Go(func() { _ = server.Run(ctx) })
	// Who asks is whom the certificate says: the suite asks as mika.
	client, err := access.Dial(holder(identity.Name{Fleet: "small", Person: "mika", Role: api.RoleAdmin}), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); cancel(); all.Wait() })
	return client
}
