package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
)

const (
	// saidMax bounds what is kept of a program's output; the rest is read and
	// dropped, so that it can end.
	saidMax = 1 << 10
	// pipesWait is how long the output of a killed program is waited for.
	pipesWait = 100 * time.Millisecond
)

// passed are the variables that a program inherits. The others are this
// process's own business, and may hold secrets.
var passed = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "LANGUAGE"}

func environment(host, port string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return !slices.Contains(passed, name) && !strings.HasPrefix(name, "LC_")
	})
	return append(env, "HOLDFAST_ADDRESS="+host, "HOLDFAST_PORT="+port)
}

// program runs a program; exit code 0 is a pass. It leads a process group of its
// own, and the whole group is killed at the time-out and when the program ends:
// what it left behind would add up to thousands. The program itself does not outlive
// this process either, however that ends.
func (r *Runner) program(ctx context.Context, l probe.Launch) error {
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return unableError{err}
	}
	argv := l.Probe.Exec.Command
	said := &bounded{}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.Probe.Exec.Dir, environment(host, port), said, said
	cmd.SysProcAttr = attributes()
	// The kernel takes the end of the thread that started it for ours (prctl(2)),
	// and the runtime ends threads as it likes: this one stays until the program
	// has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	group := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel, cmd.WaitDelay = group, pipesWait
	if err := cmd.Start(); err != nil {
		return unableError{err}
	}
	if ended(cmd.Process.Pid) {
		_ = group()
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it passed; somebody who left its group has its output still
		return nil
	case ctx.Err() != nil:
		return lacking("no end of the program", ctx.Err())
	case !errors.As(err, &exit):
		return unableError{err}
	}
	if words := bytes.TrimSpace(said.b); len(words) > 0 {
		return fmt.Errorf("%s: %s", cmd.ProcessState, words)
	}
	return errors.New(cmd.ProcessState.String())
}

// bounded keeps the beginning of what a program prints.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), saidMax-len(w.b))]...)
	return len(p), nil
}
