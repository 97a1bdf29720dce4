package liveness_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/liveness"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// The places of the test's hosts: two sites, at addresses that nothing else in
// this repository uses.
func places() []liveness.Peer {
	var all []liveness.Peer
	for s := 1; s <= 2; s++ {
		for h := 1; h <= 2; h++ {
			all = append(all, liveness.Peer{
				Host: member.Host{Name: fmt.Sprintf("s%d-%d", s, h), Site: fmt.Sprintf("s%d", s)}, Port: 7420,
				Address: netip.AddrFrom4([4]byte{127, byte(60 + s), 0, byte(h)}),
			})
		}
	}
	return all
}

type one struct {
	*liveness.Liveness
	end  context.CancelFunc
	done chan error
}

func begin(t *testing.T, p liveness.Peer, keys gossip.Keyring) *one {
	t.Helper()
	l, err := liveness.New(liveness.Options{
		Fleet: "test", Self: p.Host, Address: p.Address, Life: uint64(time.Now().UnixNano()), Keys: keys, Clock: loop.NewClock(),
		Log: slog.New(slog.DiscardHandler), Changed: func([]member.Change) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	o := &one{Liveness: l, end: end, done: make(chan error, 1)}
	go func() { o.done <- l.Run(ctx) }()
	t.Cleanup(func() {
		end()
		<-o.done
	})
	l.SetPeers(ctx, places())
	return o
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	look, late := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

func (o *one) sees(host string, state member.State) bool {
	h, ok := o.Status().Host(host)
	return ok && h.State == state
}

// Hosts see each other, a goodbye is a stopped agent in both sites, and who has
// another key is nobody.
func TestHostsSeeEachOther(t *testing.T) {
	keys, err := gossip.NewKeyring(gossip.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	var all []*one
	for _, p := range places() {
		all = append(all, begin(t, p, keys))
	}
	until(t, "everybody lives", func() bool {
		for _, o := range all {
			for _, p := range places() {
				if p.Name != o.Status().Self.Name && !o.sees(p.Name, member.StateAlive) {
					return false
				}
			}
		}
		return true
	})
	all[1].end()
	until(t, "both sites see a stopped agent", func() bool {
		return all[0].sees("s1-2", member.StateStopped) && all[2].sees("s1-2", member.StateStopped) && all[3].sees("s1-2", member.StateStopped)
	})

	other, err := gossip.NewKeyring(gossip.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].SetKeys(other); err != nil {
		t.Fatal(err)
	}
	until(t, "the others do not believe who has another key", func() bool {
		return !all[2].sees("s1-1", member.StateAlive) && all[2].Counts().WrongKey > 0
	})
}
