package keeper

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
)

// Fault carries out a fault order or its revert, and answers by Done.
func (k *Keeper) Fault(o fleet.FaultOrder) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.children[o.Target.Name]
	switch {
	case ok && o.Revert:
		k.step(c, keep.Relieve{ID: o.ID})
	case ok:
		k.step(c, keep.Suffer{Fault: keep.Fault{ID: o.ID, Kind: o.Kind, Delay: o.Delay, DeadMan: o.DeadMan}})
	case o.Revert: // it left the spec, and its fault with it
		k.options.Done(fleet.FaultDone{ID: o.ID, Revert: true, At: k.options.Now()})
	default:
		k.options.Done(fleet.FaultDone{ID: o.ID, At: k.options.Now(), Err: keep.Gone})
	}
}

// step tells a child's decider what happened, and carries out what it asks for.
// The caller holds the lock.
func (k *Keeper) step(c *child, ev keep.Event) {
	var out keep.Effects // of this step alone: to carry it out may be a step too
	c.keep.Step(k.options.Now(), ev, &out)
	if out.Stop && c.cmd != nil {
		_ = c.control.Close()
		// Stopped processes take SIGKILL too; these have nothing to save.
		_ = c.cmd.Process.Kill()
	}
	for _, d := range out.Deeds {
		done := c.do(d)
		if done.Err != "" {
			k.options.Log.Warn("nothing could be done to a backend's process", "backend", c.name, "act", string(d.Act), "error", done.Err)
		}
		k.step(c, done)
	}
	if out.Start {
		k.start(c)
	}
	for _, a := range out.Answers {
		k.options.Done(fleet.FaultDone{ID: a.ID, Revert: a.Revert, At: k.options.Now(), Err: a.Err})
	}
	k.arm(c)
}

// arm sets the timer of a child's decider. It is here, so that a fault ends also
// when the loop that asked for it is gone. The caller holds the lock.
func (k *Keeper) arm(c *child) {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	now := k.options.Now()
	if next := c.keep.Deadline(); next != instant.Never {
		c.timer = time.AfterFunc(next.Sub(now), func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.step(c, keep.Wake{}) // one that was stopped too late wakes for nothing
		})
	}
}

// do does to the process what is to be done to it. The caller holds the lock.
func (c *child) do(d keep.Deed) keep.Done {
	if c.cmd == nil {
		return keep.Done{Gone: true}
	}
	err := fmt.Errorf("%q is nothing that can be done", d.Act)
	switch d.Act {
	case keep.Kill:
		err = c.cmd.Process.Signal(syscall.SIGKILL)
	case keep.Terminate:
		err = c.cmd.Process.Signal(syscall.SIGTERM)
	case keep.Freeze:
		err = c.cmd.Process.Signal(syscall.SIGSTOP)
	case keep.Thaw:
		err = c.cmd.Process.Signal(syscall.SIGCONT)
	case keep.Slow:
		_, err = fmt.Fprintf(c.control, "slow %s\n", d.Delay)
	}
	switch {
	case err == nil:
		return keep.Done{}
	case errors.Is(err, os.ErrProcessDone), errors.Is(err, os.ErrClosed), errors.Is(err, syscall.EPIPE):
		return keep.Done{Gone: true} // its end is on its way to us
	}
	return keep.Done{Err: err.Error()}
}
