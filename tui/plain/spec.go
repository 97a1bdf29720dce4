package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// file adds -f, which may also be given as the only argument.
func (s *shell) file(c *cobra.Command, path *string) *cobra.Command {
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && *path == "" {
			*path = args[0]
			return nil
		}
		if len(args) == 0 && *path != "" {
			return nil
		}
		return usage(fmt.Errorf("give one file, or - for standard input: %s", useLine(cmd)))
	}
	c.Flags().StringVarP(path, "file", "f", "", "the spec's `FILE`, or - for standard input")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// ReadSpec reads a file that should be a spec. A pipe may keep its reader for
// ever, so it ends with ctx.
func ReadSpec(ctx context.Context, path string) ([]byte, error) {
	return reading(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return bounded(f)
	})
}

// bounded reads what may be a spec: one byte more than the limit tells that it
// is none, however much there is.
func bounded(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, api.SpecSizeMax+1)) }

// reading leaves a read that does not end to the end of the program.
func reading(ctx context.Context, read func() ([]byte, error)) (b []byte, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err = read()
	}()
	select {
	case <-done:
		return b, err
	case <-ctx.Done():
		return nil, errors.New("interrupted before all of it was there")
	}
}

// readSpec reads a file, or standard input for "-".
func (s *shell) readSpec(ctx context.Context, path string) (a api.Apply, err error) {
	var b []byte
	if s.worlds.Remote != nil && path != "-" {
		return a, usage(errors.New("files of this host are not read for others; send the spec on standard input: -f - < FILE"))
	}
	if path == "-" {
		a.Name = "stdin"
		if a.Dir, err = os.Getwd(); err == nil {
			b, err = reading(ctx, func() ([]byte, error) { return bounded(s.in) })
		}
	} else {
		a.Name = path
		if path, err = filepath.Abs(path); err == nil {
			a.Dir = filepath.Dir(path)
			b, err = ReadSpec(ctx, a.Name)
		}
	}
	switch {
	case err != nil:
		return a, usage(fmt.Errorf("read the spec: %w", err))
	case len(b) > api.SpecSizeMax:
		return a, exit{ExitFailed, fmt.Errorf("%s has more than %d bytes, the limit of a spec", a.Name, api.SpecSizeMax)}
	}
	a.Text = string(b)
	return a, nil
}

func (s *shell) applyCommand() *cobra.Command {
	var path string
	var base uint64
	c := s.acts(&cobra.Command{
		Use:   "apply -f FILE",
		Short: "Put a spec into force",
		Long: `Put a spec into force, whole or not at all, without dropping a connection. What
that changes is said first, and must be confirmed where it takes away what serves
users now. To go back: holdfast rollback. A spec with errors is refused with all
of them, and so is one when somebody else's came into force meanwhile.`,
		Example: `  holdfast apply -f fleet.yaml --wait
  holdfast profiles single-site | holdfast apply -f - --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.readSpec(cmd.Context(), path)
			if err != nil {
				return err
			}
			if _, err := s.worlds.Validate(a.Name, []byte(a.Text), a.Dir); err != nil {
				r := api.Receipt{Refusals: []api.Refusal{{Reason: api.ReasonSpecInvalid, Detail: err.Error()}}}
				return s.told(doneOf(a, r, s.dryRun), exit{ExitRefused, err})
			}
			a.Base = base
			return s.do(cmd.Context(), a)
		},
	})
	s.based(c, &base)
	return s.waits(s.file(c, &path), "every host has measured all of it")
}

func (s *shell) validateCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Check a spec",
		Long: `Check a spec and print everything that is wrong with it, each with
file:line:column. No fleet is needed. The exit code is 1 when it has errors.`,
		Example: `  holdfast validate -f fleet.yaml
  holdfast profiles single-site | holdfast validate -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.readSpec(cmd.Context(), path)
			if err != nil {
				return err
			}
			return s.validated(a, func() (specDone, error) { return specDone{}, nil }, a.Name+" is valid\n")
		},
	}
	return s.outputs(s.file(c, &path), outText, outJSON)
}

// validated checks a spec, and goes on with more when it is valid.
func (s *shell) validated(a api.Apply, more func() (specDone, error), text string) error {
	d := specDone{OK: true, File: a.Name, Errors: []SpecFlaw{}}
	flaws, err := s.worlds.Validate(a.Name, []byte(a.Text), a.Dir)
	switch {
	case err != nil:
		d.OK, d.Reason, d.Errors = false, err.Error(), append(d.Errors, flaws...)
		err = exit{ExitFailed, err}
	default:
		var m specDone
		if m, err = more(); err != nil && s.output != outJSON {
			return err
		}
		d.Revision, d.Diff, d.Changes, d.More = m.Revision, m.Diff, m.Changes, m.More
		if err != nil {
			d.OK, d.Reason = false, m.Reason
			if d.Reason == "" {
				d.Reason = err.Error()
			}
		}
	}
	if s.output == outJSON {
		if e := s.value(d); e != nil {
			return e
		}
		if err != nil {
			return exit{code: Code(err)}
		}
		return nil
	}
	if err == nil {
		_, err = io.WriteString(s.w, text)
	}
	return err
}

// diffLine tints a line of a diff as other tools do.
func (s *shell) diffLine(line string) string {
	color := ""
	switch {
	case !s.color:
	case strings.HasPrefix(line, "+"):
		color = "32"
	case strings.HasPrefix(line, "-"):
		color = "31"
	case strings.HasPrefix(line, "@@"):
		color = "36"
	}
	if color == "" {
		return line
	}
	return "\x1b[" + color + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}

func (s *shell) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the spec", Long: "Print the JSON Schema of the spec, for editors that complete and check YAML\nby it.",
		Example: "  holdfast schema > holdfast.schema.json", Args: none,
		RunE: func(*cobra.Command, []string) error {
			b, err := s.worlds.Schema()
			if err != nil {
				return err
			}
			_, err = s.w.Write(append(b, '\n'))
			return err
		},
	}
}

func (s *shell) profilesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "profiles [NAME]", Short: "List the profiles that ship, or print one",
		Long:    "List the profiles that ship, the default one first, or print one as a start for\na spec of your own.",
		Example: "  holdfast profiles single-site > fleet.yaml",
		Args:    atMost(1, "one profile, or none for the list"), ValidArgs: s.worlds.Profiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprintln(s.w, strings.Join(s.worlds.Profiles, "\n"))
				return err
			}
			b, err := s.worlds.Profile(args[0])
			if err != nil {
				return usage(errors.New("there is no profile " + fmt.Sprintf("%q", args[0]) + nearest(args[0], s.worlds.Profiles) + "; holdfast profiles lists them"))
			}
			_, err = s.w.Write(b)
			return err
		},
	}
}
