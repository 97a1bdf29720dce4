package plain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// drillTimeout is longer than any sensible drill: a minute of fault and two of
// settling.
const drillTimeout = 10 * time.Minute

func (s *shell) drillCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "drill COMMAND",
		Short: "Rehearse a failure and measure what users see",
		Long: `A drill checks that all is well, breaks something under traffic, measures with
probes of its own what users see, mends it whatever happens, and gives a verdict
against the objectives in the spec.`,
		Example: `  holdfast drill list
  holdfast drill run lose-backend
  holdfast drill report lose-backend -o json`,
		Args: s.verbsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return verbMissing(cmd) },
	}
	list := &cobra.Command{
		Use: "list", Short: "List the drills", Long: "List the drills and how they went last: the same as holdfast get drills.",
		Example: "  holdfast drill list", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, _ := kindOf("drills")
			return s.get(cmd.Context(), query{kind: k})
		},
	}
	run := s.acts(&cobra.Command{
		Use: "run DRILL", Short: "Run a drill, up to its verdict",
		Long: `Run a drill and follow it to its verdict. Ctrl-C aborts it, and so does
--timeout; the fault is taken back in any case. The exit code is 0 when it passed,
1 when it failed or was aborted, and 3 when it was refused.`,
		Example: "  holdfast drill run lose-backend\n  holdfast drill run lose-backend --wait=false",
		Args:    exact(1, "a drill"), ValidArgsFunction: s.complete(id.KindDrill),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.runDrill(cmd.Context(), strings.TrimPrefix(args[0], "drill/"))
		},
	})
	run.Flags().Bool("wait", true, "follow it; with --wait=false return when it has begun")
	run.Flags().Duration("timeout", drillTimeout, "abort it after this `TIME`")
	abort := s.waits(s.acts(&cobra.Command{
		Use: "abort", Short: "Abort the running drill", Long: "Abort the running drill and take its fault back.",
		Example: "  holdfast drill abort --wait", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.do(cmd.Context(), api.AbortDrill{}) },
	}), "it has ended and its fault is taken back")
	report := &cobra.Command{
		Use: "report DRILL", Short: "Print a drill's last report", Long: "Print the report of a drill's last run, or of the one under way.",
		Example: "  holdfast drill report lose-backend", Args: exact(1, "a drill"), ValidArgsFunction: s.complete(id.KindDrill),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, st, err := s.fleet(cmd.Context())
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(args[0], "drill/")
			d, ok := st.Drill(name)
			if !ok {
				return exit{ExitFailed, fmt.Errorf("there is no drill %q%s; holdfast drill list lists them", clean(name), nearest(name, trimmed(names(st, id.KindDrill))))}
			}
			if s.output != outText {
				return s.value(reportOf(d))
			}
			return s.report(d)
		},
	}
	c.AddCommand(s.outputs(list, outTable, outJSON, outYAML), run, abort, s.outputs(report, outText, outJSON, outYAML))
	return c
}

// runDrill starts a drill and follows it to its end.
func (s *shell) runDrill(ctx context.Context, name string) error {
	if err := id.CheckName(name); err != nil {
		return usage(err)
	}
	if !s.wait || s.dryRun {
		s.wait = false
		return s.do(ctx, api.StartDrill{Name: name})
	}
	c, st, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	cmd := api.StartDrill{Name: name}
	r, err := s.ask(ctx, c, st, cmd)
	if err != nil {
		return err
	}
	d := doneOf(cmd, r, false)
	if !r.OK {
		return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s%s", d.Reason, hint(r.Refusals, st))})
	}
	began := time.Now()
	last, err := s.followDrill(ctx, c, name, r)
	if err != nil {
		return err
	}
	report := reportOf(last)
	d.Report, d.Waited, err = &report, ms(time.Since(began)), verdict(last)
	if err != nil {
		d.OK, d.Reason = false, last.Reason
	}
	if s.output == outJSON {
		return s.told(d, err)
	}
	fmt.Fprintln(s.w)
	if e := s.report(last); e != nil {
		return e
	}
	return err
}

// abortWait is how long an aborted drill may take to end before it is left to
// the fleet: its fault is reverted in seconds, and it then settles.
const abortWait = 2 * time.Minute

// followDrill prints a drill's log up to its end. Ctrl-C and the end of the time
// abort it; it is followed then too.
func (s *shell) followDrill(ctx context.Context, c api.Client, name string, r api.Receipt) (*api.Drill, error) {
	watch, stop := context.WithTimeout(context.WithoutCancel(ctx), s.timeout+abortWait)
	defer stop()
	updates, err := c.Watch(watch, r.Seq)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(s.timeout)
	defer late.Stop()
	interrupted := ctx.Done()
	abort := func(why string) {
		_, _ = c.Do(watch, api.Request{Command: api.AbortDrill{}, By: s.actor(), Why: why}) // it may have ended just now
	}
	said := 0
	for {
		select {
		case <-interrupted:
			interrupted = nil
			fmt.Fprintln(s.err, "aborting; the fault is taken back")
			abort("interrupted")
		case <-late.C:
			abort("not within " + s.timeout.String())
		case u, ok := <-updates:
			if !ok {
				if watch.Err() != nil {
					return nil, exit{ExitFailed, errors.New("the aborted drill does not end; holdfast drill report " + name + " says how far it is")}
				}
				return nil, errEnded
			}
			d, ok := u.Status.Drill(name)
			if !ok {
				return nil, exit{ExitFailed, fmt.Errorf("drill %s is gone", name)}
			}
			if u.Status.Seq < r.Seq {
				continue // a picture from before
			}
			for ; said < len(d.Log) && s.output == outText; said++ {
				if _, err := fmt.Fprintf(s.w, "%9s  %s\n", offset(d.Log[said].At), clean(d.Log[said].Text)); err != nil {
					return nil, err
				}
			}
			if !d.Phase.Live() {
				return d, nil
			}
		}
	}
}

// verdict is the exit code of a drill that has ended; the report says the rest.
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

func verbMissing(cmd *cobra.Command) error {
	var all []string
	for _, c := range cmd.Commands() {
		all = append(all, c.Name())
	}
	return usage(fmt.Errorf("say what: %s %s", cmd.CommandPath(), strings.Join(all, "|")))
}
