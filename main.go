// Command holdfast is high availability for edge sites: an agent, a console, a
// drill runner, or a whole fleet on one machine, by its subcommand.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/local"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/profiles"
)

var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "service" {
		var o service.Options
		for i := 2; i+1 < len(os.Args); i += 2 {
			switch os.Args[i] {
			case "--name":
				o.Name = os.Args[i+1]
			case "--kind":
				o.Kind = spec.ServiceKind(os.Args[i+1])
			case "--address":
				o.Address = os.Args[i+1]
			}
		}
		o.Control = os.Stdin
		if err := service.Run(ctx, o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := up(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func up(ctx context.Context, args []string) error {
	dir, _ := statedir.Default()
	name := profiles.Default
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--state":
			dir = args[i+1]
			i++
		case "up", "--headless":
		default:
			name = args[i]
		}
	}
	text, err := profiles.Read(name)
	specDir := "."
	if err != nil {
		if text, err = os.ReadFile(name); err != nil {
			return err
		}
		specDir = filepath.Dir(name)
	}
	f, err := spec.Parse(name, text)
	if err != nil {
		return err
	}
	state, err := statedir.Open(dir)
	if err != nil {
		return err
	}
	logFile, err := state.Log()
	if err != nil {
		return err
	}
	running, err := local.Start(local.Options{Spec: f, SpecDir: specDir, State: state, Log: slog.New(slog.NewJSONHandler(logFile, nil))})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-running.Done():
	}
	return running.Close()
}
