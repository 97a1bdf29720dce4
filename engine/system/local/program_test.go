package local_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestProgramsOfProbesDieWithTheFleet kills a fleet while a probe's program runs
// that nothing else would end.
func TestProgramsOfProbesDieWithTheFleet(t *testing.T) {
	dir := place(t)
	file := filepath.Join(dir, "pids")
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.8.1")
	text = strings.Replace(text, "kind: http, interval: 100ms, timeout: 2s", "kind: exec, interval: 100ms, timeout: 300s", 1)
	text = strings.Replace(text, "http: {path: /health}", "exec: {command: [sh, -c, 'echo $$ >>"+file+"; exec sleep 86399']}", 1)
	f := startProcess(t, filepath.Join(dir, "s"), text)
	var pids []int
	eventually(t, "two programs run", func() bool {
		b, _ := os.ReadFile(file)
		pids = nil
		for _, line := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
		return len(pids) == 2
	})
	t.Cleanup(func() {
		for _, pid := range pids {
			if alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	for _, pid := range pids {
		if !alive(pid) {
			t.Fatalf("program %d does not run", pid)
		}
	}
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
	for _, pid := range pids {
		eventually(t, "the program is gone", func() bool { return !alive(pid) })
	}
}
