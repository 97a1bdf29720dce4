package plain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Where says which fleet is meant. Both empty: the context in use, and without
// one the state directory of this machine.
type Where struct {
	State   string // directory
	Context string // name in the contexts file
}

// ContextItem is one context: a state directory on this machine, or agents and
// the directory of who goes there.
type ContextItem struct {
	Name     string   `json:"name"`
	InUse    bool     `json:"in_use"`
	State    string   `json:"state"`
	Agents   []string `json:"agents"`
	Identity string   `json:"identity"`
}

// Contexts are the user's contexts.
type Contexts struct {
	List   func() ([]ContextItem, error)
	Use    func(name string) error                                      // empty: none
	Add    func(ctx context.Context, c ContextItem, token string) error // token: a way in that is not used yet; empty: none
	Remove func(name string) error
}

// where is what the flags say.
func (s *shell) where() (Where, error) {
	if s.state != "" && s.context != "" {
		return Where{}, usage(fmt.Errorf("--state and --context name two fleets; give one of them"))
	}
	return Where{State: s.state, Context: s.context}, nil
}

func (s *shell) contextCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "context", Short: "Name fleets, and say which one is meant",
		Long: `A context is a name for a way to a fleet: a state directory on this machine, or
agents elsewhere and a certificate.

Without --state, HOLDFAST_STATE and --context, the context in use is meant.`,
		Example: "  holdfast context add lab --at /srv/lab\n  holdfast context use lab\n  holdfast get backends --context lab",
		Args:    s.verbsOnly,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(s.contextListCommand(), s.contextUseCommand(), s.contextAddCommand(), s.contextRemoveCommand())
	return c
}

func (s *shell) contextListCommand() *cobra.Command {
	return s.outputs(&cobra.Command{
		Use: "list", Short: "List the contexts", Args: none,
		Long:    "List the contexts, in the order in which they were added.",
		Example: "  holdfast context list",
		RunE: func(*cobra.Command, []string) error {
			all, err := s.worlds.Contexts.List()
			if err != nil {
				return usage(err)
			}
			if s.output == outJSON {
				if all == nil {
					all = []ContextItem{}
				}
				return s.value(all)
			}
			rows := make([][]string, len(all))
			for i, c := range all {
				mark, where := "", c.State
				if c.InUse {
					mark = "*"
				}
				if where == "" {
					where = strings.Join(c.Agents, ", ")
				}
				rows[i] = []string{mark, clean(c.Name), clean(where), clean(c.Identity)}
			}
			return s.table([]string{"", "NAME", "WHERE", "IDENTITY"}, rows)
		},
	}, outText, outJSON)
}

func (s *shell) contextUseCommand() *cobra.Command {
	var nobody bool
	c := &cobra.Command{
		Use: "use NAME", Short: "Say which context is meant from now on",
		Long:    "Say which context is meant where none is given.",
		Example: "  holdfast context use prod\n  holdfast context use --none",
		Args: func(cmd *cobra.Command, args []string) error {
			if nobody == (len(args) == 1) || len(args) > 1 {
				return usage(fmt.Errorf("give one context, or --none: %s", useLine(cmd)))
			}
			return nil
		},
		ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if !nobody {
				name = args[0]
			}
			return orUsage(s.worlds.Contexts.Use(name))
		},
	}
	c.Flags().BoolVar(&nobody, "none", false, "use none: the state directory of this machine is meant again")
	return c
}

func (s *shell) contextAddCommand() *cobra.Command {
	var item ContextItem
	var token string
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a context",
		Long: `Add a context: the state directory of a fleet on this machine, or agents of a fleet
elsewhere and your certificate. With --token the certificate is got by a token that an
admin has made with holdfast token --person, and kept beside the contexts; it renews
itself when it is used. The first context is used at once.`,
		Example: "  holdfast context add here --at /var/lib/holdfast\n  holdfast context add prod --agent 10.0.0.1 --agent 10.1.0.1 --token TOKEN",
		Args:    one("one name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			item.Name = args[0]
			if token == "" {
				return orUsage(s.worlds.Contexts.Add(cmd.Context(), item, ""))
			}
			if item.State != "" || len(item.Agents) == 0 {
				return usage(errors.New("--token goes with --agent ADDRESS: an agent of the fleet lets you in"))
			}
			return s.worlds.Contexts.Add(cmd.Context(), item, token)
		},
	}
	c.Flags().StringVar(&item.State, "at", "", "state `DIR` on this machine")
	c.Flags().StringArrayVar(&item.Agents, "agent", nil, "`ADDRESS` of an agent, with or without its port; give several")
	c.Flags().StringVar(&item.Identity, "identity", "", "`DIR` with your certificate")
	c.Flags().StringVar(&token, "token", "", "`TOKEN` that lets you in, once")
	_ = c.MarkFlagDirname("at")
	_ = c.MarkFlagDirname("identity")
	return c
}

func (s *shell) contextRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Forget a context",
		Long:    "Forget a context. The fleet, and the directory of the identity, stay as they\nare. When it was in use, none is in use after it.",
		Example: "  holdfast context remove prod",
		Args:    one("one context"), ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error { return orUsage(s.worlds.Contexts.Remove(args[0])) },
	}
}

func orUsage(err error) error {
	if err == nil {
		return nil
	}
	return usage(err)
}

// one takes exactly one argument.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usage(fmt.Errorf("give %s: %s", what, useLine(cmd)))
		}
		return nil
	}
}

func (s *shell) completeContexts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || s.worlds.Contexts.List == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := s.worlds.Contexts.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
