package local_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/local"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// foreign is a program of somebody else that answers every request well.
func foreign(t *testing.T, address string) *http.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestForeignBackendIsNotGreen has somebody else answer at a backend's address,
// before the fleet starts and while its process is down, and leave again.
func TestForeignBackendIsNotGreen(t *testing.T) {
	stranger := foreign(t, "127.44.1.1:9080")
	r := start(t, strings.ReplaceAll(small, "127.32.0.1", "127.44.1.1"))
	who := fmt.Sprintf("its own process cannot listen on 127.44.1.1:9080: process %d (", os.Getpid())
	s := r.see("it is out", outOf("web-1"))
	if b := backend(t, s, "web-1"); b.State != api.StateDown || !strings.Contains(b.Reason, who) {
		t.Errorf("it is %s: %s; want down: %s…", b.State, b.Reason, who)
	}
	if b := backend(t, s, "web-2"); !b.Serves() {
		r.see("the other one serves", func(s *api.Status) bool { return backend(t, s, "web-2").Serves() })
	}
	_ = stranger.Close()
	r.see("its own process serves", func(s *api.Status) bool { return green(s) && backend(t, s, "web-1").PID != 0 })
	// The same behind a fault.
	r.do(api.InjectFault{Kind: api.FaultKill, Target: id.To(id.KindBackend, "web-1")})
	r.see("it is killed", func(s *api.Status) bool { return backend(t, s, "web-1").PID == 0 && outOf("web-1")(s) })
	stranger = foreign(t, "127.44.1.1:9080")
	r.do(api.ClearFault{})
	r.see("it is known to be taken", func(s *api.Status) bool {
		b := backend(t, s, "web-1")
		return b.State == api.StateDown && strings.Contains(b.Reason, who)
	})
	_ = stranger.Close()
	r.see("all green again", green)
	events, _ := r.fleet.Client().Events(t.Context(), 0, api.EventRing)
	n := 0
	for _, e := range events {
		if strings.Contains(e.Reason, who) && e.Lane == api.LaneFleet {
			n++
		}
	}
	if n == 0 || n > 4 {
		t.Errorf("%d events say who had the address; want one each time", n)
	}
}

// TestForeignBackendWithoutAProbe: nobody measures it, and it is not green.
func TestForeignBackendWithoutAProbe(t *testing.T) {
	foreign(t, "127.44.2.1:9080")
	text := strings.ReplaceAll(strings.Replace(small, "    probe: web\n", "", 1), "127.32.0.1", "127.44.2.1")
	r := start(t, text)
	r.see("it is not green", func(s *api.Status) bool {
		b := backend(t, s, "web-1")
		return b.State == api.StateDegraded && strings.Contains(b.Reason, "has it") && s.State != api.StateOK
	})
}

// TestTakenListenerSaysWho names who has a listener's address, and binds it when
// it is free.
func TestTakenListenerSaysWho(t *testing.T) {
	stranger := foreign(t, "127.44.3.1:8080")
	r := start(t, strings.ReplaceAll(small, "127.32.0.1", "127.44.3.1"))
	r.see("it is said", func(s *api.Status) bool {
		l, _ := s.Listener("web")
		return l.State == api.StateDown && strings.Contains(l.Reason, fmt.Sprintf("process %d (", os.Getpid()))
	})
	_ = stranger.Close()
	r.see("all green", green)
}

// TestSecondFleetAtTheSameAddresses is told which address is taken by whom, and
// the first one does not notice.
func TestSecondFleetAtTheSameAddresses(t *testing.T) {
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.4.1")
	dir := filepath.Join(place(t), "s")
	first := startProcess(t, dir, text)
	before := see(t, first, "all green", green)
	for what, c := range map[string]struct{ text, address string }{
		"a listener": {text, "127.44.4.1:8080"},
		"a backend":  {strings.Replace(text, "port: 8080", "port: 8081", 1), "127.44.4.1:9080"},
	} {
		s, err := spec.Parse("second.yaml", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		state, err := statedir.Open(filepath.Join(place(t), "second"))
		if err != nil {
			t.Fatal(err)
		}
		second, err := local.Start(local.Options{Spec: s, SpecText: c.text, State: state, Log: slog.New(slog.DiscardHandler)})
		var taken *local.TakenError
		if !errors.As(err, &taken) {
			if second != nil {
				_ = second.Close()
			}
			t.Fatalf("%s: the second fleet: %v", what, err)
		}
		if taken.Address != c.address || taken.PID != first.cmd.Process.Pid || taken.Dir != dir || !strings.Contains(err.Error(), "--state "+dir) {
			t.Errorf("%s: %v", what, err)
		}
		_ = state.Close()
	}
	after := see(t, first, "still green", green)
	if !slices.Equal(pids(before), pids(after)) {
		t.Errorf("the first fleet's processes were %v and are %v", pids(before), pids(after))
	}
}
