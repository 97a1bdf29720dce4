package probing_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
)

func shell(timeout time.Duration, script string) spec.Probe {
	p := probeOf(spec.ProbeExec, timeout)
	p.Exec.Command = []string{"sh", "-c", script}
	return p
}

func TestProgram(t *testing.T) {
	t.Setenv("HOLDFAST_TEST_SECRET", "secret")
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"check": 0o700, "data": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 3\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	command := func(argv ...string) spec.Probe {
		p := probeOf(spec.ProbeExec, patience)
		p.Exec.Command, p.Exec.Dir = argv, dir
		return p
	}
	for _, c := range []struct {
		name    string
		probe   spec.Probe
		verdict probe.Verdict
		reason  string
	}{
		{"exit 0", shell(patience, "exit 0"), probe.Pass, ""},
		{"exit 2", shell(patience, "exit 2"), probe.Fail, "exit status 2"},
		{"it says why", shell(patience, "echo no route >&2; exit 1"), probe.Fail, "exit status 1: no route"},
		{"a terminal's commands", shell(patience, `printf '\033[2J\007bell\000'; exit 1`), probe.Fail, "exit status 1: ?[2J?bell"},
		{"it says too much", shell(patience, "yes xxxxxxxxxx | head -c 2000000; exit 1"), probe.Fail, "exit status 1: xxxxxxxxxx xxxxxxxxxx"},
		{"killed by somebody", shell(patience, "kill -9 $$"), probe.Fail, "signal: killed"},
		{"it is told the address", shell(patience, `[ "$HOLDFAST_ADDRESS:$HOLDFAST_PORT" = 127.34.1.1:99 ]`), probe.Pass, ""},
		{"it has a path", shell(patience, `[ -n "$PATH" ]`), probe.Pass, ""},
		{"it is told no secret", shell(patience, `[ -z "$HOLDFAST_TEST_SECRET" ]`), probe.Pass, ""},
		{"it reads nothing", shell(patience, "read x; [ -z \"$x\" ]"), probe.Pass, ""},
		{"beside the spec", command("./check"), probe.Fail, "exit status 3"},
		{"no program", command("holdfast-no-such-program"), probe.Unable, "executable file not found"},
		{"no file", command("/no/such/file"), probe.Unable, "no such file"},
		{"not executable", command("./data"), probe.Unable, "permission denied"},
		{"too slow", shell(soon, "sleep 1000"), probe.Fail, "no end of the program within 1s"},
		{"deaf to SIGTERM", shell(soon, "trap '' TERM INT HUP; while :; do sleep 1000; done"), probe.Fail, "no end of the program within 1s"},
		{"a child has its output", shell(patience, "sleep 1000 & exit 0"), probe.Pass, ""},
		{"a child has its output and it failed", shell(patience, "sleep 1000 & echo gone; exit 1"), probe.Fail, "exit status 1: gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			expect(t, run(t, probing.New(nil), "127.34.1.1:99", c.probe), c.verdict, c.reason)
			if took := time.Since(began); took > patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
	expect(t, run(t, probing.New(nil), "nonsense", shell(patience, "exit 0")), probe.Unable, "")
}

// The whole group dies: at the time-out, and when the program itself is done.
func TestProgramLeavesNoChild(t *testing.T) {
	for name, script := range map[string]string{"time-out": "sleep 1000 & echo $! >%; wait", "done": "sleep 1000 >/dev/null 2>&1 & echo $! >%; exit 0"} {
		file := filepath.Join(t.TempDir(), "pid")
		run(t, probing.New(nil), "127.34.1.1:1", shell(soon, strings.ReplaceAll(script, "%", file)))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(patience)
		for alive(pid) {
			if time.Now().After(deadline) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				t.Fatalf("%s: the child lives", name)
			}
		}
	}
}

// alive reports whether a process runs; what is dead and not reaped does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}
