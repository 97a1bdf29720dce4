package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/spf13/cobra"
)

// done is what acting verbs print with -o json.
type done struct {
	OK       bool     `json:"ok"`
	Reason   string   `json:"reason"`
	Done     string   `json:"done,omitempty"`
	Receipt  string   `json:"receipt,omitempty"`
	Command  string   `json:"command"`
	Refusals []string `json:"refusals,omitempty"`
}

// do asks for a command: it shows what it would touch and has it confirmed
// where that is needed.
func (s *shell) do(ctx context.Context, cmd api.Command) error {
	c, st, err := s.status(ctx)
	if err != nil {
		return err
	}
	req := api.Request{Command: cmd, By: actor("command line"), Why: s.why}
	if s.yes && s.why == "" {
		return usage(errors.New("--yes needs --why TEXT: the reason is kept with the command"))
	}
	refusals := cmd.Check(st)
	if need := api.Confirmation(cmd, st); need != "" && !api.Stops(refusals, true) {
		if req.Confirm, err = s.confirm(cmd, refusals, need); err != nil {
			return err
		}
	}
	r, err := c.Do(ctx, req)
	if err != nil {
		return err
	}
	return s.receipt(cmd, r)
}

// confirm has a dangerous command confirmed by its target's name.
func (s *shell) confirm(cmd api.Command, refusals []api.Refusal, need string) (string, error) {
	if s.yes {
		return need, nil
	}
	f, ok := s.in.(*os.File)
	if info, err := f.Stat(); !ok || err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return "", exit{ExitRefused, fmt.Errorf("%s: %s; say --yes --why TEXT", cmd.Sentence(), reasons(refusals))}
	}
	fmt.Fprintf(s.out, "This would %s.\n", clean(cmd.Sentence()))
	for _, r := range refusals {
		fmt.Fprintln(s.out, "  "+clean(r.String()))
	}
	fmt.Fprintf(s.out, "Type %s to go on: ", need)
	line, err := bufio.NewReader(io.LimitReader(s.in, 1024)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != need {
		return "", exit{ExitRefused, errors.New("not confirmed; nothing was done")}
	}
	return need, nil
}

func reasons(refusals []api.Refusal) string {
	all := make([]string, len(refusals))
	for i, r := range refusals {
		all[i] = r.String()
	}
	if len(all) == 0 {
		return "it needs to be confirmed in production"
	}
	return strings.Join(all, "; ")
}

// receipt prints what became of a command.
func (s *shell) receipt(cmd api.Command, r api.Receipt) error {
	d := done{OK: r.OK, Done: r.Done, Receipt: r.ID, Command: api.Shell(cmd)}
	for _, x := range r.Refusals {
		d.Refusals = append(d.Refusals, x.String())
	}
	if !r.OK {
		d.Reason = reasons(r.Refusals)
	}
	if s.output == "json" {
		if err := s.encode(d); err != nil {
			return err
		}
		if !r.OK {
			return exit{code: ExitRefused}
		}
		return nil
	}
	if !r.OK {
		return exit{ExitRefused, fmt.Errorf("refused: %s", clean(d.Reason))}
	}
	fmt.Fprintf(s.out, "done: %s\n", clean(r.Done))
	return nil
}

