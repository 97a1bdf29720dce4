package plain_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/plain"
)

func tree() *cobra.Command {
	return plain.Root(plain.Worlds{Version: "test", Profiles: []string{"three-sites", "single-site"}})
}

// each calls do for every command that people type.
func each(c *cobra.Command, do func(*cobra.Command)) {
	if c.Hidden {
		return
	}
	do(c)
	for _, under := range c.Commands() {
		each(under, do)
	}
}

// oneLine is text without its breaks, and without what roff says between lines.
func oneLine(s string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`(?m)^\.(nf|fi|PP)$`).ReplaceAllString(s, "")), " ")
}

// programs are the command lines of holdfast in a line that people would type.
func programs(line string) [][]string {
	var all [][]string
	for _, part := range regexp.MustCompile(`[|()]`).Split(line, -1) {
		part, _, _ = strings.Cut(part, " > ")
		part, _, _ = strings.Cut(strings.TrimSpace(part), "   ") // what the line is for
		words := regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(part, -1)
		for i := range words {
			words[i] = strings.Trim(words[i], `"`)
		}
		if len(words) > 0 && words[0] == "holdfast" {
			all = append(all, words[1:])
		}
	}
	return all
}

// Every example is a command line, every command has an example and says what it
// is for, and what it says fits a terminal of 80 columns.
func TestExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("fleet.yaml", []byte("fleet: edge\nmore: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	each(tree(), func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short %q, Long %q", c.CommandPath(), c.Short, c.Long)
		}
		used := false
		for _, line := range strings.Split(c.Example, "\n") {
			for _, words := range programs(line) {
				s := &shell{client: accepting(), in: "fleet: edge\n"}
				if slices.Contains(words, "--watch") || slices.Contains(words, "-w") {
					s.client = &fleet{status: healthy(), ends: true}
				}
				if slices.Contains(words, "drill") {
					s.client = &fleet{status: healthy(), ends: true, receipt: accepting().receipt, updates: []api.Update{{Status: healthy()}}}
				}
				if slices.Contains(words, "--until") || slices.Contains(words, "--wait") {
					words = append(words, "--timeout", "1ms")
				}
				if r := s.run(t, words...); r.code == plain.ExitUsage || strings.Contains(r.err, "unknown") {
					t.Errorf("%s: the example %q: %+v", c.CommandPath(), line, r)
				}
				ran[strings.Join(words, " ")] = true
				used = used || strings.HasPrefix(strings.Join(append([]string{"holdfast"}, words...), " "), c.CommandPath())
			}
		}
		if !used {
			t.Errorf("%s: no example uses it", c.CommandPath())
		}
		r := (&shell{}).run(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
		if r.code != 0 || r.err != "" || !strings.HasPrefix(oneLine(r.out), oneLine(c.Long)) {
			t.Errorf("%s --help: %+v", c.CommandPath(), r)
		}
		for _, l := range strings.Split(r.out, "\n") {
			if utf8.RuneCountInString(l) > 80 || strings.Contains(l, "\x1b") {
				t.Errorf("%s --help: %q is too long, or coloured in no terminal", c.CommandPath(), l)
			}
		}
	})
	if len(ran) < 30 {
		t.Errorf("%d examples were run", len(ran))
	}
}

