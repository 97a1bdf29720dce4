//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

const (
	innerPrefix = "hfx-" // of runs inside this run
	innerEnd    = "HOLDFAST_LAB_INNER_END"
)

// left lists what an inner run has left: namespaces, directories, processes.
func left() (all []string) {
	for _, pattern := range []string{"/run/netns/" + innerPrefix + "*", filepath.Join(os.TempDir(), "holdfast-lab-"+innerPrefix+"[0-9]*")} {
		found, _ := filepath.Glob(pattern)
		all = append(all, found...)
	}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		b, _ := os.ReadFile(path)
		if strings.Contains(string(b), "HOLDFAST_LAB_PREFIX="+innerPrefix) {
			all = append(all, path)
		}
	}
	return all
}

// TestEndedRunLeavesNothing: a run that is interrupted, or panics, or is killed
// together with what should clean up after it, leaves no namespace, no process
// and no directory; after the last only the next run sweeps up.
func TestEndedRunLeavesNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, end string
		signal    syscall.Signal
	}{
		{"interrupted", "wait", syscall.SIGINT},
		{"terminated", "wait", syscall.SIGTERM},
		{"a panic on another goroutine", "panic", 0},
		{"killed, and the next run", "wait", syscall.SIGKILL},
	} {
		t.Run(row.name, func(t *testing.T) {
			inner := func(end string) *exec.Cmd {
				cmd := exec.Command(self, "-test.run", "^TestInner$", "-binary", *binary)
				for _, e := range os.Environ() {
					if !strings.HasPrefix(e, "HOLDFAST_LAB_") {
						cmd.Env = append(cmd.Env, e)
					}
				}
				cmd.Env = append(cmd.Env, "HOLDFAST_LAB_PREFIX="+innerPrefix, innerEnd+"="+end)
				return cmd
			}
			cmd := inner(row.end)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 64)
			if n, err := out.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "ready") {
				t.Fatalf("the inner run printed %q, %v", buf[:n], err)
			}
			if row.signal != 0 {
				if len(left()) < 4 {
					t.Errorf("the inner run has only %v", left())
				}
				_ = cmd.Process.Signal(row.signal)
			}
			go func() { // what more it prints
				for {
					if _, err := out.Read(buf); err != nil {
						return
					}
				}
			}()
			if err := cmd.Wait(); err == nil {
				t.Error("the inner run ended well")
			}
			if row.signal == syscall.SIGKILL {
				again := inner("pass")
				if out, err := again.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := lab.Until(ctx, func() error {
				if all := left(); len(all) > 0 {
					return fmt.Errorf("it left %v", all)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestInner is a run inside TestEndedRunLeavesNothing.
func TestInner(t *testing.T) {
	end := os.Getenv(innerEnd)
	if end == "" {
		t.Skip("only inside TestEndedRunLeavesNothing")
	}
	s := stage(t)
	servers(t, s, 1)
	holdfast(t, s, lab.Spec("http", 8080, []int{8001}, nil, nil))
	fmt.Println("ready")
	switch end {
	case "wait":
		<-make(chan struct{})
	case "panic":
		go func() { panic("as a test might") }()
		<-make(chan struct{})
	}
}
