package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
	"github.com/holdfast-edge/holdfast/engine/system/handover"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/privilege"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// ConfigName is the configuration's file in a state directory, where no other is
// named.
const ConfigName = "agent.yaml"

// Ready reads an agent's configuration. A host that has none yet joins by the token
// first, when there is one; on one that has joined the token means nothing any more.
func Ready(ctx context.Context, j Joining) (agentfile.File, error) {
	if _, err := os.Lstat(j.Config); errors.Is(err, os.ErrNotExist) && j.Token != "" {
		if err := Join(ctx, j); err != nil {
			return agentfile.File{}, err
		}
	}
	f, err := agentfile.Load(j.Config)
	if err != nil {
		return f, fmt.Errorf("%w; begin a fleet with «holdfast init», or join one with «holdfast agent --join»", err)
	}
	if j.Host != "" && j.Host != f.Host {
		return f, fmt.Errorf("%s is the configuration of host/%s, not of host/%s", j.Config, f.Host, j.Host)
	}
	if f.User != "" && privilege.Root() {
		if err := os.MkdirAll(f.State, 0o700); err != nil {
			return f, err
		}
		return f, privilege.Become(f.User, f.State)
	}
	return f, nil
}

// Console serves people until ctx ends, and records what they do.
type Console = func(ctx context.Context, c api.Client, record func(audit.Entry) (audit.Record, error)) error

// Run runs the agent of a configuration until ctx ends. Of a host that was removed
// the error is an identity.Refused with api.ReasonRemoved. On SIGUSR2 it starts its
// program anew and hands over to it. console, which may be nil, serves people beside it.
func Run(ctx context.Context, f agentfile.File, version string, console Console) (err error) {
	before, err := handover.Take()
	if err != nil {
		return err
	}
	state, err := statedir.Open(f.State)
	if err != nil {
		return err
	}
	closeState := sync.OnceValue(state.Close)
	defer func() { err = errors.Join(err, closeState()) }()
	out, err := state.Log()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	log := slog.New(slog.NewJSONHandler(out, nil))
	dir := Identity(f.State)
	asked, err := addresses(append([]string{f.Address}, f.Agents...))
	if err != nil {
		return err
	}
	register, err := admission.New(admission.Options{Dir: dir, Agents: asked[1:], Log: log})
	if err != nil {
		return err
	}
	holder, err := register.Load()
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s has no identity: join with «holdfast agent --join TOKEN --agent ADDRESS --host %s»", dir, f.Host)
	}
	if err != nil {
		return err
	}
	if self := holder.Self(); self.Host != f.Host {
		return fmt.Errorf("the certificate in %s is of %s, and this agent is host/%s", dir, self, f.Host)
	}
	if err := register.Removed(); err != nil {
		return err
	}
	files, err := identity.OpenFiles(dir)
	if err != nil {
		return err
	}
	ctx, upgrade := context.WithCancelCause(ctx)
	defer upgrade(nil)
	defer upgrades(ctx, log, upgrade)()
	var inherit func(network, address string) *os.File
	if before.Any() {
		inherit = before.Socket
	}
	return agent.Run(ctx, agent.Options{
		Holder: holder, Files: files, State: state, Admission: register, Address: f.IP(), Port: f.Port, Log: log, Version: version, Metrics: f.Metrics,
		Console: console, Inherit: inherit,
		Serving: func() {
			if err := before.Ready(); err != nil {
				log.Error("who started this agent does not know that it serves", "err", err.Error())
			}
		},
		Succeed: func(sockets []proxy.Socket) error {
			if err := closeState(); err != nil {
				return err
			}
			next, err := handover.Start(program(), os.Args[1:], sockets, nextWait)
			if err == nil {
				log.Info("the next program serves", "pid", next.Pid)
			}
			return err
		},
	})
}

// nextWait is how long the next program may take until it serves: it reads its
// journal and its spec.
const nextWait = 30 * time.Second

// upgrades has the agent hand over when it is told to, if there is a program to hand
// over to. The function that it returns ends that.
func upgrades(ctx context.Context, log *slog.Logger, upgrade context.CancelCauseFunc) func() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR2)
	go func() {
		for {
			select {
			case <-told:
			case <-ctx.Done():
				return
			}
			if err := handover.Check(program()); err != nil {
				log.Error("the agent goes on as it is: there is no program to hand over to", "err", err.Error())
				continue
			}
			upgrade(agent.ErrUpgrade)
		}
	}()
	return func() { signal.Stop(told) }
}

// program is this program's file as it was started: by now another version may be
// there.
var program = sync.OnceValue(func() string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return os.Args[0]
	}
	return path
})

// Removed reports whether an agent ended because its host was shut out.
func Removed(err error) bool { return identity.ReasonOf(err) == api.ReasonRemoved }

// ConfigOf is the configuration's file in a state directory.
func ConfigOf(state string) string { return filepath.Join(state, ConfigName) }
