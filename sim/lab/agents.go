//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Agent is one agent on its host, over all its lives.
type Agent struct {
	Host  *Host
	State string // its state directory, on a disk of its own
	Disk  *Disk

	launch func() (*Process, error)
	p      *Process
}

// DiskSize is an agent's disk: room for what it keeps, and small enough to fill.
const DiskSize = 96 << 20

// Agent prepares an agent on a host. launch starts its program.
func (h *Host) Agent(launch func(a *Agent) (*Process, error)) (*Agent, error) {
	d, err := h.net.Disk("state-"+h.Name, DiskSize)
	if err != nil {
		return nil, err
	}
	a := &Agent{Host: h, Disk: d, State: filepath.Join(d.Dir, "state")}
	a.launch = func() (*Process, error) { return launch(a) }
	return a, nil
}

// Start starts the agent; it must not run.
func (a *Agent) Start() (err error) {
	if a.Runs() {
		return fmt.Errorf("lab: the agent of %s runs", a.Host)
	}
	a.p, err = a.launch()
	return err
}

// Runs reports whether the agent's process is there, be it paused.
func (a *Agent) Runs() bool { return a.p != nil && !a.p.Ended() }

// Log is what the agent logged in all its lives.
func (a *Agent) Log() string {
	b, err := os.ReadFile(filepath.Join(a.State, "holdfast.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Process is the agent's process in its present or last life.
func (a *Agent) Process() *Process { return a.p }

// Kill ends the agent as a crash does, and waits until it is gone.
func (a *Agent) Kill() error {
	if a.p == nil {
		return nil
	}
	// A group that is gone has nobody to kill.
	_ = a.p.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Until(ctx, func() error {
		if a.Runs() {
			return errors.New("lab: it does not die")
		}
		return nil
	})
}
