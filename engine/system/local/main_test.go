package local_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/keeper"
	"github.com/holdfast-edge/holdfast/engine/system/local"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// TestMain lets the test's own binary be a backend's process, and a whole fleet
// in a process of its own that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "fleet" {
		os.Exit(runFleet(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 1 && os.Args[1] == "service" {
		f := flag.NewFlagSet("service", flag.ExitOnError)
		name, kind, address := f.String("name", "", ""), f.String("kind", "", ""), f.String("address", "", "")
		_ = f.Parse(os.Args[2:])
		if err := service.Run(context.Background(), service.Options{Name: *name, Kind: spec.ServiceKind(*kind), Address: *address, Control: os.Stdin, Ready: func(net.Addr) { fmt.Println(keeper.Ready) }}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runFleet is what main does without a face.
func runFleet(dir, file string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	signal.Ignore(syscall.SIGXFSZ) // a file that may not grow is an error of the write, as a full disk is
	text, err := os.ReadFile(file)
	if err != nil {
		return fail(err)
	}
	s, err := spec.Parse(file, text)
	if err != nil {
		return fail(err)
	}
	state, err := statedir.Open(dir)
	if err != nil {
		return fail(err)
	}
	f, err := local.Start(local.Options{Spec: s, SpecText: string(text), State: state, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fail(err)
	}
	<-ctx.Done()
	if err := f.Close(); err != nil {
		return fail(err)
	}
	return 0
}

// small is one site of one host with two backends, at addresses that nothing
// else in this repository uses.
const small = `
fleet: small
sites:
  - name: lab
    hosts: [{name: lab-1, address: 127.32.0.1}]
probes:
  - {name: web, kind: http, interval: 100ms, timeout: 2s, rise: 1, flap: {off: true}, http: {path: /health}}
pools:
  - name: web
    site: lab
    probe: web
    slow_start: 0s
    backends:
      - {name: web-1, host: lab-1, port: 9080, service: {kind: http}}
      - {name: web-2, host: lab-1, port: 9081, service: {kind: http}}
listeners:
  - {name: web, site: lab, protocol: http, port: 8080, pool: web}
`

// running is a fleet under test.
type running struct {
	*testing.T
	fleet *local.Fleet
	dir   string
	log   *words
}

// words are what a log wrote. The fleet writes and the test reads.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// start runs a fleet until the test ends.
func start(t *testing.T, text string) *running {
	t.Helper()
	return startIn(t, filepath.Join(place(t), "s"), text)
}

// place is a directory of this test. It is not t.TempDir's: with a long test
// name that is too long for a socket.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func startIn(t *testing.T, dir, text string) *running {
	t.Helper()
	s, err := spec.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	state, err := statedir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{T: t, dir: dir, log: &words{}}
	r.fleet, err = local.Start(local.Options{
		Spec: s, SpecText: text, State: state, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		_ = state.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.close()
		if t.Failed() {
			t.Logf("the fleet's warnings:\n%s", r.log)
		}
	})
	return r
}

func (r *running) close() {
	if err := r.fleet.Close(); err != nil {
		r.Errorf("close: %v", err)
	}
}

func (r *running) socket(t *testing.T) api.Client {
	t.Helper()
	c, err := remote.Dial(statedir.Socket(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
