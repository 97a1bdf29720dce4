package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (s *shell) up(ctx context.Context, o UpOptions) error {
	if s.context != "" {
		return usage(errors.New("holdfast up runs a fleet on this machine; --context is for those that run"))
	}
	o.State = s.state
	return s.worlds.Up(ctx, o)
}

func (s *shell) upCommand() *cobra.Command {
	var o UpOptions
	c := &cobra.Command{
		Use:   "up [PROFILE|FILE]",
		Short: "Run a whole local fleet, with the console",
		Long: `Run every host of every site in this process, each on its own loopback address,
with the backends as processes of their own. It ends with Ctrl-C or with q in the
console, and leaves nothing behind outside its state directory. One fleet runs
from a state directory; a second one is refused (exit code 3), and so is one at
the addresses of another fleet.

Without an argument it goes on with the spec that was applied here last, and with
the default profile where none was. With one, that is what runs: a spec that was
applied before is set aside in the state directory, and it is said where.`,
		Example: `  holdfast up
  holdfast up single-site --headless
  holdfast up fleet.yaml --metrics 127.0.0.1:9100`,
		Args: atMost(1, "one profile or file"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return s.worlds.Profiles, cobra.ShellCompDirectiveDefault // and files
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == "" {
				return usage(errors.New("the profile or file is empty; leave it out for the default one"))
			}
			if len(args) > 0 {
				o.Spec = args[0]
			}
			return s.up(cmd.Context(), o)
		},
	}
	consoleFlags(c, &o.Face)
	checked(c, func() error { return cmp.Or(o.Face.check(), metricsAddress(o.Metrics)) })
	c.Flags().BoolVar(&o.Headless, "headless", false, "without the console")
	c.Flags().StringVar(&o.Metrics, "metrics", "", "serve /metrics, /live and /ready on this `ADDRESS`, such as 127.0.0.1:9100")
	return c
}

// themes and pages are what --theme and --page take.
var (
	themes = []string{"dark", "light", "16", "none"}
	pages  = []string{"overview", "pools", "backends", "drills", "events", "faults"}
)

// check says what a face cannot do, before a terminal or a fleet is touched.
func (o *FaceOptions) check() error {
	for _, f := range []struct {
		flag, value string
		known       []string
	}{{"--theme", o.Theme, themes}, {"--page", o.Page, pages}} {
		if f.value != "" && !slices.Contains(f.known, f.value) {
			return usage(fmt.Errorf("%s %q is not known%s; it takes %s", f.flag, clean(f.value), nearest(f.value, f.known), strings.Join(f.known, ", ")))
		}
	}
	return nil
}

// metricsAddress says what is wrong with a host:port to listen on.
func metricsAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usage(fmt.Errorf("--metrics %q is no address: give one such as 127.0.0.1:9100", clean(address)))
	}
	return nil
}

// checked has a command check its flags first.
func checked(c *cobra.Command, check func() error) {
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := check(); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

// faceFlags adds the flags of what draws on a terminal.
func faceFlags(c *cobra.Command, o *FaceOptions) {
	c.Flags().StringVar(&o.Theme, "theme", "", "`THEME`: dark, light, 16 or none (default by the terminal; none with NO_COLOR)")
	_ = c.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions(themes, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().BoolVar(&o.ASCII, "ascii", false, "use no glyph beyond ASCII")
}

func consoleFlags(c *cobra.Command, o *FaceOptions) {
	faceFlags(c, o)
	c.Flags().BoolVar(&o.ReadOnly, "read-only", false, "look only")
	c.Flags().BoolVar(&o.Mouse, "mouse", false, "take the mouse; selecting text then needs shift")
	c.Flags().StringVar(&o.Page, "page", "", "first `PAGE`: overview, pools, backends, drills, events, faults")
	_ = c.RegisterFlagCompletionFunc("page", cobra.FixedCompletions(pages, cobra.ShellCompDirectiveNoFileComp))
	o.Actor = actor("console")
}

func (s *shell) consoleCommand() *cobra.Command {
	var o FaceOptions
	c := &cobra.Command{
		Use: "console", Short: "Open the console on the running fleet", Args: none,
		Long:    "Open the console on the fleet that runs from the state directory. Leaving it\nleaves the fleet as it is.",
		Example: "  holdfast console --page pools\n  holdfast console --read-only",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := s.fleet(cmd.Context())
			if err != nil {
				return err
			}
			return s.worlds.Console(cmd.Context(), c, o)
		},
	}
	consoleFlags(c, &o)
	checked(c, o.check)
	return c
}

func (s *shell) wallboardCommand() *cobra.Command {
	var o FaceOptions
	c := &cobra.Command{
		Use: "wallboard", Short: "Show the wallboard", Args: none,
		Long:    "Show the read-only wallboard: big figures and the age of the data. It waits for a\nfleet, and connects again by itself.",
		Example: "  holdfast wallboard --theme dark",
		RunE: func(cmd *cobra.Command, _ []string) error {
			where, err := s.where()
			if err != nil {
				return err
			}
			return s.worlds.Wallboard(cmd.Context(), where, o)
		},
	}
	faceFlags(c, &o)
	checked(c, o.check)
	return c
}

// serviceCommand is how the local fleet starts a backend; nobody types it.
func (s *shell) serviceCommand() *cobra.Command {
	var name, kind, address string
	c := &cobra.Command{
		Use: "service", Hidden: true, Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.worlds.Service(cmd.Context(), name, kind, address)
		},
	}
	c.Flags().StringVar(&name, "name", "", "backend's name")
	c.Flags().StringVar(&kind, "kind", "http", "http, tcp or udp")
	c.Flags().StringVar(&address, "address", "", "address:port")
	return c
}
