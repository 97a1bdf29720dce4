package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// parseRevision reads a revision's number.
func parseRevision(arg string) (uint64, error) {
	rev, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || rev == 0 {
		return 0, usage(fmt.Errorf("%q is no revision; give its number, as holdfast history shows it", clean(arg)))
	}
	return rev, nil
}

// revisions are all that are kept, and of those that are named the texts.
func (s *shell) revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	c, _, err := s.fleet(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.Revisions(ctx, texts...)
	if err != nil {
		return nil, err
	}
	for _, rev := range texts {
		if !slices.ContainsFunc(all, func(r api.Revision) bool { return r.Rev == rev }) {
			return nil, exit{ExitFailed, fmt.Errorf("revision %d is not kept; holdfast history lists those that are", rev)}
		}
	}
	return all, nil
}

func revisionIn(all []api.Revision, rev uint64) api.Revision {
	i := slices.IndexFunc(all, func(r api.Revision) bool { return r.Rev == rev })
	if i < 0 {
		return api.Revision{Rev: rev}
	}
	return all[i]
}

func (s *shell) historyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "history [REV]",
		Short: "List the spec's revisions, or print one",
		Long: `List the revisions of the spec that are kept, the newest first: who put each into
force, when, why, how (start, apply or rollback), and what it changed. The first
one is in force. With a number, print that one's text: a start for the next.`,
		Example: `  holdfast history
  holdfast history 7 > fleet.yaml
  holdfast history -o json`,
		Args: atMost(1, "one revision, or none for the list"), ValidArgsFunction: s.completeRevisions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				all, err := s.revisions(cmd.Context())
				if err != nil {
					return err
				}
				slices.Reverse(all)
				return s.history(all)
			}
			rev, err := parseRevision(args[0])
			if err != nil {
				return err
			}
			all, err := s.revisions(cmd.Context(), rev)
			if err != nil {
				return err
			}
			if s.output != outTable {
				return s.value(revisionOf(revisionIn(all, rev)))
			}
			_, err = io.WriteString(s.w, cleanLines(revisionIn(all, rev).Text))
			return err
		},
	}
	return s.outputs(c, outTable, outJSON, outYAML)
}

func (s *shell) history(all []api.Revision) error {
	if s.output != outTable {
		items := make([]revisionItem, len(all))
		for i, r := range all {
			items[i] = revisionOf(r)
		}
		return s.value(items)
	}
	rows := make([][]string, len(all))
	for i, r := range all {
		how := string(r.How)
		if r.Of > 0 {
			how += fmt.Sprintf(" to %d", r.Of)
		}
		rows[i] = []string{strconv.FormatUint(r.Rev, 10), r.At.Local().Format(time.DateTime), how, r.By, r.Name, inShort(r), r.Why}
	}
	return s.table([]string{"REV", "WHEN", "HOW", "BY", "FILE", "CHANGED", "WHY"}, rows)
}

// inShort is what a revision changed, as one cell.
func inShort(r api.Revision) string {
	n := len(r.Changes) + r.More
	switch {
	case n == 0:
		return "nothing"
	case n == 1:
		return r.Changes[0].Subject.String() + " " + r.Changes[0].String()
	}
	return fmt.Sprintf("%d things, %s first", n, r.Changes[0].Subject)
}

