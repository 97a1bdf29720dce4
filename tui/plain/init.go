package plain

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// InitOptions are what holdfast init was told.
type InitOptions struct {
	Spec   string // profile or file
	Host   string
	Dir    string // its state directory
	Config string // file; empty: in the state directory
	User   string
	Person string // the first admin
}

// InitDone is what holdfast init made.
type InitDone struct {
	Fleet     string
	Config    string
	Authority string // the file with the fleet's key
	Context   string // of whoever ran it
}

// StateDefault is where an agent's state is when nothing else is said.
const StateDefault = "/var/lib/holdfast"

func (s *shell) initCommand() *cobra.Command {
	var o InitOptions
	c := &cobra.Command{
		Use: "init -f SPEC --host NAME", Short: "Begin a fleet of agents", Args: none,
		Long: `Begin a fleet on this machine, which is one of the hosts that the spec names. It
makes the fleet's certificate authority, the certificate of this host, the first key
that hosts share, an admin's certificate with a context for whoever types it, and
the agent's configuration. It starts nothing, and writes over nothing.`,
		Example: "  holdfast init -f fleet.yaml --host tokyo-1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Spec == "" || o.Host == "" {
				return usage(fmt.Errorf("give a spec and a host: %s", useLine(cmd)))
			}
			if err := id.CheckName(o.Host); err != nil {
				return usage(err)
			}
			if err := id.CheckName(o.Person); err != nil {
				return usage(fmt.Errorf("--person: %w", err))
			}
			var err error
			if o.Dir, err = filepath.Abs(o.Dir); err != nil {
				return err
			}
			done, err := s.worlds.Init(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.begun(o, done)
		},
	}
	c.Flags().StringVarP(&o.Spec, "file", "f", "", "`FILE` of the spec, or a profile")
	c.Flags().StringVar(&o.Host, "host", "", "the `NAME` of this machine in the spec")
	c.Flags().StringVar(&o.Dir, "state", StateDefault, "the agent's state `DIR`")
	c.Flags().StringVar(&o.Config, "config", "", "write the agent's configuration to this `FILE` (default agent.yaml in its state directory)")
	c.Flags().StringVar(&o.User, "user", "", "the `USER` that the agent becomes when it is started as root")
	c.Flags().StringVar(&o.Person, "person", actorName(), "the `NAME` of the first admin")
	_ = c.MarkFlagFilename("file")
	_ = c.MarkFlagDirname("state")
	return c
}

// actorName is the user's name where it can be one of the fleet's, and admin.
func actorName() string {
	if name := actor("").Name; id.CheckName(name) == nil {
		return name
	}
	return "admin"
}

// begun says what was made, and what to do next.
func (s *shell) begun(o InitOptions, done InitDone) error {
	_, err := fmt.Fprintf(s.w, `fleet %s has begun: host/%s, and %s is admin with context %s

  keep a copy of %s off this machine: who has it is the fleet,
  and without it nobody joins when this host is lost

next
  holdfast agent -c %s          run this host's agent, or
  holdfast agent unit -c %s     print its systemd unit
  holdfast token --host NAME --context %s       let the next host in
`, clean(done.Fleet), clean(o.Host), clean(o.Person), clean(done.Context), clean(done.Authority), clean(done.Config), clean(done.Config), clean(done.Context))
	return err
}

// AgentOptions are what holdfast agent was told.
type AgentOptions struct {
	Config  string
	Join    string // token
	Agents  []string
	Host    string
	Dir     string
	Address string
	User    string
}

func (s *shell) agentCommand() *cobra.Command {
	var o AgentOptions
	c := &cobra.Command{
		Use: "agent", Short: "Run the agent of this host",
		Long: `Run the agent of this host until it is ended. With --join it first gets this host's
certificate by a token that holdfast token has made, and writes its configuration;
run again it just runs. Its certificate renews itself.

Started as root with a user in its configuration, it becomes that user and keeps
only the permission to bind ports below 1024. The exit code is 3 when this host was
removed from the fleet.`,
		Example: `  holdfast agent -c /etc/holdfast/agent.yaml
  holdfast agent --join TOKEN --agent 10.0.0.1 --host tokyo-2`,
		Args: s.verbsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Join != "" && (len(o.Agents) == 0 || o.Host == "") {
				return usage(errors.New("--join needs --agent ADDRESS, an agent of the fleet, and --host NAME, who this machine is"))
			}
			var err error
			if o.Dir, err = filepath.Abs(o.Dir); err != nil {
				return err
			}
			if o.Config == "" {
				o.Config = filepath.Join(o.Dir, agentConfig)
			}
			return s.worlds.Agent(cmd.Context(), o)
		},
	}
	c.Flags().StringVarP(&o.Config, "config", "c", "", "`FILE` of its configuration (default agent.yaml in its state directory)")
	c.Flags().StringVar(&o.Join, "join", "", "join by this `TOKEN`, where this host has not joined yet")
	c.Flags().StringArrayVar(&o.Agents, "agent", nil, "`ADDRESS` of an agent that lets it in; give several")
	c.Flags().StringVar(&o.Host, "host", "", "the `NAME` of this machine in the spec")
	c.Flags().StringVar(&o.Dir, "state", StateDefault, "its state `DIR`")
	c.Flags().StringVar(&o.Address, "address", "", "this host's `ADDRESS` in the spec (default the one from which it reaches the first agent)")
	c.Flags().StringVar(&o.User, "user", "", "the `USER` that it becomes when it is started as root")
	_ = c.MarkFlagFilename("config")
	_ = c.MarkFlagDirname("state")
	c.AddCommand(s.unitCommand())
	return c
}

// agentConfig is the configuration's file in a state directory.
const agentConfig = "agent.yaml"
