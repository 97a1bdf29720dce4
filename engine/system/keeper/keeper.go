// Package keeper runs a local fleet's backends as processes of the same binary,
// breaks them on purpose, and sees to it that none outlives the fleet.
package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Options of New.
type Options struct {
	Log *slog.Logger
	Now func() instant.Instant
	// Command is the program and its first arguments; name, kind and address of
	// the backend follow.
	Command []string
	// Changed is told of each process that was started or ended. It must not
	// block.
	Changed func(fleet.Process)
	// Done is told how a fault order ended. It must not block.
	Done func(fleet.FaultDone)
	// Started and Ended record processes for a successor.
	Started, Ended func(pid int)
}

// Keeper keeps the processes.
type Keeper struct {
	options Options
	starts  chan func() // carried out on one thread; see threads

	mu       sync.Mutex
	children map[string]*child
	stopped  bool
	all      sync.WaitGroup
}

// child is one backend's process, or its absence.
type child struct {
	name, kind, address string

	cmd     *exec.Cmd
	control io.WriteCloser
	fault   *fleet.FaultOrder // in force
	deadMan *time.Timer
	wanted  bool // it should run
	pause   time.Duration
}

// Restart pauses of a process that ended by itself.
const (
	pauseFirst = 100 * time.Millisecond
	pauseMax   = 5 * time.Second
)

// New returns a Keeper without processes.
func New(o Options) *Keeper {
	k := &Keeper{options: o, children: map[string]*child{}, starts: make(chan func())}
	go k.threads()
	return k
}

// threads carries out starts on one operating system thread that stays: a
// child's parent-death signal is sent when the thread that started it ends
// (prctl(2)), and the runtime ends threads as it likes.
func (k *Keeper) threads() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range k.starts {
		f()
	}
}

// Apply starts and stops processes as a spec says.
func (k *Keeper) Apply(f *spec.Fleet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	wanted := map[string]bool{}
	var fresh []*child
	for i := range f.Pools {
		for j := range f.Pools[i].Backends {
			b := &f.Pools[i].Backends[j]
			if b.Service == nil {
				continue
			}
			wanted[b.Name] = true
			c, ok := k.children[b.Name]
			if ok && c.kind == string(b.Service.Kind) && c.address == b.AddrPort() {
				continue
			}
			if ok {
				k.stop(c)
			}
			c = &child{name: b.Name, kind: string(b.Service.Kind), address: b.AddrPort(), wanted: true, pause: pauseFirst}
			k.children[b.Name] = c
			fresh = append(fresh, c)
		}
	}
	for name, c := range k.children {
		if !wanted[name] {
			k.stop(c)
			delete(k.children, name)
		}
	}
	slices.SortFunc(fresh, func(a, b *child) int { return cmp.Compare(a.name, b.name) })
	for _, c := range fresh {
		k.start(c)
	}
}

// start starts a child's process. The caller holds the lock.
func (k *Keeper) start(c *child) {
	if k.stopped || !c.wanted || c.cmd != nil {
		return
	}
	argv := append(slices.Clone(k.options.Command), "--name", c.name, "--kind", c.kind, "--address", c.address)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=50")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	control, err := cmd.StdinPipe()
	if err == nil {
		done := make(chan error)
		k.starts <- func() { done <- cmd.Start() }
		err = <-done
	}
	if err != nil {
		k.options.Log.Error("a backend's process cannot be started", "backend", c.name, "error", err.Error())
		k.options.Changed(fleet.Process{Backend: c.name, Reason: err.Error()})
		k.again(c)
		return
	}
	c.cmd, c.control = cmd, control
	k.options.Started(cmd.Process.Pid)
	k.options.Changed(fleet.Process{Backend: c.name, PID: cmd.Process.Pid, Running: true})
	k.all.Add(1)
	go k.wait(c, cmd, time.Now())
}

