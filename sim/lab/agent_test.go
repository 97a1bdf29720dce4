//go:build lab

package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// agentRun is what the agent role is told.
type agentRun struct {
	State, Identity, Address string
	Host, Spec               string // of the founder; it founds and ends
}

// runAgent is an agent whose certificate the lab has signed: everything but the
// joining.
func runAgent(config string) error {
	var run agentRun
	if err := json.Unmarshal([]byte(config), &run); err != nil {
		return err
	}
	d, err := statedir.Open(run.State)
	if err != nil {
		return err
	}
	defer d.Close()
	if run.Host != "" {
		text, err := os.ReadFile(run.Spec)
		if err != nil {
			return err
		}
		err = d.Keep(statedir.Kept{Revision: 1, Name: "fleet.yaml", Dir: run.State, By: "lab", At: time.Now(), Text: string(text)})
		return errors.Join(err, agent.MakeFounder(run.State, run.Host))
	}
	files, err := identity.OpenFiles(run.Identity)
	if err != nil {
		return err
	}
	own, err := files.LoadHost()
	if err != nil {
		return err
	}
	holder, err := identity.NewHolder(own, nil)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err = agent.Run(ctx, agent.Options{
		Holder: holder, Files: files, State: d, Address: netip.MustParseAddr(run.Address), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
