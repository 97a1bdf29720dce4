package plain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/goccy/go-yaml"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Outputs. Each verb says which it has; the first is its default.
const (
	outTable = "table"
	outText  = "text"
	outJSON  = "json"
	outYAML  = "yaml"
)

// printer writes results.
type printer struct {
	w      io.Writer
	output string
	color  bool
}

// colorful reports whether w may get colours: a terminal that takes them, whose
// owner has not said no (no-color.org).
func colorful(w io.Writer, env func(string) string) bool {
	return isTerminal(w) && env("NO_COLOR") == "" && env("TERM") != "dumb" && env("TERM") != ""
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// value prints v as JSON or YAML.
func (p printer) value(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	text := harmless(b.Bytes())
	if p.output == outYAML {
		y, err := yaml.JSONToYAML(b.Bytes())
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		text = []byte(cleanLines(string(y)))
	}
	_, err := p.w.Write(text)
	return err
}

// line prints v as one line of JSON, or as one document of YAML.
func (p printer) line(v any) error {
	if p.output == outYAML {
		if _, err := io.WriteString(p.w, "---\n"); err != nil {
			return err
		}
		return p.value(v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := p.w.Write(harmless(b.Bytes()))
	return err
}

// harmless escapes what json leaves as it is though a terminal might obey it.
// Such characters stand in strings only, so the value stays the same.
func harmless(b []byte) []byte {
	if !bytes.ContainsFunc(b, hidden) {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		if hidden(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

// hidden reports whether a terminal obeys r rather than showing it: DEL, C1
// controls, and what changes the direction of text.
func hidden(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 || r == 0x200e || r == 0x200f
}

// clean takes control characters out of text that others chose: it must not
// reach a terminal as a command.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || hidden(r) {
			return '?'
		}
		return r
	}, s)
}

// cleanLines is clean for text of more than one line.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// table prints rows in columns as wide as they need to be. The last column has
// no width.
func (p printer) table(head []string, rows [][]string) error {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], ansi.StringWidth(clean(cell)))
		}
	}
	if err := p.row(head, widths); err != nil {
		return err
	}
	for _, row := range rows {
		if err := p.row(row, widths); err != nil {
			return err
		}
	}
	return nil
}

func (p printer) row(cells []string, widths []int) error {
	var b strings.Builder
	for i, cell := range cells {
		cell = clean(cell)
		pad := widths[i] - ansi.StringWidth(cell)
		b.WriteString(p.tint(cell))
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(pad, 0)+2))
		}
	}
	_, err := io.WriteString(p.w, strings.TrimRight(b.String(), " ")+"\n")
	return err
}

// tint colours a word that says a state, by the sixteen colours that every
// terminal's owner has chosen. The word says the same without.
func (p printer) tint(word string) string {
	if !p.color {
		return word
	}
	code := map[string]string{
		string(api.StateOK): "32", string(api.StateDegraded): "33", string(api.StateDown): "31", string(api.StateUnknown): "36",
		"passed": "32", "failed": "31", "FAIL": "31",
	}[word]
	if code == "" {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// title is a heading of the help.
func (p printer) title(s string) string {
	if !p.color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// listing prints things once, as the output wants them.
func (p printer) listing(k kind, all []entry) error {
	if p.output == outTable {
		rows := make([][]string, len(all))
		for i := range all {
			rows[i] = all[i].row
		}
		return p.table(k.head, rows)
	}
	items := make([]any, len(all))
	for i := range all {
		items[i] = all[i].item
	}
	return p.value(items)
}

// widthsOf are columns that later rows will not outgrow by much.
func widthsOf(head []string, all []entry) []int {
	widths := make([]int, len(head))
	for i, h := range head {
		widths[i] = len(h)
		for j := range all {
			widths[i] = max(widths[i], ansi.StringWidth(clean(all[j].row[i])))
		}
	}
	for i, h := range head {
		if h == "STATE" || h == "PHASE" {
			widths[i] = max(widths[i], len("degraded"))
		}
	}
	return widths
}

// oneOf reports an output that a verb does not have.
func oneOf(output string, values []string) error {
	if slices.Contains(values, output) {
		return nil
	}
	return usage(fmt.Errorf("--output %q is not known; use %s", output, strings.Join(values, ", ")))
}
