package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRefused     = 3
	ExitUnreachable = 4
)

// UpOptions are what holdfast up was told.
type UpOptions struct {
	Spec     string // profile or file
	State    string // directory; empty: the default
	Headless bool
	Metrics  string // address of the metrics endpoint; empty none
	Face     FaceOptions
}

// FaceOptions are what the console and the wallboard were told.
type FaceOptions struct {
	ReadOnly bool
	Theme    string // dark, light, 16, none; empty: by the terminal
	ASCII    bool
	Mouse    bool
	Page     string
	Actor    api.Actor
}

// Worlds are what main hands in: the command line starts nothing itself.
type Worlds struct {
	Version string
	// Up runs a local fleet until ctx ends.
	Up func(ctx context.Context, o UpOptions) error
	// Dial returns the client of the fleet that runs from a state directory.
	Dial func(state string) (api.Client, error)
	// Console and Wallboard run a face until the person leaves.
	Console   func(ctx context.Context, c api.Client, o FaceOptions) error
	Wallboard func(ctx context.Context, state string, o FaceOptions) error
	// Service runs a backend process.
	Service func(ctx context.Context, name, kind, address string) error
	// Validate checks a spec. Schema is its JSON Schema. Profiles lists the
	// profiles, the default one first; Profile reads one.
	Validate func(name string, text []byte) error
	Schema   func() ([]byte, error)
	Profiles []string
	Profile  func(name string) ([]byte, error)
}

// exit is an error with an exit code. Quiet ones were printed already.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// Code is the exit code for an error of the root command.
func Code(err error) int {
	var e exit
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, api.ErrUnreachable), errors.Is(err, api.ErrVersion):
		return ExitUnreachable
	}
	return ExitFailed
}

// shell is what the verbs share.
type shell struct {
	worlds Worlds
	state  string
	output string
	why    string
	yes    bool
	in     io.Reader
	out    io.Writer
}

// Root returns the command tree.
func Root(w Worlds) *cobra.Command {
	s := &shell{worlds: w, in: os.Stdin, out: os.Stdout}
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "High availability for edge sites",
		Long: `Holdfast keeps services alive at the edge: it balances load, finds failures,
rehearses them, and measures what users saw.

Without a subcommand it starts a whole local fleet with the console: holdfast up.`,
		Version:       w.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.up(cmd.Context(), UpOptions{Spec: w.Profiles[0], Face: FaceOptions{Actor: actor("console")}})
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.PersistentFlags().StringVar(&s.state, "state", "", "state directory of the fleet (default $HOLDFAST_STATE or ~/.local/state/holdfast)")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run and look"}, &cobra.Group{ID: "act", Title: "Act"}, &cobra.Group{ID: "spec", Title: "Spec"})
	add := func(group string, all ...*cobra.Command) {
		for _, c := range all {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", s.upCommand(), s.consoleCommand(), s.wallboardCommand(), s.getCommand(), s.explainCommand())
	add("act", s.weightCommand(), s.drainCommand(), s.undrainCommand(), s.forceCommand(), s.unforceCommand(), s.faultCommand(), s.drillCommand())
	add("spec", s.applyCommand(), s.diffCommand(), s.validateCommand(), s.schemaCommand(), s.profilesCommand())
	root.AddCommand(s.serviceCommand(), manCommand(root))
	return root
}

func usage(err error) error { return exit{ExitUsage, err} }

// client returns the fleet's client.
func (s *shell) client() (api.Client, error) { return s.worlds.Dial(s.state) }

// status returns the picture.
func (s *shell) status(ctx context.Context) (api.Client, *api.Status, error) {
	c, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	st, err := c.Status(ctx)
	return c, st, err
}

// actor is who runs the command line.
func actor(from string) api.Actor {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return api.Actor{Name: name, From: from}
}

// actFlags adds the flags of verbs that change something.
func (s *shell) actFlags(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&s.yes, "yes", false, "do not ask; needs --why")
	c.Flags().StringVar(&s.why, "why", "", "the reason, kept with the command")
	s.outputFlag(c, "text", "json")
	return c
}

func (s *shell) outputFlag(c *cobra.Command, values ...string) {
	c.Flags().StringP("output", "o", values[0], "one of "+strings.Join(values, ", "))
	before := c.PreRunE
	c.PreRunE = func(cmd *cobra.Command, args []string) error {
		s.output, _ = cmd.Flags().GetString("output") // each command has its own default
		for _, v := range values {
			if s.output == v {
				if before != nil {
					return before(cmd, args)
				}
				return nil
			}
		}
		return usage(fmt.Errorf("--output %q is not known; use %s", s.output, strings.Join(values, ", ")))
	}
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// exact and atLeast check the number of arguments and say what is missing.
func exact(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Errorf("give %s: holdfast %s", what, cmd.Use))
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(fmt.Errorf("give %s: holdfast %s", what, cmd.Use))
		}
		return nil
	}
}
