package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/spf13/cobra"
)

func (s *shell) drillCommand() *cobra.Command {
	c := &cobra.Command{Use: "drill list|run|abort|report", Short: "Rehearse a failure and measure what users see", Args: func(_ *cobra.Command, args []string) error {
		return usage(fmt.Errorf("give one of list, run NAME, abort, report NAME"))
	}, RunE: func(*cobra.Command, []string) error { return nil }}
	list := &cobra.Command{Use: "list", Short: "List the drills", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.get(cmd.Context(), []string{"drills"}, false)
	}}
	s.outputFlag(list, "table", "json", "yaml")
	var timeout time.Duration
	var noWait bool
	run := s.actFlags(&cobra.Command{
		Use: "run NAME", Short: "Run a drill and wait for its verdict; Ctrl-C aborts it",
		Args: exact(1, "a drill"), ValidArgsFunction: s.complete(id.KindDrill),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.runDrill(cmd.Context(), args[0], timeout, !noWait)
		},
	})
	run.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "abort it after this time")
	run.Flags().BoolVar(&noWait, "no-wait", false, "return when it has begun")
	abort := s.actFlags(&cobra.Command{Use: "abort", Short: "Abort the running drill and revert its fault", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return s.do(cmd.Context(), api.AbortDrill{})
	}})
	report := &cobra.Command{
		Use: "report NAME", Short: "Print a drill's last report", Args: exact(1, "a drill"), ValidArgsFunction: s.complete(id.KindDrill),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, st, err := s.status(cmd.Context())
			if err != nil {
				return err
			}
			d, ok := st.Drill(args[0])
			if !ok {
				return exit{ExitFailed, fmt.Errorf("there is no drill %q; holdfast drill list lists them", args[0])}
			}
			return s.report(d)
		},
	}
	s.outputFlag(report, "text", "json", "yaml")
	c.AddCommand(list, run, abort, report)
	return c
}

// runDrill starts a drill and follows it to its end.
func (s *shell) runDrill(ctx context.Context, name string, timeout time.Duration, wait bool) error {
	c, st, err := s.status(ctx)
	if err != nil {
		return err
	}
	before := 0
	if d, ok := st.Drill(name); ok {
		before = d.Run
	}
	quiet := s.output != "text"
	if wait && quiet {
		s.output = "text" // the receipt is not the report
	}
	if err := s.start(ctx, c, st, name, quiet && wait); err != nil || !wait {
		return err
	}
	if quiet {
		s.output = "json"
	}
	// The watch outlives Ctrl-C: an aborted drill is followed to its end.
	wctx, stop := context.WithTimeout(context.WithoutCancel(ctx), timeout+time.Minute)
	defer stop()
	updates, err := c.Watch(wctx, st.Seq)
	if err != nil {
		return err
	}
	aborted := false
	abort := func() {
		if !aborted {
			aborted = true
			_, _ = c.Do(wctx, api.Request{Command: api.AbortDrill{}, By: actor("command line"), Why: "interrupted"})
		}
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	interrupted := ctx.Done()
	said := 0
	for {
		select {
		case <-interrupted:
			interrupted = nil
			abort()
		case <-deadline.C:
			abort()
		case u, ok := <-updates:
			if !ok {
				return api.ErrUnreachable
			}
			d, ok := u.Status.Drill(name)
			if !ok || d.Run <= before {
				continue
			}
			for ; said < len(d.Log) && !quiet; said++ {
				fmt.Fprintf(s.out, "%9s  %s\n", offset(d.Log[said].At), clean(d.Log[said].Text))
			}
			if d.Phase.Live() {
				continue
			}
			if !quiet {
				fmt.Fprintln(s.out)
			}
			if err := s.report(d); err != nil {
				return err
			}
			return verdict(d)
		}
	}
}

// start asks for the drill.
func (s *shell) start(ctx context.Context, c api.Client, st *api.Status, name string, silent bool) error {
	cmd := api.StartDrill{Name: name}
	if !silent {
		return s.do(ctx, cmd)
	}
	req := api.Request{Command: cmd, By: actor("command line"), Why: s.why}
	if need := api.Confirmation(cmd, st); need != "" {
		if !s.yes || s.why == "" {
			return exit{ExitRefused, errors.New("it needs to be confirmed: --yes --why TEXT")}
		}
		req.Confirm = need
	}
	r, err := c.Do(ctx, req)
	if err != nil {
		return err
	}
	if !r.OK {
		return exit{ExitRefused, fmt.Errorf("refused: %s", clean(reasons(r.Refusals)))}
	}
	return nil
}

func verdict(d *api.Drill) error {
	switch d.Phase {
	case api.DrillPassed:
		return nil
	case api.DrillRefused:
		return exit{code: ExitRefused}
	case api.DrillFailed, api.DrillAborted, api.DrillIdle, api.DrillChecking, api.DrillRunning, api.DrillReverting, api.DrillSettling:
	}
	return exit{code: ExitFailed}
}

func offset(d time.Duration) string { return fmt.Sprintf("%+.3fs", d.Seconds()) }

// report prints a drill's report.
func (s *shell) report(d *api.Drill) error {
	if s.output != "text" {
		return s.encode(d)
	}
	w := func(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }
	w("drill    %s, run %d by %s: %s", d.Name, d.Run, clean(d.By), clean(d.Why))
	w("fault    %s (%s)", d.Fault, d.Target)
	w("verdict  %s: %s", d.Phase, clean(d.Reason))
	for _, v := range d.Verdicts {
		w("  %-9s %-16s objective %-8s %s", v.Objective, v.Measured, v.Limit, mark(v.State))
	}
	if p := d.Probes; p.Sent > 0 {
		w("probes   %d sent every %s, %d failed, %d late; latency p50 %s, p99 %s, most %s", p.Sent, p.Every, p.Failed, p.Late, p.P50.Round(10*time.Microsecond), p.P99.Round(10*time.Microsecond), p.Max.Round(10*time.Microsecond))
		if p.Failed > 0 {
			w("         first failed %s, last failed %s after the fault", p.FirstFail.Round(100*time.Microsecond), p.LastFail.Round(100*time.Microsecond))
		}
	}
	if i := slices.IndexFunc(d.Steps, func(x api.DrillStep) bool { return x.State != api.StateUnknown }); i >= 0 {
		w("steps")
		for _, x := range d.Steps {
			limit := ""
			if x.Limit > 0 {
				limit = "limit " + x.Limit.String()
			}
			w("  %-4s %-38s %8s  %s", mark(x.State), clean(x.Name), fmt.Sprintf("%.3fs", x.Took.Seconds()), limit)
		}
	}
	if d.Run > 0 {
		w("seen     %s  one column = %s", d.Strip, d.StripEvery)
	}
	return nil
}

func mark(s api.State) string {
	switch s {
	case api.StateOK:
		return "ok"
	case api.StateDown:
		return "FAIL"
	case api.StateDegraded:
		return "…"
	case api.StateUnknown:
	}
	return "-"
}
