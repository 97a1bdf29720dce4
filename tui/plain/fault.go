package plain

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/spf13/cobra"
)

func (s *shell) faultCommand() *cobra.Command {
	var d, delay time.Duration
	names := []string{"list", "clear"}
	for _, k := range api.FaultKinds() {
		names = append(names, string(k))
	}
	c := s.actFlags(&cobra.Command{
		Use:   "fault kill|freeze|slow|restart TARGET · fault list · fault clear [ID]",
		Short: "Break a backend on purpose, and mend it",
		Long: `kill     SIGKILL; the backend stays dead until the fault is cleared
freeze   SIGSTOP; it keeps its connections and does not answer
slow     every answer is late by --delay
restart  SIGTERM, and started again at once`,
		Example: "  holdfast fault kill backend/shop-tokyo-1 --for 30s\n  holdfast fault slow backend/shop-tokyo-2 --delay 300ms\n  holdfast fault clear",
		Args:    atLeast(1, "what to do: "+strings.Join(names, ", ")),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0:
				return names, cobra.ShellCompDirectiveNoFileComp
			case args[0] == "clear":
				return s.complete(id.KindFault)(cmd, nil, to)
			}
			return s.complete(id.KindBackend)(cmd, nil, to)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			switch {
			case args[0] == "list" && len(args) == 1:
				if s.output == "text" {
					s.output = "table"
				}
				return s.get(ctx, []string{"faults"}, false)
			case args[0] == "clear" && len(args) <= 2:
				c := api.ClearFault{}
				if len(args) == 2 {
					c.ID = args[1]
				}
				return s.do(ctx, c)
			case len(args) != 2:
				return usage(fmt.Errorf("give a fault and a backend: holdfast fault %s backend/NAME", args[0]))
			}
			ref, err := s.target(ctx, args[1], id.KindBackend)
			if err != nil {
				return err
			}
			if args[0] == string(api.FaultSlow) && delay == 0 {
				delay = 300 * time.Millisecond
			}
			return s.do(ctx, api.InjectFault{Kind: api.FaultKind(args[0]), Target: ref, For: d, Delay: delay})
		},
	})
	c.Flags().DurationVar(&d, "for", 0, "mend it after this time (default when it is cleared)")
	c.Flags().DurationVar(&delay, "delay", 0, "slow: how late each answer is (default 300ms)")
	return c
}
