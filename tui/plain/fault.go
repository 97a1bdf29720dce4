package plain

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

// faultWords say what each fault is.
var faultWords = map[api.FaultKind]struct{ short, long, example string }{
	api.FaultKill:    {"SIGKILL: it stays dead until it is cleared", "Send SIGKILL to a backend's process. It stays dead until the fault is cleared.", "  holdfast fault kill backend/shop-tokyo-1 --for 30s"},
	api.FaultFreeze:  {"SIGSTOP: it keeps its connections and does not answer", "Send SIGSTOP to a backend's process. It keeps its connections and does not\nanswer; SIGCONT follows when the fault is cleared.", "  holdfast fault freeze backend/shop-tokyo-1 --wait"},
	api.FaultSlow:    {"Every answer is late", "Make every answer of a backend late, by --delay.", "  holdfast fault slow backend/shop-tokyo-1 --delay 300ms --for 1m"},
	api.FaultRestart: {"SIGTERM, and started again at once", "Send SIGTERM to a backend's process and start it again at once. There is nothing\nto clear.", "  holdfast fault restart backend/shop-tokyo-1 --wait"},
}

func (s *shell) faultCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fault COMMAND",
		Short: "Break a backend on purpose, and mend it",
		Long: `Break a backend on purpose, and mend it. A fault lasts until it is cleared, or as
long as --for says; it ends with the fleet in any case.`,
		Example: `  holdfast fault kill backend/shop-tokyo-1 --for 30s
  holdfast fault list
  holdfast fault clear`,
		Args: s.verbsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return verbMissing(cmd) },
	}
	for _, k := range api.FaultKinds() {
		c.AddCommand(s.faultKind(k))
	}
	list := &cobra.Command{
		Use: "list", Short: "List the faults that are in force", Long: "List the faults that are in force: the same as holdfast get faults.",
		Example: "  holdfast fault list -o json", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, _ := kindOf("faults")
			return s.get(cmd.Context(), query{kind: k})
		},
	}
	clear := s.acts(&cobra.Command{
		Use: "clear [FAULT]", Short: "Mend a fault, or all of them", Long: "Take a fault back, by its ID as holdfast fault list says it. Without one, take\nall of them back.",
		Example: "  holdfast fault clear\n  holdfast fault clear f1 --wait", Args: atMost(1, "one fault, or none for all"),
		ValidArgsFunction: s.complete(id.KindFault),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := api.ClearFault{}
			if len(args) == 1 {
				c.ID = args[0]
			}
			return s.do(cmd.Context(), c)
		},
	})
	c.AddCommand(s.outputs(list, outTable, outJSON, outYAML), s.waits(clear, "nothing is broken by it any more"))
	return c
}

func (s *shell) faultKind(k api.FaultKind) *cobra.Command {
	var d, delay time.Duration
	words := faultWords[k]
	c := s.acts(&cobra.Command{
		Use: string(k) + " BACKEND", Short: words.short, Long: words.long, Example: words.example,
		Args: exact(1, "a backend"), ValidArgsFunction: s.complete(id.KindBackend),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.InjectFault{Kind: k, Target: ref, For: d, Delay: delay})
		},
	})
	if k != api.FaultRestart {
		c.Flags().DurationVar(&d, "for", 0, "mend it after this `TIME` (default when it is cleared)")
	}
	if k == api.FaultSlow {
		c.Flags().DurationVar(&delay, "delay", keys.SlowDelay, "`TIME` that each answer is late")
	}
	return s.waits(c, "it is in force")
}