// target reads kind/name, or a name alone when it is unique among kinds.
func (s *shell) target(ctx context.Context, arg string, kinds ...id.Kind) (id.Ref, error) {
	if strings.Contains(arg, "/") {
		ref, err := id.ParseRef(arg)
		if err != nil {
			return id.Ref{}, usage(err)
		}
		return ref, nil
	}
	_, st, err := s.status(ctx)
	if err != nil {
		return id.Ref{}, err
	}
	var found []id.Ref
	for _, k := range kinds {
		if ref := id.To(k, arg); st.Exists(ref) {
			found = append(found, ref)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return id.To(kinds[0], arg), nil // the check says that it does not exist
	}
	return id.Ref{}, usage(fmt.Errorf("%q is a %s and a %s; write kind/name", arg, found[0].Kind, found[1].Kind))
}

func (s *shell) backendArg(ctx context.Context, arg string) (string, error) {
	ref, err := s.target(ctx, arg, id.KindBackend)
	if err != nil {
		return "", err
	}
	if ref.Kind != id.KindBackend {
		return "", usage(fmt.Errorf("%s is no backend", ref))
	}
	return ref.Name, nil
}

func (s *shell) weightCommand() *cobra.Command {
	return s.actFlags(&cobra.Command{
		Use: "weight TARGET=N …", Short: "Set the weights of backends, 0 to 100, all together",
		Example: "  holdfast weight backend/shop-tokyo-1=50 backend/shop-tokyo-2=100",
		Args:    atLeast(1, "at least one backend with its weight, such as backend/shop-tokyo-1=50"), ValidArgsFunction: s.complete(id.KindBackend),
		RunE: func(cmd *cobra.Command, args []string) error {
			var c api.SetWeights
			for _, a := range args {
				name, value, ok := strings.Cut(a, "=")
				n, err := strconv.Atoi(value)
				if !ok || err != nil {
					return usage(fmt.Errorf("%q is not TARGET=N, such as backend/shop-tokyo-1=50", a))
				}
				b, err := s.backendArg(cmd.Context(), name)
				if err != nil {
					return err
				}
				c.Weights = append(c.Weights, api.Weight{Backend: b, Weight: n})
			}
			return s.do(cmd.Context(), c)
		},
	})
}

func (s *shell) drainCommand() *cobra.Command {
	var d time.Duration
	c := s.actFlags(&cobra.Command{
		Use: "drain TARGET", Short: "Stop new flows to a backend, or to all backends of a host",
		Args: exact(1, "a backend or a host"), ValidArgsFunction: s.complete(id.KindBackend, id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend, id.KindHost)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Drain{Target: ref, For: d})
		},
	})
	c.Flags().DurationVar(&d, "for", 0, "close what is left after this time (default the pool's drain_for)")
	return c
}

func (s *shell) undrainCommand() *cobra.Command {
	return s.actFlags(&cobra.Command{
		Use: "undrain TARGET", Short: "Take a drain back", Args: exact(1, "a backend or a host"), ValidArgsFunction: s.complete(id.KindBackend, id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend, id.KindHost)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Undrain{Target: ref})
		},
	})
}

func (s *shell) forceCommand() *cobra.Command {
	return s.actFlags(&cobra.Command{
		Use: "force up|down TARGET", Short: "Set a backend's health, whatever its probes say",
		Args: exact(2, "up or down, and a backend"), ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"up", "down"}, cobra.ShellCompDirectiveNoFileComp
			}
			return s.complete(id.KindBackend)(cmd, nil, to)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "up" && args[0] != "down" {
				return usage(fmt.Errorf("%q is neither up nor down", args[0]))
			}
			b, err := s.backendArg(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Force{Backend: b, Health: api.Measure(args[0])})
		},
	})
}

func (s *shell) unforceCommand() *cobra.Command {
	return s.actFlags(&cobra.Command{
		Use: "unforce TARGET", Short: "Give a backend's health back to its probes", Args: exact(1, "a backend"), ValidArgsFunction: s.complete(id.KindBackend),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := s.backendArg(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Unforce{Backend: b})
		},
	})
}

// complete offers the names of the running fleet.
func (s *shell) complete(kinds ...id.Kind) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, st, err := s.status(ctx)
		if err != nil || len(args) > 0 && !strings.HasPrefix(cmd.Use, "weight") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var all []string
		for _, k := range kinds {
			switch k {
			case id.KindBackend:
				for i := range st.Backends {
					all = append(all, id.To(k, st.Backends[i].Name).String())
				}
			case id.KindHost:
				for i := range st.Hosts {
					all = append(all, id.To(k, st.Hosts[i].Name).String())
				}
			case id.KindPool:
				for i := range st.Pools {
					all = append(all, id.To(k, st.Pools[i].Name).String())
				}
			case id.KindListener:
				for i := range st.Listeners {
					all = append(all, id.To(k, st.Listeners[i].Name).String())
				}
			case id.KindDrill:
				for i := range st.Drills {
					all = append(all, st.Drills[i].Name)
				}
			case id.KindFault:
				for i := range st.Faults {
					all = append(all, st.Faults[i].ID)
				}
			case id.KindFleet, id.KindSite, id.KindClients:
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
