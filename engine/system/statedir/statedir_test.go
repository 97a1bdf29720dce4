package statedir_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// TestMain lets this binary be a process that does nothing until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "idle" {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// place is short enough for a socket, whatever the test is called.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, dir string) *statedir.Dir {
	t.Helper()
	d, err := statedir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func idle(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "idle")
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

func TestOnlyForItsOwner(t *testing.T) {
	dir := filepath.Join(place(t), "deep", "s")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	i, err := os.Stat(dir)
	if err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("its mode is %o, %v; want 0700", i.Mode().Perm(), err)
	}
}

func TestSecondFleetIsToldOfTheFirst(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	_, err := statedir.Open(dir)
	var busy *statedir.BusyError
	if !errors.As(err, &busy) || busy.PID != os.Getpid() || busy.Dir != dir {
		t.Fatalf("a second one: %v", err)
	}
	for _, want := range []string{dir, fmt.Sprint(os.Getpid()), "--state", "Ctrl-C"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

// TestLeavesOtherPlacesAlone: a directory with other things in it is not taken,
// and keeps its mode.
func TestLeavesOtherPlacesAlone(t *testing.T) {
	dir := filepath.Join(place(t), "home")
	if err := os.MkdirAll(filepath.Join(dir, "letters"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := statedir.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "holds other things") || !strings.Contains(err.Error(), "--state "+dir+"/holdfast") {
		t.Errorf("%v", err)
	}
	if i, err := os.Stat(dir); err != nil || i.Mode().Perm() != 0o755 {
		t.Errorf("its mode is %o now, %v", i.Mode().Perm(), err)
	}
	if os.Geteuid() == 0 { // only root can give a directory away
		other := filepath.Join(place(t), "other")
		if err := os.Mkdir(other, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(other, 4242, 4242); err != nil {
			t.Skip(err)
		}
		if _, err := statedir.Open(other); err == nil || !strings.Contains(err.Error(), "belongs to user 4242") {
			t.Errorf("%v", err)
		}
	}
}

// abandon leaves a directory as a fleet does that is killed: with its record of
// processes, and its lock dropped by the kernel.
func abandon(t *testing.T, dir, record string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "processes.json"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", statedir.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
}

// TestTakesOverItsOwnProcesses ends what the killed fleet left, stopped or not.
func TestTakesOverItsOwnProcesses(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	d := open(t, dir)
	runs, stopped := idle(t), idle(t)
	d.Started(runs.Process.Pid)
	d.Started(stopped.Process.Pid)
	if err := stopped.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile(filepath.Join(dir, "processes.json"))
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	abandon(t, dir, string(record))
	began := time.Now()
	open(t, dir)
	for _, c := range []*exec.Cmd{runs, stopped} {
		err := c.Wait()
		if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
			t.Errorf("process %d ended with %v, after %s", c.Process.Pid, err, time.Since(began))
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left; want the lock only", len(left))
	}
}

// TestLeavesOthersAlone holds that a number in use again by somebody else, and a
// record that is torn, harm nobody.
func TestLeavesOthersAlone(t *testing.T) {
	other := idle(t)
	for name, record := range map[string]string{
		"number in use again": fmt.Sprintf(`{"%d":"12345"}`, other.Process.Pid),
		"torn record":         fmt.Sprintf(`{"%d":"`, other.Process.Pid),
		"odd numbers":         `{"0":"1","-1":"1","1":"1","99999999":"1"}`,
		"empty record":        "",
	} {
		dir := filepath.Join(place(t), "s")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		abandon(t, dir, record)
		open(t, dir)
		if err := other.Process.Signal(syscall.Signal(0)); err != nil {
			t.Fatalf("%s: somebody else's process is gone: %v", name, err)
		}
	}
}

func TestOddPlaces(t *testing.T) {
	dir := place(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.MkdirAll(filepath.Join(locked, "lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	if err := os.MkdirAll(filepath.Join(socket, "holdfast.sock", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"a file":                    {file, file},
		"below a file":              {filepath.Join(file, "s"), "not a directory"},
		"where nobody can write":    {"/proc/holdfast", "/proc"},
		"a directory as its lock":   {locked, "lock"},
		"a directory as its socket": {socket, "holdfast.sock"},
		"too long for a socket":     {filepath.Join(dir, strings.Repeat("long", 30)), "too long for a socket"},
		"a name that cannot be":     {dir + "/\x00", "invalid"},
		"longer than any path":      {filepath.Join(dir, strings.Repeat("x", 5000)), "too long"},
	} {
		d, err := statedir.Open(c.path)
		if err == nil {
			_ = d.Close()
			t.Errorf("%s was taken", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want it to say %s", name, err, c.want)
		}
	}
}

func TestDefaultPlace(t *testing.T) {
	t.Setenv("HOME", "/home/kim")
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOLDFAST_STATE", "")
	for _, c := range []struct{ key, value, want string }{
		{"HOME", "/home/kim", "/home/kim/.local/state/holdfast"},
		{"XDG_STATE_HOME", "/var/kim", "/var/kim/holdfast"},
		{"HOLDFAST_STATE", "/tmp/s", "/tmp/s"},
	} {
		t.Setenv(c.key, c.value)
		if d, err := statedir.Default(); err != nil || d != c.want {
			t.Errorf("with %s=%s: %q, %v; want %q", c.key, c.value, d, err, c.want)
		}
	}
}

// TestLogBeginsAnewWhenItIsFull writes more than two files hold.
func TestLogBeginsAnewWhenItIsFull(t *testing.T) {
	dir := filepath.Join(place(t), "s")
	l, err := open(t, dir).Log()
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 20 {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"holdfast.log", "holdfast.log.1"} {
		i, err := os.Stat(filepath.Join(dir, name))
		if err != nil || i.Size() > 8<<20 || i.Size() == 0 || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, i, err)
		}
	}
}