// completeRevisions offers the numbers of those that are kept.
func (s *shell) completeRevisions(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	all, err := s.revisions(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, r := range all {
		offers = append(offers, fmt.Sprintf("%d\t%s by %s %s", r.Rev, r.How, clean(r.By), clean(r.Why)))
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

func (s *shell) rollbackCommand() *cobra.Command {
	var base uint64
	c := s.acts(&cobra.Command{
		Use:   "rollback REV",
		Short: "Go back to an earlier revision of the spec",
		Long: `Put the text of an earlier revision into force again, as a new revision, without
dropping a connection. What that changes is said first. It must be confirmed where
it takes away what serves users now.`,
		Example: `  holdfast rollback 7 --why "the new pool is slow" --wait
  holdfast rollback 7 --dry-run`,
		Args: exact(1, "a revision"), ValidArgsFunction: s.completeRevisions,
		RunE: func(cmd *cobra.Command, args []string) error {
			rev, err := parseRevision(args[0])
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.Rollback{Rev: rev, Base: base})
		},
	})
	s.based(c, &base)
	return s.waits(c, "every host has measured all of it")
}

// based adds --base.
func (s *shell) based(c *cobra.Command, base *uint64) {
	c.Flags().Uint64Var(base, "base", 0, "refuse unless this `REV` is in force (default the one that is when the command\nbegins, so that nobody else's change is undone unseen)")
}

// from fills in from which revision a command is made: the one that the person
// was shown.
func from(cmd api.Command, rev uint64) api.Command {
	if c, ok := cmd.(api.Apply); ok {
		c.Base = cmp.Or(c.Base, rev)
		return c
	}
	if c, ok := cmd.(api.Rollback); ok {
		c.Base = cmp.Or(c.Base, rev)
		return c
	}
	return cmd
}

// changes prints what differs between two specs, by what it belongs to.
func (s *shell) changes(w io.Writer, all []api.Change, more int) error {
	var b strings.Builder
	var head string
	for _, c := range all {
		mark, color := "~", "33"
		switch c.Kind {
		case api.ChangeAdded:
			mark, color = "+", "32"
		case api.ChangeRemoved:
			mark, color = "-", "31"
		case api.ChangeChanged:
		}
		if s.color {
			mark = "\x1b[" + color + "m" + mark + "\x1b[0m"
		}
		text := strings.TrimPrefix(strings.TrimPrefix(c.String(), "added: "), "removed: ")
		h := c.Head().String()
		if h == c.Subject.String() && c.Kind != api.ChangeChanged {
			fmt.Fprintf(&b, "%s %s: %s\n", mark, clean(h), clean(text))
			head = ""
			continue
		}
		if h != head {
			b.WriteString(clean(h) + "\n")
			head = h
		}
		if c.Subject.String() != h {
			text = c.Subject.String() + " " + text
		}
		fmt.Fprintf(&b, "  %s %s\n", mark, clean(text))
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *shell) diffCommand() *cobra.Command {
	var path string
	var text bool
	c := &cobra.Command{
		Use:   "diff -f FILE | REV [REV]",
		Short: "Show what differs between two specs",
		Long: `Show what a spec changes in the one in force, thing by thing: what comes, what
goes, and which setting becomes what. With one revision: what has changed since;
with two: from the first to the second. --text shows lines instead.

The exit code is 0 when both mean the same, and 1 when they do not or the file has
errors. Layout, comments and defaults that are written out mean nothing, except
with --text, where every letter counts.`,
		Example: `  holdfast diff -f fleet.yaml
  holdfast diff 6
  holdfast diff 5 6 --text`,
		ValidArgsFunction: s.completeRevisions,
		RunE: func(cmd *cobra.Command, args []string) error {
			d := differing{shell: s, text: text}
			if path == "" && len(args) > 0 && isNumber(args[0]) {
				return d.revisions(cmd.Context(), args)
			}
			switch {
			case path == "" && len(args) == 1:
				path = args[0]
			case path == "" || len(args) > 0:
				return usage(fmt.Errorf("give one file, or - for standard input, or one or two revisions: %s", useLine(cmd)))
			}
			return d.file(cmd.Context(), path)
		},
	}
	c.Flags().StringVarP(&path, "file", "f", "", "the spec's `FILE`, or - for standard input")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	c.Flags().BoolVar(&text, "text", false, "show which lines differ")
	return s.outputs(c, outText, outJSON)
}

func isNumber(s string) bool { _, err := strconv.ParseUint(s, 10, 64); return err == nil }

// differing is one run of diff.
type differing struct {
	*shell
	text bool
}

func (d differing) file(ctx context.Context, path string) error {
	a, err := d.readSpec(ctx, path)
	if err != nil {
		return err
	}
	return d.validated(a, func() (specDone, error) {
		_, st, err := d.fleet(ctx)
		if err != nil {
			return specDone{}, err
		}
		all, err := d.shell.revisions(ctx, st.Rev)
		if err != nil {
			return specDone{}, err
		}
		now := revisionIn(all, st.Rev)
		now.Text = st.Spec
		done, err := d.compare(now, fmt.Sprintf("revision %d", st.Rev), api.Revision{Name: a.Name, Dir: a.Dir, Text: a.Text}, a.Name)
		if done.Reason != "" {
			done.Reason = fmt.Sprintf("it differs from revision %d, which is in force", st.Rev)
		}
		return done, err
	}, "")
}

func (d differing) revisions(ctx context.Context, args []string) error {
	if len(args) > 2 {
		return usage(errors.New("give one revision, or two"))
	}
	_, st, err := d.fleet(ctx)
	if err != nil {
		return err
	}
	revs := []uint64{0, st.Rev}
	for i, a := range args {
		if revs[i], err = parseRevision(a); err != nil {
			return err
		}
	}
	all, err := d.shell.revisions(ctx, revs...)
	if err != nil {
		return err
	}
	done, err := d.compare(revisionIn(all, revs[0]), fmt.Sprintf("revision %d", revs[0]), revisionIn(all, revs[1]), fmt.Sprintf("revision %d", revs[1]))
	if d.output == outJSON {
		done.File, done.Errors = "", []SpecFlaw{}
		if e := d.value(done); e != nil {
			return e
		}
	}
	return err
}

// compare says what differs, in the form that is wanted.
func (d differing) compare(a api.Revision, nameA string, b api.Revision, nameB string) (specDone, error) {
	done := specDone{OK: true, Revision: a.Rev, Diff: udiff.Unified(nameA, nameB, a.Text, b.Text)}
	var err error
	if done.Changes, done.More, err = d.worlds.Differ(a, b); err != nil {
		return done, exit{ExitFailed, err}
	}
	differs := len(done.Changes) > 0
	if d.text {
		differs = done.Diff != ""
	}
	if differs {
		done.OK, done.Reason = false, fmt.Sprintf("%s differs from %s", nameB, nameA)
	}
	if d.output == outJSON {
		if differs {
			return done, exit{code: ExitFailed}
		}
		return done, nil
	}
	switch {
	case d.text:
		for _, line := range strings.SplitAfter(cleanLines(done.Diff), "\n") {
			if _, err := io.WriteString(d.w, d.diffLine(line)); err != nil {
				return done, err
			}
		}
	case differs:
		err = d.changes(d.w, done.Changes, done.More)
	case done.Diff != "":
		_, err = io.WriteString(d.err, "only layout and comments differ; --text shows them\n")
	}
	if err == nil && differs {
		err = exit{code: ExitFailed}
	}
	return done, err
}
