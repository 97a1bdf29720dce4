package keeper

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/keep"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/holder"
)

// child is one backend's process, or its absence.
type child struct {
	name, kind, address string

	cmd     *exec.Cmd
	control io.WriteCloser
	keep    keep.Process // what becomes of it
	timer   *time.Timer  // for keep
	left    bool         // the spec has it no more
	// taken says who has its address; empty while nobody else is known to. Its
	// process is not tried until the address is free.
	taken string

	once    sync.Once
	settled chan struct{} // closed when it served for the first time, or ended
}

func (c *child) settle() { c.once.Do(func() { close(c.settled) }) }

// start starts a child's process, and tells its decider. The caller holds the
// lock.
func (k *Keeper) start(c *child) {
	if c.taken != "" && foreign(c) != "" {
		k.step(c, keep.Failed{})
		return
	}
	argv := append(slices.Clone(k.options.Command), "--name", c.name, "--kind", c.kind, "--address", c.address)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=50")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	talk := &talk{}
	talk.ready = func() { k.serves(c, cmd); c.settle() }
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = talk, talk, talkWait
	control, err := cmd.StdinPipe()
	if err == nil {
		done := make(chan error)
		k.starts <- func() { done <- cmd.Start() }
		err = <-done
	}
	if err != nil {
		k.options.Log.Error("a backend's process cannot be started", "backend", c.name, "error", err.Error())
		k.options.Changed(fleet.Process{Backend: c.name, Reason: err.Error()})
		c.settle()
		k.step(c, keep.Failed{})
		return
	}
	c.cmd, c.control = cmd, control
	k.options.Started(cmd.Process.Pid)
	if c.taken == "" { // otherwise it is news when it serves
		k.options.Changed(fleet.Process{Backend: c.name, PID: cmd.Process.Pid, Running: true})
	}
	k.all.Add(1)
	go k.wait(c, cmd, talk)
	k.step(c, keep.Began{})
}

// wait sees a process end.
func (k *Keeper) wait(c *child, cmd *exec.Cmd, talk *talk) {
	defer k.all.Done()
	err := cmd.Wait()
	k.options.Ended(cmd.Process.Pid)
	taken := ""
	if !talk.served() {
		taken = foreign(c)
	}
	reason := "ended"
	if err != nil {
		reason = err.Error()
	}
	if last := talk.lastWords(); last != "" {
		reason += ": " + last
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	defer c.settle() // whoever waits for it sees why it ended
	if c.cmd != cmd {
		return
	}
	c.cmd = nil
	_ = c.control.Close()
	if taken != "" {
		reason = taken
	}
	if taken == "" || taken != c.taken {
		k.options.Changed(fleet.Process{Backend: c.name, Reason: reason, Taken: taken != ""})
	}
	k.take(c, taken)
	k.step(c, keep.Ended{})
	if f, ok := c.keep.Fault(); !c.left && !(ok && f.Kind == api.FaultKill) {
		k.options.Log.Warn("a backend's process ended by itself and is started again", "backend", c.name, "reason", reason)
	}
}

// serves hears that a process serves: it has its address.
func (k *Keeper) serves(c *child, cmd *exec.Cmd) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.cmd == cmd && c.taken != "" {
		k.take(c, "")
		k.options.Changed(fleet.Process{Backend: c.name, PID: cmd.Process.Pid, Running: true})
	}
}

// take notes who has a child's address; empty: nobody else. The caller holds the
// lock.
func (k *Keeper) take(c *child, who string) {
	if c.taken == who {
		return
	}
	c.taken = who
	all := map[string]string{}
	for _, x := range k.children {
		if x.taken != "" {
			all[x.address] = x.taken
		}
	}
	k.foreign.Store(&all)
}

// Foreign says why what answers at an address is not the backend whose address
// it is; empty when nothing is known against it.
func (k *Keeper) Foreign(address string) string {
	if all := k.foreign.Load(); all != nil {
		return (*all)[address]
	}
	return ""
}

// foreign says who else has a child's address; empty for nobody, and for a
// process of ours that is about to leave it.
func foreign(c *child) string {
	network := "tcp"
	if c.kind == string(spec.ServiceUDP) {
		network = "udp"
	}
	h, ok := holder.Look().Of(network, c.address)
	if !ok || h.PID != 0 && holder.Parent(h.PID) == os.Getpid() {
		return ""
	}
	return fmt.Sprintf("its own process cannot listen on %s: %s has it", c.address, h)
}

// stop ends a child's process for good. The caller holds the lock.
func (k *Keeper) stop(c *child) {
	c.left = true
	c.settle()
	k.step(c, keep.Left{})
}
