package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// shell is what the verbs share: where they read and write, the fleet, and the
// flags that many have. One is used for one command line.
type shell struct {
	worlds  Worlds
	state   string
	context string
	why     string
	yes     bool
	dryRun  bool
	wait    bool
	timeout time.Duration

	in  io.Reader
	err io.Writer // prompts; errors are returned
	printer

	client  api.Client
	picture *api.Status
	spoke   bool         // the result was printed
	preview *api.Receipt // of a command that brings another spec; nil: of none
}

// open takes the ends of a command that is about to run.
func (s *shell) open(cmd *cobra.Command) {
	s.in, s.err = cmd.InOrStdin(), cmd.ErrOrStderr()
	s.printer = printer{w: cmd.OutOrStdout(), color: colorful(cmd.OutOrStdout(), os.Getenv)}
	// Verbs have defaults of their own, so each is read from the flags of the one
	// that runs; a verb without the flag has its zero.
	s.wait, _ = cmd.Flags().GetBool("wait")
	s.timeout, _ = cmd.Flags().GetDuration("timeout")
	s.yes, _ = cmd.Flags().GetBool("yes")
	s.dryRun, _ = cmd.Flags().GetBool("dry-run")
	s.why, _ = cmd.Flags().GetString("why")
}

// fleet returns the client and the picture with which this command line began.
func (s *shell) fleet(ctx context.Context) (api.Client, *api.Status, error) {
	if s.picture != nil {
		return s.client, s.picture, nil
	}
	where, err := s.where()
	if err != nil {
		return nil, nil, err
	}
	c, err := s.worlds.Dial(where)
	if err != nil {
		return nil, nil, err
	}
	st, err := c.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.client, s.picture = c, st
	return c, st, nil
}

// actor is who runs the command line.
func actor(from string) api.Actor {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return api.Actor{Name: name, From: from}
}

// actor is who gives the commands of this command line.
func (s *shell) actor() api.Actor {
	if s.worlds.Remote != nil {
		return *s.worlds.Remote
	}
	return actor("command line")
}

// outputs adds -o with the values that the verb has, its default first.
func (s *shell) outputs(c *cobra.Command, values ...string) *cobra.Command {
	c.Flags().StringP("output", "o", values[0], "`FORMAT`: "+strings.Join(values, ", "))
	c.PreRunE = func(cmd *cobra.Command, _ []string) error {
		output, _ := cmd.Flags().GetString("output")
		s.output = output
		return oneOf(output, values)
	}
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// acts adds the flags of verbs that change something, and has every end of them
// printed as one object where JSON is wanted.
func (s *shell) acts(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("yes", false, "do not ask; needs --why")
	c.Flags().String("why", "", "the reason, kept with the command in the fleet's events")
	c.Flags().Bool("dry-run", false, "check only; nothing is done")
	s.outputs(c, outText, outJSON)
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := s.checkWhy()
		if err == nil {
			err = run(cmd, args)
		}
		if err == nil || s.output != outJSON || s.spoke {
			return err
		}
		if e := s.value(done{Reason: words(err), DryRun: s.dryRun, Refusals: []refusalItem{}}); e != nil {
			return e
		}
		return exit{code: Code(err)}
	}
	return c
}

// waits adds --wait and --timeout.
func (s *shell) waits(c *cobra.Command, until string) *cobra.Command {
	c.Flags().Bool("wait", false, "return when "+until)
	c.Flags().Duration("timeout", waitDefault, "the longest `TIME` to wait; then the exit code is 1 and the command stands")
	return c
}

// waitDefault is longer than what hosts need for anything but a drain, whose
// deadline is the pool's own.
const waitDefault = time.Minute

// whyMax bounds the reason that is kept with a command: it stands in one line of
// the events.
const whyMax = 400

func (s *shell) checkWhy() error {
	switch {
	case s.yes && strings.TrimSpace(s.why) == "":
		return usage(errors.New("--yes needs --why TEXT: the reason is kept with the command"))
	case len(s.why) > whyMax:
		return usage(fmt.Errorf("--why has %d bytes; %d are the limit", len(s.why), whyMax))
	}
	s.why = clean(s.why)
	return nil
}

// target reads kind/name, or a name alone that only one thing of these kinds
// has.
func (s *shell) target(ctx context.Context, arg string, kinds ...id.Kind) (id.Ref, error) {
	if strings.Contains(arg, "/") {
		ref, err := id.ParseRef(arg)
		if err != nil {
			return id.Ref{}, usage(err)
		}
		if !slices.Contains(kinds, ref.Kind) {
			return id.Ref{}, usage(fmt.Errorf("%s is a %s; give a %s", ref, ref.Kind, anyKind(kinds)))
		}
		return ref, nil
	}
	if err := id.CheckName(arg); err != nil {
		return id.Ref{}, usage(err)
	}
	_, st, err := s.fleet(ctx)
	if err != nil {
		return id.Ref{}, err
	}
	var found []string
	var ref id.Ref
	for _, k := range kinds {
		if r := id.To(k, arg); st.Exists(r) {
			ref, found = r, append(found, r.String())
		}
	}
	switch len(found) {
	case 1:
		return ref, nil
	case 0:
		return id.To(kinds[0], arg), nil // the check says that it does not exist
	}
	return id.Ref{}, usage(fmt.Errorf("%q is more than one thing; write one of %s", arg, strings.Join(found, ", ")))
}

func anyKind(kinds []id.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " or a ")
}

// names are the names of a kind in a picture, as kind/name.
func names(st *api.Status, k id.Kind) []string {
	var all []string
	for _, kind := range kinds() {
		if kind.one == k {
			for _, e := range kind.list(st) {
				all = append(all, e.ref.String())
			}
		}
	}
	return all
}

// completeWithin is how long a shell's completion may wait for the fleet.
const completeWithin = 500 * time.Millisecond

// offered is the picture for a shell's completion; nil when there is none in
// time. Completion never says an error.
func (s *shell) offered() *api.Status {
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	_, st, err := s.fleet(ctx)
	if err != nil {
		return nil
	}
	return st
}

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// complete offers the targets of the running fleet for the first argument.
func (s *shell) complete(kinds ...id.Kind) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.offer(kinds...), cobra.ShellCompDirectiveNoFileComp
	}
}

func (s *shell) offer(kinds ...id.Kind) []string {
	st := s.offered()
	if st == nil {
		return nil
	}
	var all []string
	for _, k := range kinds {
		for _, n := range names(st, k) {
			if k == id.KindDrill || k == id.KindFault {
				n = strings.TrimPrefix(n, string(k)+"/") // their verbs take names
			}
			all = append(all, n)
		}
	}
	return all
}
