package plain

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aymanbagabas/go-udiff"
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/spf13/cobra"
)

// readSpec reads a file, or standard input for "-".
func (s *shell) readSpec(path string) (api.Apply, error) {
	if path == "" {
		return api.Apply{}, usage(errors.New("give a file with -f FILE, or - for standard input"))
	}
	a := api.Apply{Name: path, Dir: "."}
	var b []byte
	var err error
	if path == "-" {
		a.Name = "stdin"
		b, err = io.ReadAll(io.LimitReader(s.in, api.SpecSizeMax+1))
	} else {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer func() { _ = f.Close() }()
			b, err = io.ReadAll(io.LimitReader(f, api.SpecSizeMax+1))
		}
		if abs, e := filepath.Abs(path); e == nil {
			a.Dir = filepath.Dir(abs)
		}
	}
	if err != nil {
		return a, fmt.Errorf("read the spec: %w", err)
	}
	a.Text = string(b)
	return a, nil
}

func (s *shell) applyCommand() *cobra.Command {
	var file string
	c := s.actFlags(&cobra.Command{
		Use: "apply -f FILE", Short: "Put a spec into force, whole or not at all", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.readSpec(file)
			if err != nil {
				return err
			}
			if err := s.worlds.Validate(a.Name, []byte(a.Text)); err != nil {
				return exit{ExitRefused, err}
			}
			return s.do(cmd.Context(), a)
		},
	})
	c.Flags().StringVarP(&file, "file", "f", "", "the spec")
	return c
}

func (s *shell) validateCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "validate -f FILE", Short: "Check a spec and print all its errors with their places", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a, err := s.readSpec(file)
			if err != nil {
				return err
			}
			if err := s.worlds.Validate(a.Name, []byte(a.Text)); err != nil {
				return exit{ExitFailed, err}
			}
			fmt.Fprintf(s.out, "%s is valid\n", a.Name)
			return nil
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the spec")
	return c
}

func (s *shell) diffCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "diff -f FILE", Short: "Show how a spec differs from the one in force; exit code 1 when it does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.readSpec(file)
			if err != nil {
				return err
			}
			if err := s.worlds.Validate(a.Name, []byte(a.Text)); err != nil {
				return exit{ExitFailed, err}
			}
			_, st, err := s.status(cmd.Context())
			if err != nil {
				return err
			}
			d := udiff.Unified(fmt.Sprintf("revision %d", st.Rev), a.Name, st.Spec, a.Text)
			if d == "" {
				return nil
			}
			fmt.Fprint(s.out, d)
			return exit{code: ExitFailed}
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the spec")
	return c
}

func (s *shell) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the spec, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := s.worlds.Schema()
			if err != nil {
				return err
			}
			_, err = s.out.Write(append(b, '\n'))
			return err
		},
	}
}

func (s *shell) profilesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "profiles [NAME]", Short: "List the profiles that ship, or print one", Args: cobra.MaximumNArgs(1), ValidArgs: s.worlds.Profiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, p := range s.worlds.Profiles {
					fmt.Fprintln(s.out, p)
				}
				return nil
			}
			b, err := s.worlds.Profile(args[0])
			if err != nil {
				return usage(err)
			}
			_, err = s.out.Write(b)
			return err
		},
	}
}
