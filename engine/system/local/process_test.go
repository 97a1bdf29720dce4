package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// patience is how long a thing may take that must happen.
const patience = 60 * time.Second

// eventually waits for something that is not in any picture.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// see watches until a picture is as wanted.
func see(t *testing.T, c api.Client, what string, is func(*api.Status) bool) *api.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last *api.Status
	for ctx.Err() == nil { // a watch ends when somebody else keeps the picture
		updates, err := c.Watch(ctx, 0)
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		for u := range updates {
			if last = u.Status; is(last) {
				return last
			}
		}
	}
	t.Fatalf("never seen: %s; the last picture: %+v", what, last)
	return nil
}

func green(s *api.Status) bool { return s.State == api.StateOK }

// ownFleet is a fleet in a process of its own.
type ownFleet struct {
	cmd *exec.Cmd
	dir string
	api.Client
	said *words
}

func startProcess(t *testing.T, dir, text string) *ownFleet {
	t.Helper()
	file := filepath.Join(filepath.Dir(dir), "spec.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &ownFleet{cmd: exec.Command(os.Args[0], "fleet", dir, file), dir: dir, said: &words{}}
	o.cmd.Stderr = o.said
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		_ = o.cmd.Wait()
	})
	c, err := remote.Dial(statedir.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	o.Client = c
	eventually(t, "the fleet answers", func() bool {
		_, err := c.Status(t.Context())
		return err == nil
	})
	return o
}

// pids are the processes of a picture's backends.
func pids(s *api.Status) []int {
	var all []int
	for i := range s.Backends {
		if s.Backends[i].PID != 0 {
			all = append(all, s.Backends[i].PID)
		}
	}
	return all
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// free reports whether nobody listens on an address.
func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// nothingLeft requires that no process and no address is left.
func nothingLeft(t *testing.T, s *api.Status) {
	t.Helper()
	for _, pid := range pids(s) {
		eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool { return !alive(pid) })
	}
	for i := range s.Backends {
		eventually(t, s.Backends[i].Address+" is free", func() bool { return free(s.Backends[i].Address) })
	}
	for i := range s.Listeners {
		for _, b := range s.Listeners[i].Bindings {
			eventually(t, b.Address+" is free", func() bool { return free(b.Address) })
		}
	}
}

// TestEveryEndLeavesNothing ends a fleet's process in every way, with one backend
// that is stopped, and looks for what is left.
func TestEveryEndLeavesNothing(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := filepath.Join(place(t), "s")
			f := startProcess(t, dir, small)
			s := see(t, f, "all green", green)
			if len(pids(s)) != 2 {
				t.Fatalf("%d processes; want 2", len(pids(s)))
			}
			// A stopped process cannot read its control pipe: only a kill ends it.
			if err := syscall.Kill(pids(s)[0], syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			if err := f.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := f.cmd.Wait()
			if sig != syscall.SIGKILL && err != nil {
				t.Errorf("it ended with %v: %s", err, f.said)
			}
			nothingLeft(t, s)
			if _, err := f.Status(t.Context()); !errors.Is(err, api.ErrUnreachable) {
				t.Errorf("Status after the end: %v", err)
			}
			left := files(t, dir)
			if sig != syscall.SIGKILL && !slices.Equal(left, []string{"lock", "revisions"}) {
				t.Errorf("left in the state directory: %q", left)
			}
		})
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

// TestTakesOverFromAKilledFleet begins again in the directory of a fleet that
// was killed, while its socket and its record of processes are still there.
func TestTakesOverFromAKilledFleet(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	f := startProcess(t, dir, small)
	before := see(t, f, "all green", green)
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
	if left := files(t, dir); !slices.Contains(left, "holdfast.sock") {
		t.Fatalf("a killed fleet leaves its socket; here is %q", left)
	}
	r := startIn(t, dir, small)
	after := see(t, r.fleet.Client(), "all green again", green)
	for _, pid := range pids(after) {
		if slices.Contains(pids(before), pid) {
			t.Errorf("process %d is one of the killed fleet", pid)
		}
	}
}

// TestConsoleThatIsKilledHarmsNothing kills a process that watches.
func TestConsoleThatIsKilledHarmsNothing(t *testing.T) {
	r := start(t, small)
	see(t, r.fleet.Client(), "all green", green)
	// The other end: a raw connection that asks to watch and then reads nothing.
	var all []net.Conn
	for range 20 {
		c, err := net.Dial("unix", statedir.Socket(r.dir))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("GET /v1/watch HTTP/1.1\r\nHost: holdfast\r\n\r\n"))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
		all = append(all, c)
	}
	for i := range 50 {
		if _, err := r.fleet.Client().Do(t.Context(), api.Request{Command: weight("web-1", 1+i%2)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all { // as the kernel does when their process dies
		_ = c.Close()
	}
	st := see(t, r.socket(t), "the fleet goes on", green)
	if len(pids(st)) != 2 {
		t.Errorf("%d processes are left", len(pids(st)))
	}
}

func weight(name string, w int) api.Command {
	return api.SetWeights{Weights: []api.Weight{{Backend: name, Weight: w}}}
}

// stopped reports whether a process was stopped by a signal.
func stopped(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "T")
}
