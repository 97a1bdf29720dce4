//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// TestKilledServerCostsNoGet: under wrk's load one of three servers is killed
// and comes back, later it is stopped; no request fails, and it comes back by
// slow start. Few connections and many; with the two cores to itself, and beside
// four busy loops.
func TestKilledServerCostsNoGet(t *testing.T) {
	for _, row := range []struct{ connections, burners int }{{32, 0}, {256, 0}, {64, 4}} {
		t.Run(fmt.Sprintf("%d connections, %d busy loops", row.connections, row.burners), func(t *testing.T) {
			killed(t, row.connections, row.burners)
		})
	}
}

func killed(t *testing.T, connections, burners int) {
	s := stage(t)
	ports, procs := servers(t, s, 3)
	h := holdfast(t, s, lab.Spec("http", 8080, ports, []string{"probe: web", "scheduler: wlc", "slow_start: 2s"}, nil))
	serves(t, s, front+"/health")
	waitPool(t, h, "3 up before the kill", func(b backends) bool {
		return b.state("web-1") == "ok" && b.state("web-2") == "ok" && b.state("web-3") == "ok"
	})
	for range burners {
		p, err := s.Client.Start("busy", "sh", "-c", "while :; do :; done")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Stop()
	}
	load := wrk(s, connections, "7s", front+"/")
	c := dial(t, h)
	eventually(t, "load", func() error {
		st, err := c.Status(t.Context())
		if err != nil {
			return err
		}
		if b, ok := st.Backend("web-2"); !ok || b.Traffic.Requests < 100 {
			return fmt.Errorf("web-2 gets %+v", b)
		}
		return nil
	})
	if err := procs[1].Signal(9); err != nil {
		t.Fatal(err)
	}
	waitPool(t, h, "web-2 out", func(b backends) bool { return b.state("web-2") == "down" })
	again, err := s.Nginx(ports[1])
	if err != nil {
		t.Fatal(err)
	}
	shares := rises(t, c)
	clean(t, "killing one of three servers, and its return", <-load)
	if len(shares) < 3 || shares[0] > 0.15 {
		t.Errorf("its share of the new flows when it came back: %.2f, want steps from about 0.05", shares)
	}

	// A stopped server accepts and never answers: the probes find it. Detection
	// is stated by the pool itself.
	load = wrk(s, connections, "6s", front+"/")
	began := time.Now()
	if err := again.Signal(19); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stopped web-2 is out", func() error {
		if st, err := c.Status(t.Context()); err != nil {
			return err
		} else if b, ok := st.Backend("web-2"); !ok || b.State != api.StateDown {
			return fmt.Errorf("web-2 is %s", b.State)
		}
		return nil
	})
	took, stated := time.Since(began), detection(t, h)
	t.Logf("stopped server out after %v, stated worst case %v", took.Round(time.Millisecond), stated)
	slack := 500 * time.Millisecond // pictures come ten times a second
	if burners > 0 {
		slack = 5 * time.Second // who gets no processor measures late
	}
	if took > stated+slack {
		t.Errorf("a stopped server was out after %v; the stated worst case is %v", took, stated)
	}
	clean(t, "a stopped server", <-load)
	_ = again.Signal(18)
	waitPool(t, h, "web-2 back", func(b backends) bool { return b.state("web-2") == "ok" })
}

// rises waits for web-2's return and collects the shares it should have had
// meanwhile.
func rises(t *testing.T, c api.Client) (shares []float64) {
	t.Helper()
	eventually(t, "web-2 back by slow start", func() error {
		st, err := c.Status(t.Context())
		if err != nil {
			return err
		}
		b, ok := st.Backend("web-2")
		if !ok {
			return errors.New("there is no web-2")
		}
		if n := len(shares); b.Phase == api.PhaseRising && (n == 0 || shares[n-1] != b.Share) {
			shares = append(shares, b.Share)
		}
		if b.Phase != api.PhaseServing {
			return fmt.Errorf("it is %s", b.Phase)
		}
		return nil
	})
	return shares
}

// wrk begins a load and says in the end what wrk printed.
func wrk(s *lab.Stage, connections int, length, url string, more ...string) <-chan string {
	load := make(chan string, 1)
	go func() {
		args := append([]string{"-t", "1", "-c", strconv.Itoa(connections), "-d", length, "--timeout", "8s"}, more...)
		out, err := s.Client.Run(context.Background(), "wrk", append(args, url)...)
		if err != nil {
			out = err.Error()
		}
		load <- out
	}()
	return load
}

// clean fails the test when wrk saw a request fail.
func clean(t *testing.T, what, out string) {
	t.Helper()
	t.Logf("wrk, %s:\n%s", what, out)
	if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") || !strings.Contains(out, "Requests/sec") {
		t.Errorf("%s cost requests", what)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, done func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := lab.Until(ctx, done); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
