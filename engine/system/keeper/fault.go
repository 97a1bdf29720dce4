package keeper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

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
	if err := c.injure(&o); err != nil {
		return err
	}
	if o.Kind == api.FaultRestart {
		c.pause = pauseFirst // nothing stays in force: the process comes back by itself
		return nil
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

// injure breaks the process. The caller holds the lock.
func (c *child) injure(o *fleet.FaultOrder) error {
	switch o.Kind {
	case api.FaultKill:
		return c.signal(syscall.SIGKILL)
	case api.FaultFreeze:
		return c.signal(syscall.SIGSTOP)
	case api.FaultSlow:
		_, err := fmt.Fprintf(c.control, "slow %s\n", o.Delay)
		return err
	case api.FaultRestart:
		return c.signal(syscall.SIGTERM)
	}
	return fmt.Errorf("%q is no fault", o.Kind)
}

// signal goes by os.Process, which knows when a process was reaped: its number
// may be somebody else's by then.
func (c *child) signal(sig syscall.Signal) error {
	if err := c.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return errGone
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
		return c.signal(syscall.SIGCONT)
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
