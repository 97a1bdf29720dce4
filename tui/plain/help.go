package plain

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help prints how a command is used.
func (s *shell) help(cmd *cobra.Command) {
	var b strings.Builder
	title := func(t string) { b.WriteString("\n" + s.title(t) + "\n") }
	b.WriteString(filled(cmd.Long))
	title("Usage")
	fmt.Fprintf(&b, "  %s%s\n", useLine(cmd), flagsWord(cmd))
	if cmd.Example != "" {
		title("Examples")
		b.WriteString(cmd.Example + "\n")
	}
	for _, g := range groupsOf(cmd) {
		title(g.title)
		for _, c := range g.commands {
			fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	if cmd.HasAvailableLocalFlags() {
		title("Flags")
		b.WriteString(flagUsages(cmd.LocalFlags()))
	}
	if cmd.HasAvailableInheritedFlags() {
		title("Flags of every command")
		b.WriteString(flagUsages(cmd.InheritedFlags()))
	}
	if !cmd.HasParent() {
		title("Read on")
		for _, t := range topics() {
			fmt.Fprintf(&b, "  holdfast help %-12s %s\n", t.name, t.short)
		}
		fmt.Fprintf(&b, "  holdfast %-17s %s\n", "COMMAND --help", "how one command is used")
	}
	_, _ = io.WriteString(s.w, b.String())
}

func flagsWord(cmd *cobra.Command) string {
	if cmd.HasAvailableLocalFlags() {
		return " [FLAGS]"
	}
	return ""
}

type group struct {
	title    string
	commands []*cobra.Command
}

// groupsOf are the commands under one, those that nobody types left out.
func groupsOf(cmd *cobra.Command) []group {
	var all []group
	for _, g := range cmd.Groups() {
		all = append(all, group{title: g.Title})
	}
	if len(all) == 0 {
		all = []group{{title: "Commands"}}
	}
	for _, c := range cmd.Commands() {
		if c.Hidden {
			continue
		}
		n := 0
		for i, g := range cmd.Groups() {
			if g.ID == c.GroupID {
				n = i
			}
		}
		all[n].commands = append(all[n].commands, c)
	}
	kept := all[:0]
	for _, g := range all {
		if len(g.commands) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}

// flagUsages lists flags in lines that fit a terminal of 80 columns.
func flagUsages(f *pflag.FlagSet) string { return f.FlagUsagesWrapped(80) }

// helpCommand is holdfast help [COMMAND | TOPIC].
func (s *shell) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND|TOPIC]", Short: "Say how a command is used, or explain a topic",
		Long:    "Say how a command is used, or explain a topic. The topics are " + strings.Join(topicNames(), ", ") + ".",
		Example: "  holdfast help drill run\n  holdfast help output",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var words []string
			for _, g := range groupsOf(at) {
				for _, c := range g.commands {
					words = append(words, c.Name())
				}
			}
			if len(args) == 0 {
				words = append(words, topicNames()...)
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				for _, t := range topics() {
					if t.name == args[0] {
						_, err := io.WriteString(s.w, s.title(t.short)+"\n\n"+filled(t.text))
						return err
					}
				}
			}
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || cmd.Hidden {
				words := topicNames()
				for _, g := range groupsOf(cmd) {
					for _, c := range g.commands {
						words = append(words, c.Name())
					}
				}
				last := args[len(args)-1]
				return usage(fmt.Errorf("there is no help for %q%s; holdfast help lists all", clean(strings.Join(args, " ")), nearest(last, words)))
			}
			s.help(cmd)
			return nil
		},
	}
}

// completionCommand prints the script with which a shell completes verbs and the
// names of the running fleet.
func completionCommand(root *cobra.Command) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print the completion script of a shell",
		Long: `Print the script with which a shell completes commands, flags, and the names
of the running fleet.

bash  in ~/.bashrc:   source <(holdfast completion bash)
zsh   in ~/.zshrc:    source <(holdfast completion zsh)
fish  holdfast completion fish > ~/.config/fish/completions/holdfast.fish`,
		Example: "  source <(holdfast completion bash)", ValidArgs: shells,
		Args: exact(1, "a shell: bash, zsh or fish"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var b bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = root.GenBashCompletionV2(&b, true)
			case "zsh":
				err = root.GenZshCompletion(&b)
			case "fish":
				err = root.GenFishCompletion(&b, true)
			default:
				return usage(fmt.Errorf("%q is no shell that is known%s; give bash, zsh or fish", clean(args[0]), nearest(args[0], shells)))
			}
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b.Bytes())
			return err
		},
	}
}
