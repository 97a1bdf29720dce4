package engine_test

import (
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// The house is as its page says: see doc.go. What fails here says why.
func TestHouse(t *testing.T) {
	found, err := inspect(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

const contract = "// Package probe decides.\n//\n// # Told\n//\n// # Asks\n//\n// # Promises\n//\n// # Refuses\n//\n// # Differs\npackage probe\n"

// sound is a small house that breaks no rule.
func sound() fstest.MapFS {
	files := map[string]string{
		"go.mod":                   "module " + module,
		"README.md":                "# Holdfast",
		"main.go":                  "// Command holdfast does it.\npackage main\n\nimport (\n\t\"os\"\n\n\t\"" + module + "/engine/system/local\"\n\t\"" + module + "/profiles\"\n)\n\nfunc main() { local.Run(profiles.All); os.Exit(0) }\n",
		"engine/doc.go":            "// Package engine is a page.\npackage engine\n",
		"engine/id/id.go":          "// Package id holds names.\npackage id\n\n// Kind is a kind.\ntype Kind string\n\n// The kinds.\nconst (\n\tKindHost Kind = \"host\"\n)\n",
		"engine/spec/spec.go":      "// Package spec is the desired fleet.\npackage spec\n\nimport (\n\t\"net/netip\"\n\t\"time\"\n\n\t\"" + module + "/engine/id\"\n)\n\n// A Fleet is all sites.\ntype Fleet struct{ Kind id.Kind; At netip.Addr; For time.Duration }\n",
		"engine/api/api.go":        "// Package api is the window.\npackage api\n\nimport \"context\"\n\n// Client is it.\ntype Client interface{ Watch(context.Context) <-chan int }\n\n// Reason says no.\ntype Reason string\n\n// The reasons.\nconst (\n\tReasonBusy Reason = \"busy\"\n)\n\nvar reasonSentences = map[Reason]string{ReasonBusy: \"wait\"}\n\n// Drain drains.\ntype Drain struct{}\n\nfunc (Drain) command() {}\n\n// Commands lists them.\nfunc Commands() []any { return []any{Drain{}} }\n",
		"engine/probe/doc.go":      contract,
		"engine/probe/probe.go":    "package probe\n\nimport \"math/rand/v2\"\n\n// Prober probes.\ntype Prober struct{ r *rand.Rand }\n\n// New returns a Prober.\nfunc New(seed uint64) *Prober { return &Prober{rand.New(rand.NewPCG(seed, 0))} }\n",
		"engine/system/local/l.go": "// Package local runs a fleet.\npackage local\n\nimport \"" + module + "/engine/system/cause\"\n\n// Run runs.\nfunc Run(any) { go cause.Of() }\n",
		"engine/system/cause/c.go": "// Package cause words errors.\npackage cause\n\n// Of is one.\nfunc Of() {}\n",
		"profiles/profiles.go":     "// Package profiles embeds specs.\npackage profiles\n\n// All are all.\nvar All []string\n",
		"tui/page/p.go":            "// Package page draws.\npackage page\n\nimport _ \"" + module + "/engine/api\"\n",
	}
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

func TestSoundHouseIsSound(t *testing.T) {
	found, err := inspect(sound())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// Every rule is broken once, in a house that is sound otherwise, and the
// inspection names the file and says why.
func TestPlantedViolationsAreFound(t *testing.T) {
	imports := func(path string) string { return "package probe\n\nimport _ \"" + path + "\"\n" }
	in := func(body string) string { return "package probe\n\nfunc f() {\n" + body + "\n}\n" }
	for name, c := range map[string]struct {
		file, text string
		want       string // of the finding
	}{
		"the top level":              {"docs/x.md", "x", "docs: the top level is fixed"},
		"a package of no floor":      {"engine/extra/e.go", "// Package extra is more.\npackage extra\n", "the house has no room engine/extra"},
		"a tree of no floor":         {"profiles/more/e.go", "// Package more is more.\npackage more\n", "the house has no room profiles/more"},
		"a word sees a decider":      {"engine/id/x.go", "package id\n\nimport _ \"" + module + "/engine/probe\"\n", "engine/id imports engine/probe: imports point down only"},
		"a decider sees a world":     {"engine/probe/x.go", imports(module + "/engine/system/cause"), "imports point down only"},
		"a decider sees a decider":   {"engine/balance/b.go", strings.ReplaceAll(contract, "probe", "balance") + "\nimport _ \"" + module + "/engine/probe\"\n", "engine/balance imports engine/probe: rooms of one floor"},
		"a room of the worlds":       {"engine/system/loop/l.go", "// Package loop loops.\npackage loop\n\nimport _ \"" + module + "/engine/system/probing\"\n", "rooms of one floor do not know each other"},
		"a face sees a world":        {"tui/page/x.go", "package page\n\nimport _ \"" + module + "/engine/system/cause\"\n", "through api.Client only"},
		"a face sees a decider":      {"tui/page/x.go", "package page\n\nimport _ \"" + module + "/engine/probe\"\n", "through api.Client only"},
		"remote sees the spec":       {"engine/remote/r.go", "// Package remote carries.\npackage remote\n\nimport _ \"" + module + "/engine/spec\"\n", "must not depend on what is behind it"},
		"a world reads profiles":     {"engine/system/loop/l.go", "// Package loop loops.\npackage loop\n\nimport _ \"" + module + "/profiles\"\n", "for main to say"},
		"a face starts a fleet":      {"sim/s.go", "// Package sim simulates.\npackage sim\n\nimport _ \"" + module + "/engine/system/local\"\n", "main picks one"},
		"net":                        {"engine/probe/x.go", imports("net"), "engine/probe is pure and imports net: sockets"},
		"net/http":                   {"engine/probe/x.go", imports("net/http/httptrace"), "imports net/http/httptrace"},
		"os":                         {"engine/probe/x.go", imports("os"), "imports os: files"},
		"os/exec":                    {"engine/probe/x.go", imports("os/exec"), "imports os/exec: files"},
		"sync":                       {"engine/probe/x.go", imports("sync"), "imports sync: there is one goroutine"},
		"sync/atomic":                {"engine/probe/x.go", imports("sync/atomic"), "imports sync/atomic"},
		"context":                    {"engine/probe/x.go", imports("context"), "imports context: nothing here waits"},
		"math/rand":                  {"engine/probe/x.go", imports("math/rand"), "randomness comes from the seed"},
		"crypto/rand":                {"engine/probe/x.go", imports("crypto/rand"), "randomness comes from the seed"},
		"log/slog":                   {"engine/probe/x.go", imports("log/slog"), "imports log/slog: emit an event"},
		"x/sys":                      {"engine/probe/x.go", imports("golang.org/x/sys/unix"), "belongs to a world"},
		"the global generator":       {"engine/probe/x.go", "package probe\n\nimport \"math/rand/v2\"\n\nvar n = rand.IntN(3)\n", "math/rand/v2.IntN: use the *rand.Rand"},
		"time.Now":                   {"engine/probe/x.go", "package probe\n\nimport \"time\"\n\nvar n = time.Now()\n", "time.Now: the moment is handed in"},
		"time.Now by another name":   {"engine/probe/x.go", "package probe\n\nimport clock \"time\"\n\nvar n = clock.Since\n", "time.Since: the moment is handed in"},
		"a timer":                    {"engine/probe/x.go", "package probe\n\nimport \"time\"\n\nvar n = time.AfterFunc(0, nil)\n", "time.AfterFunc"},
		"a goroutine":                {"engine/probe/x.go", in("go f()"), "starts a goroutine"},
		"a channel":                  {"engine/probe/x.go", in("c := make(chan int); _ = c"), "has a channel"},
		"a select":                   {"engine/probe/x.go", in("select {}"), "selects"},
		"a send":                     {"engine/probe/x.go", "package probe\n\nfunc f(c T) {\nc <- 1\n}\n", "sends on a channel"},
		"a print":                    {"engine/probe/x.go", in("println(1)"), "there is no terminal here"},
		"a Println":                  {"engine/probe/x.go", "package probe\n\nimport \"fmt\"\n\nfunc f() { fmt.Println(1) }\n", "fmt.Println: there is no terminal here"},
		"an init":                    {"engine/system/cause/x.go", "package cause\n\nfunc init() {}\n", "init runs before anybody asked"},
		"an exit":                    {"engine/system/cause/x.go", "package cause\n\nimport \"os\"\n\nfunc f() { os.Exit(1) }\n", "os.Exit: only main"},
		"a Fatal":                    {"engine/system/cause/x.go", "package cause\n\nimport \"log\"\n\nfunc f() { log.Fatal(1) }\n", "log.Fatal: return the error"},
		"a dot import":               {"engine/system/cause/x.go", "package cause\n\nimport . \"fmt\"\n", "a dot import"},
		"a drawer by its name":       {"engine/system/util/u.go", "// Package util is a drawer.\npackage util\n", "a package called util"},
		"a drawer by its folder":     {"engine/system/common/u.go", "// Package good is a drawer.\npackage good\n", "a package called common"},
		"no package comment":         {"engine/system/proxy/p.go", "package proxy\n", "comment does not begin with \"Package proxy \""},
		"a command's comment":        {"sim/bench/main.go", "// Package main measures.\npackage main\n", "comment does not begin with \"Command \""},
		"a contract without heading": {"engine/vrrp/doc.go", strings.Replace(strings.ReplaceAll(contract, "probe", "vrrp"), "# Refuses", "# Other", 1), "has no heading Refuses"},
		"headings in disorder":       {"engine/vrrp/doc.go", strings.Replace(strings.Replace(strings.ReplaceAll(contract, "probe", "vrrp"), "# Told", "# Later", 1), "# Differs", "# Told", 1), "has no heading"},
		"a long file":                {"engine/system/cause/x.go", "package cause\n" + strings.Repeat("\n", linesMax), "450 are the limit"},
		"a sleep in a test":          {"engine/system/cause/x_test.go", "package cause\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n", "time.Sleep: wait for what you expect"},
		"a word in a type":           {"engine/system/cause/x.go", "package cause\n\ntype rootNode int\n", "the identifier rootNode; the glossary says host"},
		"a word in a variable":       {"engine/system/cause/x_test.go", "package cause\n\nfunc f() { masters := 1; _ = masters }\n", "the identifier masters"},
		"a word in a field":          {"engine/system/cause/x.go", "package cause\n\ntype t struct{ SlaveID int }\n", "the identifier SlaveID"},
		"a word in a loop":           {"engine/system/cause/x.go", "package cause\n\nfunc f(a []int) { for _, node := range a { _ = node } }\n", "the identifier node"},
		"a note to oneself":          {"engine/system/cause/x.go", "package cause\n\n// TODO: more\n", "TODO; write a decision"},
		"an exported function":       {"engine/system/cause/x.go", "package cause\n\nfunc Bare() {}\n", "Bare has no comment"},
		"an exported constant":       {"engine/system/cause/x.go", "package cause\n\nconst Bare = 1\n", "Bare has no comment"},
		"another name's comment":     {"engine/system/cause/x.go", "package cause\n\n// Of does it.\ntype Bare int\n", "does not begin with its name"},
		"a reason without words":     {"engine/api/x.go", "package api\n\n// More.\nconst ReasonNew Reason = \"new\"\n", "ReasonNew is not among the sentences"},
		"a command that is lost":     {"engine/api/x.go", "package api\n\n// Fence fences.\ntype Fence struct{}\n\nfunc (Fence) command() {}\n", "Fence is not among the Commands()"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := maps.Clone(sound())
			tree[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			found, err := inspect(tree)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || !strings.Contains(found[0], c.want) || !strings.HasPrefix(found[0], c.file+":") && c.file != "docs/x.md" {
				t.Errorf("found %q, want one finding in %s with %q", found, c.file, c.want)
			}
		})
	}
}

// A channel in api is Client.Watch; anywhere else below the worlds it is not.
func TestExceptionsAreNarrow(t *testing.T) {
	tree := sound()
	tree["engine/spec/x.go"] = &fstest.MapFile{Data: []byte("package spec\n\nimport _ \"context\"\n")}
	found, err := inspect(tree)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "engine/spec is pure and imports context") {
		t.Errorf("found %q, %v", found, err)
	}
}
