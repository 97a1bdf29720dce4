package plain

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func (s *shell) weightCommand() *cobra.Command {
	c := s.acts(&cobra.Command{
		Use:   "weight BACKEND=N...",
		Short: "Set the weights of backends",
		Long: `Set the weights of backends, 0 to 100, all together. A backend with weight 0
takes no new flows and keeps those that it has. A weight lasts until it is set
again or until a new spec changes it.`,
		Example: `  holdfast weight backend/shop-tokyo-1=50
  holdfast weight shop-tokyo-1=100 shop-tokyo-2=100 --wait`,
		Args: atLeast(1, "at least one backend with its weight, such as backend/shop-tokyo-1=50"),
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			all := s.offer(id.KindBackend)
			for i := range all {
				all[i] += "="
			}
			return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var c api.SetWeights
			for _, a := range args {
				name, value, ok := strings.Cut(a, "=")
				n, err := strconv.Atoi(value)
				if !ok || err != nil {
					return usage(fmt.Errorf("%q is not BACKEND=N, such as backend/shop-tokyo-1=50", clean(a)))
				}
				ref, err := s.target(cmd.Context(), name, id.KindBackend)
				if err != nil {
					return err
				}
				c.Weights = append(c.Weights, api.Weight{Backend: ref.Name, Weight: n})
			}
			return s.do(cmd.Context(), c)
		},
	})
	return s.waits(c, "every host has them")
}

func (s *shell) drainCommand() *cobra.Command {
	var d time.Duration
	c := s.acts(&cobra.Command{
		Use:   "drain TARGET",
		Short: "Take no new flows, on a backend or a host",
		Long: `Take no new flows on a backend, or on all backends of a host, and keep those that
it has until they end or until the deadline. undrain takes it back.`,
		Example: `  holdfast drain backend/shop-tokyo-1
  holdfast drain host/tokyo-1 --for 10s --wait`,
		Args: exact(1, "a backend or a host"), ValidArgsFunction: s.complete(id.KindBackend, id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d < 0 || d > api.DrainForMax {
				return usage(fmt.Errorf("--for %s is no time to drain: give up to %s", d, api.DrainForMax))
			}
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend, id.KindHost)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Drain{Target: ref, For: d})
		},
	})
	c.Flags().DurationVar(&d, "for", 0, "close what is left after this `TIME` (default the pool's drain_for)")
	return s.waits(c, "no flow is left")
}

func (s *shell) undrainCommand() *cobra.Command {
	c := s.acts(&cobra.Command{
		Use:     "undrain TARGET",
		Short:   "Take a drain back",
		Long:    "Take new flows again on a backend, or on all backends of a host.",
		Example: "  holdfast undrain host/tokyo-1",
		Args:    exact(1, "a backend or a host"), ValidArgsFunction: s.complete(id.KindBackend, id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend, id.KindHost)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Undrain{Target: ref})
		},
	})
	return s.waits(c, "no host drains it")
}

func (s *shell) forceCommand() *cobra.Command {
	offer := s.complete(id.KindBackend)
	c := s.acts(&cobra.Command{
		Use:   "force up|down BACKEND",
		Short: "Set a backend's health, whatever its probes say",
		Long: `Set a backend's health, whatever its probes say, until unforce. What they measure
is shown beside it all the same.`,
		Example: `  holdfast force down backend/shop-tokyo-1 --why "disk is being swapped"`,
		Args:    exact(2, "up or down, and a backend"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"up", "down"}, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(cmd, args[1:], to)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "up" && args[0] != "down" {
				return usage(fmt.Errorf("%q is neither up nor down", clean(args[0])))
			}
			ref, err := s.target(cmd.Context(), args[1], id.KindBackend)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Force{Backend: ref.Name, Health: api.Measure(args[0])})
		},
	})
	return s.waits(c, "every host has it")
}

func (s *shell) unforceCommand() *cobra.Command {
	c := s.acts(&cobra.Command{
		Use:     "unforce BACKEND",
		Short:   "Give a backend's health back to its probes",
		Long:    "Give a backend's health back to its probes: force is taken back.",
		Example: "  holdfast unforce backend/shop-tokyo-1",
		Args:    exact(1, "a backend"), ValidArgsFunction: s.complete(id.KindBackend),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Unforce{Backend: ref.Name})
		},
	})
	return s.waits(c, "no host forces it")
}
