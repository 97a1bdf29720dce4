package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRefused     = 3
	ExitUnreachable = 4
)

// UpOptions are what holdfast up was told.
type UpOptions struct {
	Spec     string // profile or file; empty: what was applied last, or the default profile
	State    string // directory; empty: the default
	Headless bool
	Metrics  string // address of the metrics endpoint; empty none
	Face     FaceOptions
}

// FaceOptions are what the console and the wallboard were told.
type FaceOptions struct {
	ReadOnly bool
	Theme    string // dark, light, 16, none; empty: by the terminal
	ASCII    bool
	Mouse    bool
	Page     string
	Actor    api.Actor
}

// SpecFlaw is one thing wrong with a spec.
type SpecFlaw struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0 when the whole file is meant
	Column int    `json:"column"` // from 1
	Path   string `json:"path"`   // pools[2].backends[0].weight
	Text   string `json:"text"`
	Want   string `json:"want"` // what was expected
}

// Worlds are what main hands in: the command line starts nothing itself.
type Worlds struct {
	Version string
	// Up runs a local fleet until ctx ends.
	Up func(ctx context.Context, o UpOptions) error
	// Dial returns the client of a fleet.
	Dial func(Where) (api.Client, error)
	// Init makes the first host of a fleet, Agent runs a host's agent until ctx ends,
	// and AgentHost says whose a configuration is, and where its state is.
	Init      func(ctx context.Context, o InitOptions) (InitDone, error)
	Agent     func(ctx context.Context, o AgentOptions) error
	AgentHost func(config string) (host, state string, err error)
	// Token draws a token for the fleet whose authority has this hash in hex.
	Token func(authority string) (NewToken, error)
	// Contexts are the user's.
	Contexts Contexts
	// Console and Wallboard run a face until the person leaves.
	Console   func(ctx context.Context, c api.Client, o FaceOptions) error
	Wallboard func(ctx context.Context, where Where, o FaceOptions) error
	// SSH serves the console over SSH until ctx ends. Log is the audit log of a fleet.
	SSH func(ctx context.Context, o SSHOptions) error
	Log func(where Where) (LogSource, error)
	// Remote is who types, when that is somebody on another host. The verbs that
	// start something on this host are left out then, and no file of it is read.
	Remote *api.Actor
	// Service runs a backend process.
	Service func(ctx context.Context, name, kind, address string) error
	// Validate checks a spec and the files that it names, which are in dir, and
	// returns all that is wrong with it; err is the same in words. Schema is its JSON Schema. Profiles lists the profiles, the
	// default one first; Profile reads one.
	Validate func(name string, text []byte, dir string) (flaws []SpecFlaw, err error)
	Schema   func() ([]byte, error)
	// Differ says what differs between the specs of two revisions, and how many
	// things are not listed.
	Differ   func(a, b api.Revision) (changes []api.Change, more int, err error)
	Profiles []string
	Profile  func(name string) ([]byte, error)
}

// exit is an error with an exit code. One without an error was printed already.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// usage is an error of who typed it.
func usage(err error) error { return exit{ExitUsage, err} }

// Usage marks an error, if there is one, as one of who typed it, and Refused one as a
// guard's no.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usage(err)
}

// Refused marks an error as a guard's no.
func Refused(err error) error { return exit{ExitRefused, err} }

// Code is the exit code for an error of the root command.
func Code(err error) int {
	var e exit
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, api.ErrNotAdmitted):
		return ExitRefused
	case errors.Is(err, api.ErrUnreachable), errors.Is(err, api.ErrVersion):
		return ExitUnreachable
	}
	return ExitFailed
}

// Message is an error of the root command as it is shown: without anything that
// a terminal would obey, and empty when all was printed already.
func Message(err error) string {
	if err == nil || err.Error() == "" {
		return ""
	}
	return "holdfast: " + cleanLines(words(err))
}

// packages are those whose errors begin with their name: that is for those who
// read the code.
var packages = []string{
	"access", "admission", "agent", "api", "contexts", "id", "identity", "keeper", "keys", "local", "loop", "metrics", "plain", "poll", "profiles", "proxy", "remote", "service", "tui", "wall",
}

// words are an error without the names of the packages that it came through.
func words(err error) string {
	text := err.Error()
	for {
		name, rest, ok := strings.Cut(text, ": ")
		if !ok || !slices.Contains(packages, name) {
			return text
		}
		text = rest
	}
}

