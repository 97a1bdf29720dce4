package plain

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: "Print the manual page", Long: "Print the manual page, with every command, as roff.",
		Example: "  holdfast man | man -l -\n  holdfast man > /usr/local/share/man/man1/holdfast.1", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manual(root))
			return err
		},
	}
}

// page is a manual page in the making, in the macros of man(7).
type page struct{ strings.Builder }

// manual is the whole manual page, from the command tree and the topics.
func manual(root *cobra.Command) string {
	var p page
	fmt.Fprintf(&p, ".TH HOLDFAST 1 \"\" \"Holdfast %s\" \"User Commands\"\n.nh\n.ad l\n", escape(root.Version))
	p.section("NAME")
	p.line(`holdfast \- ` + escape(strings.ToLower(root.Short[:1])+root.Short[1:]))
	p.section("SYNOPSIS")
	p.line(`\fBholdfast\fR [\fICOMMAND\fR] [\fIFLAGS\fR]`)
	p.section("DESCRIPTION")
	p.text(root.Long)
	p.section("COMMANDS")
	for _, g := range groupsOf(root) {
		for _, c := range g.commands {
			p.command(c)
		}
	}
	p.section("FLAGS OF EVERY COMMAND")
	p.flags(root.PersistentFlags())
	for _, t := range topics() {
		p.section(map[string]string{"targets": "TARGETS", "output": "OUTPUT", "exit-codes": "EXIT STATUS", "environment": "ENVIRONMENT AND FILES"}[t.name])
		p.text(t.text)
	}
	p.section("EXAMPLES")
	p.verbatim(root.Example)
	return p.String()
}

func (p *page) section(title string) { p.WriteString(".SH " + title + "\n") }

// line adds a line of text that is escaped already.
func (p *page) line(s string) {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	p.WriteString(s + "\n")
}

// command adds a command and those under it.
func (p *page) command(c *cobra.Command) {
	fmt.Fprintf(p, ".SS %s\n", escape(strings.TrimPrefix(useLine(c), "holdfast ")))
	p.text(c.Long)
	if c.LocalFlags().HasAvailableFlags() {
		p.flags(c.LocalFlags())
	}
	if c.Example != "" {
		p.WriteString(".PP\n")
		p.verbatim(c.Example)
	}
	for _, under := range c.Commands() {
		if !under.Hidden {
			p.command(under)
		}
	}
}

// text adds paragraphs; lines that are indented or that have columns stand as
// they are.
func (p *page) text(s string) {
	for _, part := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if columns(part) {
			p.verbatim(part)
			continue
		}
		p.WriteString(".PP\n")
		for _, l := range strings.Split(part, "\n") {
			p.line(escape(l))
		}
	}
}

func (p *page) verbatim(s string) {
	p.WriteString(".nf\n")
	for _, l := range strings.Split(s, "\n") {
		p.line(escape(l))
	}
	p.WriteString(".fi\n")
}

func (p *page) flags(set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		p.WriteString(".TP\n")
		name := `\fB` + escape("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + escape("-"+f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += ` \fI` + escape(value) + `\fR`
		}
		p.line(name)
		if d := f.DefValue; d != "" && d != "false" && d != "0s" {
			usage += " (default " + d + ")"
		}
		p.line(escape(usage))
	})
}

// escape writes text for roff: what it would take as its own, and hyphens that
// people copy.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}
