package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/holdfast-edge/holdfast/tui/internal/shot"
)

// The stories' screens.
const (
	consoleW, consoleH = 120, 36
	wallW, wallH       = 160, 44
)

// stories runs a fleet with its console, breaks a backend, rehearses it, and
// takes a picture of each.
func stories(ctx context.Context, bin, spec, out string, warm time.Duration) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	state, err := os.MkdirTemp("", "holdfast-shots-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	console, err := shot.Start(ctx, consoleW, consoleH, nil, bin, "up", "--state", state, "--theme", "dark", spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, console.Close()) }()
	if err := console.Wait(ctx, "NEEDS YOU", "nothing: all is as it should be"); err != nil {
		return err
	}
	wall, err := shot.Start(ctx, wallW, wallH, nil, bin, "wallboard", "--state", state, "--theme", "dark")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wall.Close()) }()
	for _, s := range []string{
		"rest:" + warm.String(), // for the graphs to have something to show
		"type::drill run lose-backend\r", "wait:RUN DRILL", "type:\t\t\r", "type:4",
		"wait:all 3 hosts have it out", "rest:2500ms",
		"shot:" + filepath.Join(out, "drill.svg"),
		"wait:the steady state is back", "rest:12s", "type:1",
	} {
		if err := step(ctx, console, false, s); err != nil {
			return err
		}
	}
	if err := shell(ctx, bin, state, "fault", "kill", "backend/shop-tokyo-3", "--yes", "--why", "to see what happens"); err != nil {
		return err
	}
	if err := errors.Join(console.Wait(ctx, "DOWN"), wall.Wait(ctx, "DOWN")); err != nil {
		return err
	}
	if err := step(ctx, console, false, "rest:12s"); err != nil {
		return err
	}
	return errors.Join(
		step(ctx, console, false, "shot:"+filepath.Join(out, "console.svg")),
		step(ctx, wall, false, "shot:"+filepath.Join(out, "wallboard.svg")),
	)
}

func shell(ctx context.Context, bin, state string, args ...string) error {
	answer, err := exec.CommandContext(ctx, bin, append(args, "--state", state)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, answer)
	}
	return nil
}
