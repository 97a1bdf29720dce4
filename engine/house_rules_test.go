package engine_test

import (
	"slices"
	"strings"
)

// module is the path of every import of our own.
const module = "github.com/holdfast-edge/holdfast"

// linesMax is how long a file may be. The aim is 100 to 400.
const linesMax = 450

// A floor may import those below it.
const (
	floorWord = iota
	floorSum
	floorDecider
	floorHost
	floorFleet
	floorWorld
	floorFace
	floorRoof
	floorNone = -1
)

// rooms says on which floor each package is, by its path in the module. A name
// that is not here belongs to a part of the house that was never planned: add it
// here, and to doc.go.
var rooms = map[string]int{
	"engine/id": floorWord, "engine/instant": floorWord, "engine/wire": floorWord, "engine/spec": floorWord, "engine/api": floorWord,

	"engine/maglev": floorSum, "engine/chunk": floorSum, "engine/erasure": floorSum, "engine/extent": floorSum, "engine/geo": floorSum,
	"engine/replica/journal": floorSum, "engine/audit": floorSum,

	"engine/vrrp": floorDecider, "engine/probe": floorDecider, "engine/balance": floorDecider, "engine/steer": floorDecider,
	"engine/member": floorDecider, "engine/replica": floorDecider, "engine/volume": floorDecider, "engine/snapshot": floorDecider,
	"engine/image": floorDecider, "engine/mesh": floorDecider, "engine/share": floorDecider, "engine/object": floorDecider,
	"engine/database": floorDecider, "engine/plan": floorDecider, "engine/drill": floorDecider, "engine/availability": floorDecider,
	"engine/facts": floorDecider, "engine/keep": floorDecider, "engine/coordinator": floorDecider, "engine/seats": floorDecider,

	"engine/host": floorHost, "engine/fleet": floorFleet, "engine/report": floorFleet,

	"engine": floorRoof, // the architecture page, and this test
	"":       floorRoof, "profiles": floorRoof,
}

func floorOf(pkg string) int {
	if floor, ok := rooms[pkg]; ok {
		return floor
	}
	switch {
	case pkg == "engine/api/apitest", pkg == "engine/storytest": // tests import them
		return floorWorld
	case within(pkg, "engine/system"), within(pkg, "engine/remote"), within(pkg, "sim"):
		return floorWorld
	case within(pkg, "tui"):
		return floorFace
	}
	return floorNone
}

func within(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }

// siblings are the rooms of one floor that may know another of it, and why.
// A * stands for a tree.
var siblings = []struct{ from, to, why string }{
	{"engine/api", "engine/id", "targets are names"},
	{"engine/spec", "engine/id", "the spec checks names"},
	{"engine/report", "engine/fleet", "it carries what hosts tell the fleet"},
	{"engine/system/uplink", "engine/system/identity", "lines are mutual TLS, on the agent's port"},
	{"engine/seats", "engine/replica", "it decides who takes part in replicas"},
	{"engine/seats", "engine/member", "who is alive is decided there"},
	{"engine/system/local", "engine/system/*", "it composes a fleet of all of them"},
	{"engine/system/local", "engine/remote", "it serves its client on the state directory's socket"},
	{"engine/system/access", "engine/remote", "it serves the API on the host's port"},
	{"engine/system/access", "engine/system/identity", "it admits by certificate"},
	{"engine/system/admission", "engine/system/identity", "it says who gets a certificate"},
	{"engine/system/setup", "engine/system/*", "it makes what each of them begins with"},
	{"engine/system/admission", "engine/system/gossip", "the keys that it hands out are gossip's"},
	{"engine/system/agent", "engine/system/*", "it composes a host of all of them"},
	{"engine/system/agent", "engine/remote", "it serves its client, and relays to another agent's"},
	{"engine/system/clerk", "engine/system/bus", "it shows the picture"},
	{"engine/system/clerk", "engine/system/specfile", "it reads a spec with its files before it is asked for"},
	{"engine/system/clerk", "engine/system/traffic", "it runs the built-in users"},
	{"engine/system/liveness", "engine/system/gossip", "it carries out what member asks for"},
	{"engine/system/handover", "engine/system/proxy", "it passes the data path's sockets on"},
	{"engine/system/hosting", "engine/system/probing", "it composes one host"},
	{"engine/system/hosting", "engine/system/proxy", "it composes one host"},
	{"engine/system/quorum", "engine/system/identity", "its connections are between hosts that prove who they are"},
	{"engine/system/quorum", "engine/system/journal", "it has the replicas' journal written"},
	{"engine/system/identity/identitytest", "engine/system/identity", "it makes identities for tests"},
	{"engine/system/*", "engine/system/cause", "one wording for what the network says"},
	{"engine/system/*", "engine/system/durable", "one way to replace a file"},
	{"engine/system/*", "engine/system/loop", "the clock is the loops' clock"},
	{"engine/system/*", "engine/system/holder", "one way to find out who has an address"},
	{"engine/system/*", "engine/system/plain", "an answer means the same to probes and to clients"},
	{"engine/system/*", "engine/system/poll", "what is short and often shares one goroutine"},
	{"engine/system/proxy/*", "engine/system/proxy/*", "one data path in small rooms"},
	{"engine/system/traffic", "engine/system/proxy/proxyproto", "its clients speak the protocol that the listener expects"},
	{"engine/system/traffic", "engine/system/service", "its clients know the services' answers"},
	{"sim", "engine/system/bus", "what watchers see does not depend on the world"},
	{"sim/*", "sim/*", "one simulation in small rooms"},
	{"sim/lab/bench/facts", "engine/system/*", "it measures them"},
	{"tui/*", "tui/*", "one face in small rooms"},
}

