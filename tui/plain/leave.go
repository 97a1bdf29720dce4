package plain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func (s *shell) leaveCommand() *cobra.Command {
	var config string
	c := s.acts(&cobra.Command{
		Use: "leave", Short: "Take this host out of the fleet", Args: none,
		Long: `Take this host out of the fleet: its backends are drained, it is removed, and its
agent ends. It is typed on the host, as somebody who may use the agent's socket.
Only a new token lets it in again; its state directory stays as it is.`,
		Example: "  holdfast leave --yes --why \"the machine is replaced\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, state, err := s.worlds.AgentHost(config)
			if err != nil {
				return usage(err)
			}
			if s.context != "" {
				return usage(errors.New("leave is for this host; --context names a fleet elsewhere: there it is holdfast remove"))
			}
			s.state = state
			return s.leave(cmd.Context(), host)
		},
	})
	c.Flags().StringVarP(&config, "config", "c", filepath.Join(StateDefault, agentConfig), "`FILE` of the agent's configuration")
	_ = c.MarkFlagFilename("config")
	c.Flags().Duration("timeout", waitDefault, "the longest `TIME` to wait for its flows to end, and for its agent")
	return c
}

// leave drains a host and removes it. What it asks is confirmed once, before
// anything is done.
func (s *shell) leave(ctx context.Context, host string) error {
	c, st, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	remove, drain := api.RemoveHost{Host: host}, api.Drain{Target: id.To(id.KindHost, host)}
	if no := remove.Check(st); api.Stops(no, true) {
		r := api.Receipt{Refusals: no}
		d := doneOf(remove, r, s.dryRun)
		return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s", d.Reason)})
	}
	if s.dryRun {
		r, err := s.ask(ctx, c, st, remove)
		if err != nil {
			return err
		}
		return s.told(doneOf(remove, r, true), nil)
	}
	need := api.Confirmation(remove, st)
	if !s.yes {
		if !isTerminal(s.in) {
			r := api.Receipt{Refusals: append(remove.Check(st), api.Refusal{Reason: api.ReasonNotConfirmed, Detail: "say --yes --why TEXT", Warning: true})}
			d := doneOf(remove, r, false)
			return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s", d.Reason)})
		}
		if err := s.confirm(remove, remove.Check(st), need); err != nil {
			return err
		}
	}
	if no := drain.Check(st); !api.Stops(no, true) {
		r, err := c.Do(ctx, api.Request{Command: drain, By: s.actor(), Why: s.why, Confirm: api.Confirmation(drain, st)})
		if err != nil {
			return err
		}
		if r.OK {
			if err := s.settle(ctx, c, drain, r, st); err != nil {
				return err
			}
		}
	}
	r, err := c.Do(ctx, api.Request{Command: remove, By: s.actor(), Why: s.why, Confirm: need})
	switch {
	case err != nil && !errors.Is(err, api.ErrUnreachable) && !errors.Is(err, api.ErrNotAdmitted):
		return err
	case err == nil && !r.OK:
		d := doneOf(remove, r, false)
		return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s", d.Reason)})
	}
	// The answer may be lost: who is removed is cut off at once. The agent's end
	// says that it was done.
	if err := s.ended(ctx, c); err != nil {
		return err
	}
	r.OK, r.Done = true, remove.Sentence()+"; its agent has ended"
	return s.told(doneOf(remove, r, false), nil)
}

// endedEvery is how often the agent is looked at that is to end.
const endedEvery = 200 * time.Millisecond

// ended waits until no agent answers any more.
func (s *shell) ended(ctx context.Context, c api.Client) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	look := time.NewTicker(endedEvery)
	defer look.Stop()
	for {
		if _, err := c.Status(ctx); errors.Is(err, api.ErrUnreachable) {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return exit{ExitFailed, errors.New("the agent of this host still runs; holdfast who says whether it was removed")}
		}
	}
}
