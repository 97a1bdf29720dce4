package lab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// prefix begins the name of every namespace, interface and directory of the lab,
// so that what a killed run left behind is recognised and nothing else is
// touched. A run inside a run, as its own tests need, has another one.
var prefix = cmp.Or(os.Getenv(prefixVariable), "hf-")

const (
	prefixVariable = "HOLDFAST_LAB_PREFIX"
	dirVariable    = "HOLDFAST_LAB_DIR" // says to the child that it is one
)

// Supervise runs this program again as a child, and run in the child. However
// the child ends, by a panic, a time-out or a signal, its namespaces, processes
// and files are removed after it; only the SIGKILL of the parent leaves
// namespaces to the sweep of the next run. It returns the exit code.
func Supervise(run func() int) int {
	if os.Getenv(dirVariable) != "" {
		return run()
	}
	code, err := supervise()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func supervise() (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("lab: network namespaces need root; run it as root")
	}
	unlock, err := lock()
	if err != nil {
		return 1, err
	}
	defer unlock()
	if err := sweep(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", dirName()+"*")
	if err != nil {
		return 1, fmt.Errorf("lab: %w", err)
	}
	defer func() { err = errors.Join(err, sweep()) }()
	if err := os.Chmod(dir, 0o755); err != nil { // servers of other users read below it
		return 1, fmt.Errorf("lab: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("lab: %w", err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	runtime.LockOSThread() // the child dies with the thread that began it
	defer runtime.UnlockOSThread()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("lab: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-done:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				if exit.ExitCode() < 0 {
					fmt.Fprintln(os.Stderr, "lab: the tests ended by a signal:", exit)
				}
				return max(exit.ExitCode(), 1), nil // -1: by a signal
			}
			return 0, err
		}
	}
}

// lock keeps two runs apart: each would sweep the other's namespaces away.
func lock() (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), dirName()+"lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lab: another run holds %s; wait for its end", path)
	}
	return func() { _ = f.Close() }, nil
}

func dirName() string { return "holdfast-lab-" + prefix }

// TempDir makes a directory for one network. It goes with the run at the latest.
func TempDir() (string, error) {
	root := os.Getenv(dirVariable)
	if root == "" {
		return "", errors.New("lab: the run is not supervised")
	}
	dir, err := os.MkdirTemp(root, "run")
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	return dir, os.Chmod(dir, 0o755)
}

// sweep removes the namespaces of a run that has ended, with the processes in
// them, and its directories.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirName()+"[0-9]*"))
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	err = sweepNamespaces()
	for _, dir := range dirs {
		err = errors.Join(err, unmount(dir), os.RemoveAll(dir))
	}
	return err
}

func sweepNamespaces() error {
	entries, err := os.ReadDir("/run/netns")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lab: list network namespaces: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			err = errors.Join(err, removeNamespace(e.Name()))
		}
	}
	return err
}
