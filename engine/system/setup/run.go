package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/privilege"
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

// Run runs the agent of a configuration until ctx ends. Of a host that was removed
// the error is an identity.Refused with api.ReasonRemoved.
func Run(ctx context.Context, f agentfile.File, version string) (err error) {
	state, err := statedir.Open(f.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
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
	return agent.Run(ctx, agent.Options{
		Holder: holder, Files: files, State: state, Admission: register, Address: f.IP(), Port: f.Port, Log: log, Version: version, Metrics: f.Metrics,
	})
}

// Removed reports whether an agent ended because its host was shut out.
func Removed(err error) bool { return identity.ReasonOf(err) == api.ReasonRemoved }

// ConfigOf is the configuration's file in a state directory.
func ConfigOf(state string) string { return filepath.Join(state, ConfigName) }