// Every command of the API has a verb.
func TestEveryCommandHasAVerb(t *testing.T) {
	root := tree()
	for _, c := range api.Commands() {
		words := c.Words()
		at, _, err := root.Find(words)
		if inject, ok := c.(api.InjectFault); ok {
			inject.Kind = api.FaultKill
			at, _, err = root.Find(inject.Words())
		}
		if _, token := c.(api.IssueToken); token && err == nil && at.CommandPath() == "holdfast token" {
			continue // it has verbs of its own beside
		}
		if err != nil || at == root || !strings.HasPrefix(at.CommandPath(), "holdfast "+words[0]) || len(at.Commands()) > 0 {
			t.Errorf("%s: holdfast %s leads to %v, %v", c.Verb(), strings.Join(words, " "), at.CommandPath(), err)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, c := range []struct{ words, file string }{
		{"--help", "help/root.txt"},
		{"get --help", "help/get.txt"},
		{"drill --help", "help/drill.txt"},
		{"help output", "help/output.txt"},
		{"help targets", "help/targets.txt"},
		{"help exit-codes", "help/exit-codes.txt"},
		{"help environment", "help/environment.txt"},
	} {
		r := (&shell{}).run(t, strings.Fields(c.words)...)
		if r.code != 0 || r.err != "" {
			t.Errorf("%s: %+v", c.words, r)
		}
		golden(t, c.file, r.out)
		if strings.Contains(r.out, "   \n") || regexp.MustCompile(`(?m)^  \S+ +$`).MatchString(r.out) {
			t.Errorf("%s: something is not said:\n%s", c.words, r.out)
		}
		for _, l := range strings.Split(r.out, "\n") {
			if utf8.RuneCountInString(l) > 80 {
				t.Errorf("%s: %q is too long", c.words, l)
			}
		}
	}
	same := (&shell{}).run(t, "get", "--help").out
	if (&shell{}).run(t, "help", "get").out != same {
		t.Error("help get and get --help differ")
	}
	if r := (&shell{}).run(t, "help", "service"); r.code != 2 {
		t.Errorf("a command that nobody types has help: %+v", r)
	}
	if r := (&shell{}).run(t, "help", "exit-code"); r.code != 2 || !strings.Contains(r.err, "did you mean exit-codes?") {
		t.Errorf("%+v", r)
	}
}

// The manual page has everything that the help has, and groff has nothing to say
// against it.
func TestManual(t *testing.T) {
	page := (&shell{}).run(t, "man").out
	plainText := strings.NewReplacer(`\-`, "-", `\(aq`, "'", `\e`, `\`, `\fB`, "", `\fR`, "", `\fI`, "", `\&`, "", `\(ti`, "~", `\(ga`, "`", `\(ha`, "^").Replace(page)
	whole := oneLine(plainText)
	each(tree(), func(c *cobra.Command) {
		if !c.HasParent() {
			return
		}
		if use := ".SS " + strings.TrimPrefix(c.Parent().CommandPath()+" "+c.Use, "holdfast "); !strings.Contains(plainText, use+"\n") {
			t.Errorf("%s is not there", use)
		}
		for _, l := range strings.Split(c.Long+"\n\n"+c.Example, "\n\n") {
			if !strings.Contains(whole, oneLine(l)) {
				t.Errorf("%s: %q is not there", c.CommandPath(), l)
			}
		}
	})
	for _, topic := range []string{"targets", "output", "exit-codes", "environment"} {
		_, text, _ := strings.Cut((&shell{}).run(t, "help", topic).out, "\n\n")
		for _, part := range strings.Split(text, "\n\n") {
			if !strings.Contains(whole, oneLine(part)) {
				t.Errorf("%s: %q is not there", topic, part)
			}
		}
	}
	for _, r := range page {
		if r > 0x7e {
			t.Errorf("%q is not ASCII: not every roff shows it", r)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not installed: the page was not rendered")
		return
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tascii", "-ww", "-z")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}

// A shell completes verbs, kinds, and the names of the running fleet; without a
// fleet it completes what it can, and says nothing.
func TestCompletion(t *testing.T) {
	s := &shell{client: &fleet{status: picture()}}
	for _, c := range []struct {
		words string
		want  []string
	}{
		{"get |", []string{"sites", "hosts", "listeners", "pools", "backends", "clients", "drills", "faults", "links", "groups", "events"}},
		{"get backends |", []string{"shop-tokyo-1", "shop-tokyo-2"}},
		{"get backend/|", []string{"backend/shop-tokyo-1", "backend/shop-tokyo-2"}},
		{"get pools --site |", []string{"tokyo"}},
		{"get pools -o |", []string{"table", "json", "yaml"}},
		{"drain |", []string{"backend/shop-tokyo-1", "backend/shop-tokyo-2", "host/tokyo-1", "host/tokyo-2"}},
		{"drain host/tokyo-1 |", nil},
		{"weight backend/shop-tokyo-1=3 |", []string{"backend/shop-tokyo-1=", "backend/shop-tokyo-2="}},
		{"force |", []string{"up", "down"}},
		{"force up |", []string{"backend/shop-tokyo-1", "backend/shop-tokyo-2"}},
		{"fault |", []string{"clear", "freeze", "kill", "list", "restart", "slow"}},
		{"fault kill |", []string{"backend/shop-tokyo-1", "backend/shop-tokyo-2"}},
		{"fault clear |", []string{"f1"}},
		{"drill run |", []string{"freeze-backend", "lose-backend"}},
		{"drill report |", []string{"freeze-backend", "lose-backend"}},
		{"completion |", []string{"bash", "zsh", "fish"}},
		{"profiles |", []string{"three-sites", "single-site"}},
		{"help drill |", []string{"abort", "list", "report", "run"}},
		{"up --theme |", []string{"dark", "light", "16", "none"}},
	} {
		words := strings.Split(strings.TrimSuffix(c.words, "|"), " ")
		out := s.run(t, append([]string{"__complete"}, words...)...).out
		var got []string
		for _, l := range strings.Split(out, "\n") {
			if l, _, _ = strings.Cut(l, "\t"); l != "" && !strings.HasPrefix(l, ":") && !strings.HasPrefix(l, "Completion") {
				got = append(got, l)
			}
		}
		if last := words[len(words)-1]; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q (last word %q)", c.words, got, c.want, last)
		}
	}
	for _, words := range []string{"drain", "get backends", "drill run", "fault clear", "weight"} {
		r := (&shell{}).run(t, append(append([]string{"__complete"}, strings.Fields(words)...), "")...)
		if r.code != 0 || strings.Contains(r.out+r.err, "answer") || !strings.HasPrefix(r.out, ":") {
			t.Errorf("%s without a fleet: %+v", words, r)
		}
	}
	for _, name := range []string{"bash", "zsh", "fish"} {
		if r := s.run(t, "completion", name); r.code != 0 || !strings.Contains(r.out, "__complete") {
			t.Errorf("completion %s: %d %s", name, r.code, r.err)
		}
	}
}
