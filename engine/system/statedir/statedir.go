// Package statedir is the directory where a running fleet keeps what others must
// find: its lock, its socket, its log, and the processes it has started.
//
// One fleet owns a directory, by a lock that the kernel drops with its process,
// however that ends. Who takes over a directory that a killed fleet left behind
// ends the processes it had started, and only those: a process is told by its
// PID and the time it was started, so that a PID in use again by somebody else
// is left alone.
package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Default is the directory when none is given: HOLDFAST_STATE, or holdfast in
// the user's state directory (XDG Base Directory Specification).
func Default() (string, error) {
	if d := os.Getenv("HOLDFAST_STATE"); d != "" {
		return d, nil
	}
	if d := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "holdfast"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory: %w; give one with --state", err)
	}
	return filepath.Join(home, ".local", "state", "holdfast"), nil
}

// Socket is the path of a directory's socket.
func Socket(dir string) string { return filepath.Join(dir, "holdfast.sock") }

// lockName is the file that says who owns the directory.
const lockName = "lock"

// SSH is where holdfast ssh keeps its key, and looks for those of people; Audit is
// where it keeps who did what. Both may be there before a fleet has run.
func SSH(dir string) string { return filepath.Join(dir, sshName) }

// Audit is the directory of the audit log.
func Audit(dir string) string { return filepath.Join(dir, auditName) }

const sshName, auditName = "ssh", "audit"

// Hosts is the name of the directory where the hosts of a local fleet have state
// directories of their own.
const Hosts = "hosts"

// socketPathMax is the longest path a Unix socket can have (unix(7)).
const socketPathMax = 107

// BusyError says that another fleet owns the directory.
type BusyError struct {
	Dir string
	PID int
}

// Error says what to do.
func (e *BusyError) Error() string {
	return fmt.Sprintf("a fleet is already running from %s (process %d): look at it with «holdfast console --state %s», end it with Ctrl-C in its terminal or «kill %d», or run another one with --state DIR", e.Dir, e.PID, e.Dir, e.PID)
}

// Dir is a state directory that this process owns.
type Dir struct {
	Path string
	lock *os.File

	// Wrote is told, where it is set, how each writing of the processes ended. It
	// must not block.
	Wrote func(error)

	mu        sync.Mutex
	processes map[int]string // by PID: the time it was started
}

// Open takes the directory, and cleans up after a fleet that was killed.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if n := len(Socket(path)); n > socketPathMax {
		return nil, fmt.Errorf("%s is too long for a socket (%d bytes, %d are the limit); give a shorter one with --state", path, n, socketPathMax)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if err := own(path); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("%s is not ours: %w", path, err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		b := make([]byte, 32)
		n, _ := f.Read(b)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
			return nil, &BusyError{Dir: path, PID: pid}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	d := &Dir{Path: path, lock: f, processes: map[int]string{}}
	if err := d.takeOver(); err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w", err)
	}
	return d, nil
}

// own refuses a directory that is not ours to close for others: somebody else's,
// and one that holds other things, such as /tmp or a home.
func own(path string) error {
	i, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	if s, ok := i.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, and this is user %d; name a directory of your own with --state", path, s.Uid, os.Geteuid())
	}
	if _, err := os.Lstat(filepath.Join(path, lockName)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{lockName, "holdfast.sock", "holdfast.log", "processes.json", keptFile, revisionsName, sshName, auditName, Hosts}, e.Name()) && !strings.HasPrefix(e.Name(), wordsPrefix) {
			return fmt.Errorf("%s holds other things (%q); name a directory for the fleet alone, such as --state %s", path, e.Name(), filepath.Join(path, "holdfast"))
		}
	}
	return nil
}

func (d *Dir) file() string { return filepath.Join(d.Path, "processes.json") }

// takeOver ends what a killed fleet left running and removes its socket.
func (d *Dir) takeOver() error {
	if err := os.Remove(Socket(d.Path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w", err)
	}
	b, err := os.ReadFile(d.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	left := map[int]string{}
	if err := json.Unmarshal(b, &left); err == nil { // a torn file names nobody that could be trusted
		for pid, started := range left {
			// Not the group: kill(2) takes -1 for everybody.
			if now, err := startTime(pid); err == nil && now == started && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		// Their addresses are free when they are gone.
		deadline := time.Now().Add(2 * time.Second)
		for pid, started := range left {
			for time.Now().Before(deadline) {
				if now, err := startTime(pid); err != nil || now != started {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
		}
	}
	return os.Remove(d.file())
}

// startTime is when a process was started, in the kernel's words (proc(5), field
// 22 of stat). A zombie counts as gone.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is not as proc(5) says", pid)
	}
	if f[0] == "Z" || f[0] == "X" {
		return "", os.ErrNotExist
	}
	return f[19], nil
}

// Started records a process, so that a successor can end it.
func (d *Dir) Started(pid int) {
	started, err := startTime(pid)
	if err != nil {
		return // it is gone already
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.processes[pid] = started
	d.write()
}

// Ended forgets a process.
func (d *Dir) Ended(pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.processes, pid)
	d.write()
}

// write replaces the file as a whole: a successor must never read half of it.
func (d *Dir) write() {
	b, err := json.Marshal(d.processes)
	if err != nil {
		return
	}
	next := d.file() + ".next"
	if err = os.WriteFile(next, b, 0o600); err == nil {
		err = os.Rename(next, d.file())
	}
	if d.Wrote != nil {
		d.Wrote(err)
	}
}

// Close gives the directory back. The log stays; it is for reading afterwards.
func (d *Dir) Close() error {
	_ = os.Remove(Socket(d.Path))
	_ = os.Remove(d.file())
	_ = d.lock.Truncate(0)
	return d.lock.Close()
}
