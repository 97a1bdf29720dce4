package traffic_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/traffic"
)

// childVariable makes this program a service instead of a test.
const childVariable = "HOLDFAST_TRAFFIC_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	// It ends with its test: standard input is closed then.
	err := service.Run(context.Background(), service.Options{Name: "child", Kind: spec.ServiceHTTP, Address: "127.34.4.1:0", Control: os.Stdin, Ready: func(a net.Addr) { fmt.Println(a) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child runs a service as a process of its own and returns its address.
func child(t *testing.T) (string, *os.Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = in.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address), cmd.Process
}

// TestAStoppedBackend: a process that is stopped keeps its connections and
// accepts new ones by its kernel. Probes find it silent, go on in their pace, and
// find it well again.
func TestAStoppedBackend(t *testing.T) {
	t.Parallel()
	address, process := child(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	const timeout = 300 * time.Millisecond
	stage, silent, again := 0, 0, 0
	err := traffic.RunProbes(ctx, traffic.ProbesOptions{
		Use:   traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: timeout},
		Every: 5 * time.Millisecond, Clock: loop.NewClock(),
		Deliver: func(all []drill.Sample) {
			for _, s := range all {
				switch {
				case stage == 0 && s.OK:
					stage = 1
					if err := process.Signal(syscall.SIGSTOP); err != nil {
						t.Error(err)
					}
				case stage == 1 && !s.OK:
					if !strings.HasSuffix(s.Reason, "no answer within 300ms") || s.Unsent {
						t.Errorf("while it is stopped: %+v", s)
					}
					if silent++; silent == 60 {
						stage = 2
						if err := process.Signal(syscall.SIGCONT); err != nil {
							t.Error(err)
						}
					}
				case stage == 2 && s.OK:
					if again++; again == 20 {
						cancel()
					}
				}
			}
		},
	})
	if err != nil || again < 20 {
		t.Fatalf("stage %d: %d silent, %d answered again; %v", stage, silent, again, err)
	}
}

// TestClientsOfAStoppedBackend: users of a stopped backend fail one after
// another at their own rate, those on kept connections too.
func TestClientsOfAStoppedBackend(t *testing.T) { ways(t, clientsOfAStoppedBackend) }

func clientsOfAStoppedBackend(t *testing.T, p *poll.Poll) {
	address, process := child(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var before, stopped uint64
	var reason string
	healed := false
	err := traffic.RunClients(ctx, traffic.ClientsOptions{
		Name: "users", Rate: 100, Poll: p, Use: traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: 300 * time.Millisecond},
		Read: func(r fleet.ClientsRead) {
			errors := r.Reading.Totals.Errors
			switch {
			case stopped == 0 && r.Reading.Totals.Requests > 0:
				before, stopped = errors, 1
				if err := process.Signal(syscall.SIGSTOP); err != nil {
					t.Error(err)
				}
			case stopped == 1 && errors >= before+60 && !strings.HasPrefix(r.LastError, "not sent"):
				stopped, reason = errors, r.LastError
				if err := process.Signal(syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			case stopped > 1 && r.Reading.Latency.Count > 0 && r.LastError == "":
				healed = true
				cancel()
			}
		},
	})
	if err != nil || !healed || reason != address+": no answer within 300ms" {
		t.Errorf("stopped after %d errors with %q, healed %t; %v", stopped, reason, healed, err)
	}
}

// BenchmarkClients shows what a fleet's built-in users cost an idle machine: the
// processor time of a request, the service's part in it.
func BenchmarkClients(b *testing.B) {
	a := serve(b, "a", spec.ServiceHTTP, nil)
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
		var requests uint64
		before := cpu()
		err := traffic.RunClients(ctx, traffic.ClientsOptions{Name: "users", Rate: 20, Use: traffic.Use{Protocol: spec.HTTP, Addresses: []string{a}}, Read: func(r fleet.ClientsRead) {
			requests = r.Reading.Totals.Requests
		}})
		used := cpu() - before
		cancel()
		if err != nil || requests == 0 {
			b.Fatal(requests, err)
		}
		b.ReportMetric(float64(used.Microseconds())/float64(requests), "cpu-µs/request")
		b.ReportMetric(used.Seconds()/3*100, "%-of-a-core")
	}
}