// Root returns the command tree.
func Root(w Worlds) *cobra.Command {
	s := &shell{worlds: w}
	var face FaceOptions
	root := &cobra.Command{
		Use:   "holdfast [COMMAND]",
		Short: "High availability for edge sites",
		Long: `Holdfast keeps services alive at the edge: it balances load, finds failures,
rehearses them, and measures what users saw.

Without a command it starts a whole local fleet with the console: holdfast up.`,
		Example: `  holdfast up                                a whole local fleet, its console
  holdfast get backends                      in another shell: how are they
  holdfast fault kill backend/shop-tokyo-1   break one
  holdfast drill run lose-backend            rehearse that, with a stopwatch`,
		Version:           w.Version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		Args:              s.verbsOnly,
		PersistentPreRun:  func(cmd *cobra.Command, _ []string) { s.open(cmd) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w.Remote != nil {
				return usage(errors.New("give a command; help lists them"))
			}
			face.Actor = actor("console")
			return s.up(cmd.Context(), UpOptions{Face: face})
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&s.state, "state", "", "`DIR` with the state of the fleet (default $HOLDFAST_STATE, or holdfast in the user's state directory)")
	_ = root.MarkPersistentFlagDirname("state")
	root.PersistentFlags().StringVar(&s.context, "context", "", "`NAME` of the fleet that is meant, as holdfast context list shows it")
	_ = root.RegisterFlagCompletionFunc("context", func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return s.completeContexts(cmd, nil, word)
	})
	root.PersistentFlags().BoolP("help", "h", false, "say how it is used")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run and look"}, &cobra.Group{ID: "act", Title: "Act"}, &cobra.Group{ID: "spec", Title: "Spec"}, &cobra.Group{ID: "join", Title: "Hosts and people"}, &cobra.Group{ID: "more", Title: "More"})
	add := func(group string, all ...*cobra.Command) {
		for _, c := range all {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	if w.Remote == nil {
		add("run", s.upCommand(), s.consoleCommand(), s.wallboardCommand(), s.sshCommand())
		add("more", s.contextCommand())
		root.AddCommand(s.serviceCommand())
		add("join", s.initCommand(), s.agentCommand(), s.leaveCommand())
	}
	add("run", s.getCommand(), s.explainCommand(), s.logCommand())
	add("act", s.weightCommand(), s.drainCommand(), s.undrainCommand(), s.forceCommand(), s.unforceCommand(), s.faultCommand(), s.drillCommand())
	add("spec", s.applyCommand(), s.diffCommand(), s.historyCommand(), s.rollbackCommand(), s.validateCommand(), s.schemaCommand(), s.profilesCommand())
	add("join", s.tokenCommand(), s.whoCommand(), s.removeCommand(), s.keysCommand())
	help := s.helpCommand(root)
	add("more", completionCommand(root), manCommand(root), help)
	root.SetHelpCommand(help)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { s.open(cmd); s.help(cmd) })
	root.SetVersionTemplate("holdfast {{.Version}}\n")
	root.InitDefaultHelpFlag()
	return root
}

// verbsOnly refuses a first word that is no verb, and says which is near.
func (s *shell) verbsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			verbs = append(verbs, c.Name())
		}
	}
	return usage(fmt.Errorf("%q is no command of %s%s; %s --help lists them", clean(args[0]), cmd.CommandPath(), nearest(args[0], verbs), cmd.CommandPath()))
}

// flagError says which flag is near one that does not exist.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(fmt.Errorf("%w; %s --help says how", err, cmd.CommandPath()))
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	word := "--" + unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		word = "-" + unknown.GetSpecifiedName()
	}
	return usage(fmt.Errorf("%s has no flag %s%s; %s --help lists them", strings.TrimPrefix(cmd.CommandPath(), "holdfast "), word, nearest(word, names), cmd.CommandPath()))
}

// exact checks the number of arguments and says what is missing.
func exact(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Errorf("give %s: %s", what, useLine(cmd)))
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(fmt.Errorf("give %s: %s", what, useLine(cmd)))
		}
		return nil
	}
}

func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(fmt.Errorf("%q is too much; give %s: %s", clean(args[n]), what, useLine(cmd)))
		}
		return nil
	}
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%q is too much: %s", clean(args[0]), useLine(cmd)))
	}
	return nil
}

// useLine is how a command is used, with its parents and without flags.
func useLine(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return cmd.Parent().CommandPath() + " " + cmd.Use
	}
	return cmd.Use
}

// nearest returns " (did you mean …?)" for a choice within two edits of word, or
// one that begins with it.
func nearest(word string, choices []string) string {
	best, distance := "", 3
	for _, c := range choices {
		if d := edits(word, c); d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	if best == "" && len(word) > 2 {
		if i := slices.IndexFunc(choices, func(c string) bool { return strings.HasPrefix(c, word) }); i >= 0 {
			best = choices[i]
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// edits is how many letters differ between two words, two that changed places
// counted once (optimal string alignment), and a large number for words that are
// too long to be compared.
func edits(a, b string) int {
	if len(a) > 80 || len(b) > 80 {
		return 80
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