// only are packages that see less than their floor would let them.
var only = []struct {
	from string
	may  []string
	why  string
}{
	{"tui/*", []string{"engine/api", "engine/audit", "engine/id", "tui/*"}, "a face sees the fleet through api.Client only, so that it works the same over a socket and in a simulation; engine/audit is what a record says"},
	{"engine/remote", []string{"engine/api", "engine/id"}, "what it carries must not depend on what is behind it"},
	{"engine/system/metrics", []string{"engine/api", "engine/id"}, "it is a face for machines"},
	{"profiles", nil, "they are data"},
}

// upper are packages that few may import.
var upper = []struct {
	pkg string
	by  []string
	why string
}{
	{"profiles", []string{"", "sim/*"}, "which profile runs is for main to say"},
	{"engine/system/local", []string{""}, "it is a whole world; main picks one"},
	{"engine/system/setup", []string{""}, "it begins what main picked"},
	{"engine/system/agent", []string{"", "engine/system/setup", "engine/system/local"}, "it is a whole world; main picks one, and a local fleet is several in one process"},
	{"engine/api/apitest", nil, "it is for tests"},
	{"engine/system/identity/identitytest", nil, "it is for tests"},
	{"engine/storytest", nil, "it is for tests"},
}

func matches(pattern, pkg string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/*"); ok {
		return within(pkg, tree)
	}
	return pattern == pkg
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// pure reports whether a floor has no input or output of its own.
func pure(floor int) bool { return floor >= floorWord && floor <= floorFleet }

// impure are the imports that pure floors do without, and what to do instead. A
// tree ends in /*.
var impure = []struct{ path, why string }{
	{"net", "sockets belong to a world; net/netip is a value and may be used"},
	{"net/http/*", "sockets belong to a world"},
	{"net/url", "addresses are net/netip values here"},
	{"os/*", "files and processes belong to a world: return an effect"},
	{"path/filepath", "files belong to a world"},
	{"syscall", "the system belongs to a world"},
	{"golang.org/x/sys/*", "the system belongs to a world"},
	{"runtime/*", "nothing here depends on the machine"},
	{"unsafe", "nothing here is worth it"},
	{"sync/*", "there is one goroutine; the loop above it serves one event after another"},
	{"context", "nothing here waits"},
	{"math/rand", "randomness comes from the seed: math/rand/v2 with a *rand.Rand that is passed in"},
	{"crypto/rand", "randomness comes from the seed"},
	{"log/*", "emit an event; the world logs"},
}

// allowed are the exceptions to impure, by package and import.
var allowed = map[[2]string]string{
	{"engine/api", "context"}: "Client waits, on behalf of faces",
}

// banned are names of packages that a pure floor may import otherwise.
var banned = map[string]struct {
	names []string
	why   string
}{
	"time":         {[]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local"}, "the moment is handed in as an instant.Instant"},
	"fmt":          {[]string{"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"}, "there is no terminal here"},
	"math/rand/v2": {[]string{"Int", "IntN", "Int64", "Int64N", "Uint32", "Uint64", "Float64", "N", "Perm", "Shuffle", "ExpFloat64", "NormFloat64"}, "use the *rand.Rand of the seed"},
}

// badNames are package names that say nothing of what is in them.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "base", "shared", "lib"}

// badWords are not used in identifiers: each has a word of the glossary.
var badWords = map[string]string{
	"node": "host", "nodes": "hosts", "master": "primary or active", "masters": "primaries", "slave": "secondary or backup", "slaves": "secondaries",
}

// foreignNames are methods that somebody else's interface names.
var foreignNames = map[string]string{
	"NodeMeta": "memberlist.Delegate",
}

// topLevel is what may stand in the root directory. bin, state and .git are not
// in the repository.
var topLevel = []string{
	".ci", ".git", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "bin", "engine", "go.mod", "go.sum",
	"main.go", "main_test.go", "profiles", "sim", "state", "testdata", "tui",
}

// headings of a decider's contract, in their order.
var headings = []string{"Told", "Asks", "Promises", "Refuses", "Differs"}
