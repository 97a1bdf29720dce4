package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// do asks for a command, shows what became of it, and waits for it where that
// is wanted.
func (s *shell) do(ctx context.Context, cmd api.Command) error {
	c, st, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	if api.Respecs(cmd) && !s.dryRun {
		cmd = from(cmd, st.Rev)
	}
	r, err := s.ask(ctx, c, st, cmd)
	if err != nil {
		return err
	}
	d := doneOf(cmd, r, s.dryRun)
	if s.wait && r.OK && !s.dryRun {
		began := time.Now()
		err := s.settle(ctx, c, cmd, r, st)
		d.Waited = ms(time.Since(began))
		if err != nil {
			d.OK, d.Reason = false, words(err)
			return s.told(d, err)
		}
	}
	if !r.OK {
		return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s%s", d.Reason, hint(r.Refusals, st))})
	}
	return s.told(d, nil)
}

// ask has a command confirmed where that is needed, and sends it.
func (s *shell) ask(ctx context.Context, c api.Client, st *api.Status, cmd api.Command) (api.Receipt, error) {
	req := api.Request{Command: cmd, By: s.actor(), Why: s.why, DryRun: s.dryRun}
	refusals, need := api.Check(cmd, st), api.Confirmation(cmd, st)
	if api.Respecs(cmd) && !s.dryRun {
		// Only the fleet knows what another spec takes away.
		try := req
		try.DryRun, try.Confirm = true, api.ConfirmWord(cmd, st)
		r, err := c.Do(ctx, try)
		if err != nil || !r.OK {
			return r, err
		}
		refusals, need, s.preview = r.Refusals, r.Confirm, &r
	}
	if need != "" && !api.Stops(refusals, true) {
		switch {
		case s.yes || s.dryRun:
			req.Confirm = need
		case !isTerminal(s.in):
			r := api.Receipt{Refusals: append(refusals, api.Refusal{Reason: api.ReasonNotConfirmed, Detail: "say --yes --why TEXT", Warning: true})}
			return r, nil
		default:
			if err := s.confirm(cmd, refusals, need); err != nil {
				return api.Receipt{}, err
			}
			req.Confirm = need
		}
	}
	return c.Do(ctx, req)
}

// confirm has a person type the name of what will be hit. It speaks on standard
// error: standard output is for results.
func (s *shell) confirm(cmd api.Command, refusals []api.Refusal, need string) error {
	fmt.Fprintf(s.err, "This would %s.\n", clean(cmd.Sentence()))
	if s.preview != nil {
		if err := s.changes(s.err, s.preview.Changes, s.preview.More); err != nil {
			return err
		}
	}
	for _, r := range refusals {
		fmt.Fprintln(s.err, "  "+clean(r.String()))
	}
	fmt.Fprintf(s.err, "Type %s to go on: ", clean(need))
	line, err := bufio.NewReader(io.LimitReader(s.in, 1024)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != need {
		return exit{ExitRefused, errors.New("not confirmed; nothing was done")}
	}
	return nil
}

func doneOf(cmd api.Command, r api.Receipt, dry bool) done {
	d := done{OK: r.OK, Command: api.Shell(cmd), DryRun: dry, Receipt: r.ID, Seq: r.Seq, Refusals: []refusalItem{}, Changes: r.Changes, More: r.More}
	var why []string
	for _, x := range r.Refusals {
		d.Refusals = append(d.Refusals, refusalItem{x.Reason, x.Target.String(), x.String(), x.Warning})
		why = append(why, x.String())
	}
	switch {
	case !r.OK:
		d.Reason = strings.Join(why, "; ")
	case !dry:
		d.Done = r.Done
	}
	return d
}

// told prints what became of a command. err is nil when it was done.
func (s *shell) told(d done, err error) error {
	if s.output == outJSON {
		s.spoke = true
		if e := s.value(d); e != nil {
			return e
		}
		if err != nil {
			return exit{code: Code(err)}
		}
		return nil
	}
	if err != nil {
		return err
	}
	// What changes is said before what became of it.
	if err := s.changes(s.w, d.Changes, d.More); err != nil {
		return err
	}
	switch {
	case d.DryRun:
		_, err = fmt.Fprintf(s.w, "would be done: %s\n", clean(d.Command))
		for _, r := range d.Refusals {
			fmt.Fprintf(s.w, "  to be confirmed: %s\n", clean(r.Text))
		}
	case d.Waited > 0:
		_, err = fmt.Fprintf(s.w, "done: %s; in force after %.1f s\n", clean(d.Done), d.Waited/1000)
	default:
		_, err = fmt.Fprintf(s.w, "done: %s\n", clean(d.Done))
	}
	return err
}

// hint says which name is near one that does not exist.
func hint(all []api.Refusal, st *api.Status) string {
	for _, r := range all {
		if r.Reason == api.ReasonNoSuchTarget {
			return nearest(r.Target.String(), names(st, r.Target.Kind))
		}
	}
	return ""
}