// wait sees a process end.
func (k *Keeper) wait(c *child, cmd *exec.Cmd, began time.Time) {
	defer k.all.Done()
	err := cmd.Wait()
	k.options.Ended(cmd.Process.Pid)
	reason := "ended"
	if err != nil {
		reason = err.Error()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.cmd != cmd {
		return
	}
	c.cmd = nil
	_ = c.control.Close()
	k.options.Changed(fleet.Process{Backend: c.name, Reason: reason})
	if !c.wanted || k.stopped || c.fault != nil && c.fault.Kind == api.FaultKill {
		return
	}
	if time.Since(began) > 10*time.Second {
		c.pause = pauseFirst
	}
	k.options.Log.Warn("a backend's process ended by itself and is started again", "backend", c.name, "reason", reason)
	k.again(c)
}

// again starts a process after a pause that grows. The caller holds the lock.
func (k *Keeper) again(c *child) {
	time.AfterFunc(c.pause, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if c.fault == nil || c.fault.Kind != api.FaultKill {
			k.start(c)
		}
	})
	c.pause = min(2*c.pause, pauseMax)
}

// stop ends a child's process for good. The caller holds the lock.
func (k *Keeper) stop(c *child) {
	c.wanted = false
	if c.deadMan != nil {
		c.deadMan.Stop()
	}
	if c.cmd != nil {
		_ = c.control.Close()
		// Stopped processes take SIGKILL too; these have nothing to save.
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// Close ends every process and waits until they are gone.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.stopped = true
	for _, c := range k.children {
		k.stop(c)
	}
	k.mu.Unlock()
	gone := make(chan struct{})
	go func() { k.all.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
		return fmt.Errorf("keeper: processes are left: %w", ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.starts != nil {
		close(k.starts)
		k.starts = nil
	}
	return nil
}

var errGone = errors.New("the backend has no process")

// Fault carries out a fault order or its revert, and answers by Done.
func (k *Keeper) Fault(o fleet.FaultOrder) {
	k.mu.Lock()
	defer k.mu.Unlock()
	done := fleet.FaultDone{ID: o.ID, Revert: o.Revert}
	c, ok := k.children[o.Target.Name]
	var err error
	switch {
	case !ok && o.Revert:
		// It left the spec, and its fault with it.
	case !ok:
		err = errGone
	case o.Revert:
		err = k.mend(c, o)
	default:
		err = k.injure(c, o)
	}
	done.At = k.options.Now()
	if err != nil {
		done.Err = err.Error()
	}
	k.options.Done(done)
}

// injure breaks a child. The caller holds the lock.
func (k *Keeper) injure(c *child, o fleet.FaultOrder) error {
	if c.cmd == nil {
		return errGone
	}
	pid := c.cmd.Process.Pid
	var err error
	switch o.Kind {
	case api.FaultKill:
		c.fault = &o
		err = syscall.Kill(pid, syscall.SIGKILL)
	case api.FaultFreeze:
		err = syscall.Kill(pid, syscall.SIGSTOP)
	case api.FaultSlow:
		_, err = fmt.Fprintf(c.control, "slow %s\n", o.Delay)
	case api.FaultRestart:
		// Nothing stays in force: the process comes back by itself.
		c.pause = pauseFirst
		return syscall.Kill(pid, syscall.SIGTERM)
	default:
		return fmt.Errorf("%q is no fault", o.Kind)
	}
	if err != nil {
		c.fault = nil
		return err
	}
	c.fault = &o
	if o.DeadMan > 0 {
		// Kept here, so that it holds also when the loop that asked is gone.
		back := o
		back.Revert = true
		c.deadMan = time.AfterFunc(o.DeadMan+time.Second, func() { k.Fault(back) })
	}
	return nil
}

// mend takes a fault back. The caller holds the lock. To mend what is well is no
// error: a revert may be asked for twice.
func (k *Keeper) mend(c *child, o fleet.FaultOrder) error {
	if c.fault == nil || c.fault.ID != o.ID {
		return nil
	}
	if c.deadMan != nil {
		c.deadMan.Stop()
	}
	c.fault = nil
	switch o.Kind {
	case api.FaultKill:
		c.pause = pauseFirst
		k.start(c) // if it is gone already; otherwise its end starts it
		return nil
	case api.FaultFreeze:
		if c.cmd == nil {
			return nil
		}
		return syscall.Kill(c.cmd.Process.Pid, syscall.SIGCONT)
	case api.FaultSlow:
		if c.cmd == nil {
			return nil
		}
		_, err := io.WriteString(c.control, "slow 0s\n")
		return err
	case api.FaultRestart:
	}
	return nil
}
