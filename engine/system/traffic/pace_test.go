package traffic_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/traffic"
)

// TestAnOpenLoop: requests go out while all earlier ones hang. A closed loop
// would have one under way.
func TestAnOpenLoop(t *testing.T) {
	const together = 100
	use := traffic.Use{Protocol: spec.HTTP, Timeout: 3 * patience}
	holds := func(t *testing.T, run func(context.Context, traffic.Use) error) {
		arrived := make(chan struct{}, 4*together)
		u := use
		u.Addresses = []string{listen(t, func(c net.Conn) {
			select {
			case arrived <- struct{}{}:
			default:
			}
			_, _ = io.Copy(io.Discard, c)
		})}
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, u) }()
		for i := range together {
			select {
			case <-arrived:
			case <-ctx.Done():
				t.Errorf("%d requests were under way together, want %d", i, together)
				<-ended
				return
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Run("probes", func(t *testing.T) {
		t.Parallel()
		holds(t, func(ctx context.Context, u traffic.Use) error {
			return traffic.RunProbes(ctx, traffic.ProbesOptions{Use: u, Every: 2 * time.Millisecond, Clock: loop.NewClock(), Deliver: func(all []drill.Sample) {
				for _, s := range all {
					if s.OK {
						t.Errorf("nobody answered: %+v", s)
					}
				}
			}})
		})
	})
	ways(t, func(t *testing.T, p *poll.Poll) {
		holds(t, func(ctx context.Context, u traffic.Use) error {
			return traffic.RunClients(ctx, traffic.ClientsOptions{Name: "users", Use: u, Rate: 200, Poll: p, Read: func(fleet.ClientsRead) {}})
		})
	})
}
