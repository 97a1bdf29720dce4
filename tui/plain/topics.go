package plain

import (
	"fmt"
	"reflect"
	"strings"
)

// topic is a page of the help that is about no single command. Lines that begin
// with two spaces stand as they are.
type topic struct{ name, short, text string }

func topics() []topic {
	return []topic{
		{"targets", "How things are named", targetsText},
		{"output", "What -o json prints, for programs", outputText()},
		{"exit-codes", "What the exit codes mean", exitText},
		{"environment", "Variables and files", environmentText},
	}
}

func topicNames() []string {
	var all []string
	for _, t := range topics() {
		all = append(all, t.name)
	}
	return all
}

const targetsText = `A target is written kind/name, such as backend/shop-tokyo-1 or host/tokyo-1. The
kinds are fleet, site, host, listener, pool, backend, clients, drill and fault.

The name alone is enough where only one thing that the command could mean has it.
Where more have it, the command is refused with the choices.

Commands that would leave a pool with nobody to serve it, and those that break
something in a fleet marked production, ask for the name of what they hit. Where
nobody can be asked, because standard input is no terminal, they are refused: say
--yes, and why with --why TEXT.
`

const exitText = `  0  done
  1  failed: it went wrong, was not so in time, a drill failed, specs differ
  2  usage: the command line cannot be read, or a file cannot
  3  refused by a guard: the reason is printed
  4  unreachable: no fleet answers, or it ended, or it speaks another version

A watch that is ended with Ctrl-C has done what it was for: 0. Errors go to
standard error, results to standard output. With -o json a command that acts
prints its one object in every case, and nothing on standard error; only a command
line that cannot be read prints an error instead.
`

const environmentText = `  HOLDFAST_STATE   the state directory, where --state does not say it
  HOLDFAST_CONTEXTS
                   the file of the contexts; otherwise holdfast/contexts.yaml
                   in the user's configuration directory
  XDG_STATE_HOME   its parent, where neither says it; otherwise ~/.local/state
  NO_COLOR         when set and not empty: no colours
  TERM             dumb, or empty: no colours and no console

The state directory of a running fleet holds

  holdfast.sock    the socket by which other shells find it
  holdfast.log     its log, one JSON object a line
  lock             held while the fleet runs
  processes.json   its backends' processes, so that a successor can end them

and for holdfast ssh

  ssh/authorized_keys  who may come in, unless --authorized-keys says it
  ssh/host_key         its key: who has a copy is this host for every client
  audit/               the audit log; audit.lock is held by who writes it

Colours are for terminals only: a pipe or a file gets none.
`

// outputText is the contract of -o json, from the types that are printed.
func outputText() string {
	var b strings.Builder
	b.WriteString(`The fields below are stable: fields are added, none is renamed or removed, and
none changes its meaning. Read what you know and ignore the rest. Times are
RFC 3339 in UTC, durations are milliseconds in fields that end in _ms.

holdfast get KIND -o json prints one array of objects. With --watch it prints one
object a line: everything once, and then each thing again when anything but its
rates changes. A thing that is gone is printed a last time, with its name, its
site, state unknown and the reason "it is gone". -o yaml prints the same as YAML.
`)
	b.WriteString("\nEvery object has\n\n")
	fields(&b, reflect.TypeFor[item]())
	for _, k := range kinds() {
		fmt.Fprintf(&b, "\nget %s: and\n\n", k.name)
		fields(&b, reflect.TypeOf(k.form))
	}
	b.WriteString("\nget events: and\n\n")
	fields(&b, reflect.TypeFor[eventItem]())
	b.WriteString("\nSites, hosts, listeners, pools, backends and clients: and their traffic\n\n")
	fields(&b, reflect.TypeFor[traffic]())
	b.WriteString(`
Commands that act (weight, drain, undrain, force, unforce, fault, drill run, drill
abort, apply, rollback) print one object, whatever came of them

`)
	fields(&b, reflect.TypeFor[done]())
	b.WriteString("\nvalidate and diff print one object\n\n")
	fields(&b, reflect.TypeFor[specDone]())
	b.WriteString("\nhistory prints one array of objects, the newest first, or with a number one of them\n\n")
	fields(&b, reflect.TypeFor[revisionItem]())
	b.WriteString("\nlog prints one array of objects\n\n")
	fields(&b, reflect.TypeFor[recordItem]())
	b.WriteString("\nlog verify prints one object\n\n")
	fields(&b, reflect.TypeFor[verified]())
	b.WriteString("\nexplain prints one object\n\n")
	fields(&b, reflect.TypeFor[why]())
	b.WriteString("\ndrill report prints one object: what get drills has, and\n\n")
	fields(&b, reflect.TypeFor[reportItem]())
	return b.String()
}

// fields lists a type's fields, those of what it embeds left out.
func fields(b *strings.Builder, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		lead := fmt.Sprintf("  %-20s ", name)
		for _, line := range wrap(f.Tag.Get("doc"), helpWidth-len(lead)) {
			b.WriteString(lead + line + "\n")
			lead = strings.Repeat(" ", len(lead))
		}
	}
}

// helpWidth fits the narrowest terminal that people still have.
const helpWidth = 79

// filled sets paragraphs to the width of the help. Those that are indented or
// that have columns stand as they are.
func filled(text string) string {
	parts := strings.Split(strings.Trim(text, "\n"), "\n\n")
	for i, part := range parts {
		if !columns(part) {
			parts[i] = strings.Join(wrap(part, helpWidth), "\n")
		}
	}
	return strings.Join(parts, "\n\n") + "\n"
}

func columns(paragraph string) bool {
	return strings.HasPrefix(paragraph, "  ") || strings.Contains(paragraph, "   ")
}

// wrap breaks text into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
