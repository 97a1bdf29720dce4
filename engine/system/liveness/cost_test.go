package liveness_test

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/liveness"
)

// TestCost looks at what fifty hosts cost at rest, all in this process.
func TestCost(t *testing.T) {
	if os.Getenv("HOLDFAST_COST") == "" {
		t.Skip("it measures; HOLDFAST_COST=1 runs it")
	}
	keys, err := gossip.NewKeyring(gossip.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	var places []liveness.Peer
	for s := 1; s <= 5; s++ {
		for h := 1; h <= 10; h++ {
			places = append(places, liveness.Peer{
				Host: member.Host{Name: fmt.Sprintf("s%d-%d", s, h), Site: fmt.Sprintf("s%d", s)}, Port: 7420,
				Address: netip.AddrFrom4([4]byte{127, byte(90 + s), 0, byte(h)}),
			})
		}
	}
	var all []*one
	for _, p := range places {
		o := begin(t, p, keys)
		o.SetPeers(t.Context(), places)
		all = append(all, o)
	}
	sent := func() (n uint64) {
		for _, o := range all {
			n += o.Counts().Sent
		}
		return n
	}
	for range 6 {
		before, start, packets := used(t), time.Now(), sent()
		<-time.After(4 * time.Second)
		took := time.Since(start)
		alive := 0
		for _, o := range all {
			for _, h := range o.Status().Hosts {
				if h.State == member.StateAlive {
					alive++
				}
			}
		}
		t.Logf("%.1f %% of a core, %.0f packets a second, %d of %d alive", 100*float64(used(t)-before)/float64(took), float64(sent()-packets)/took.Seconds(), alive, len(all)*(len(all)-1))
	}
}

func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
