// Package sim is the simulated world: a whole fleet in virtual time from one
// seed, with faults between any two events. The same seed makes the same trace.
//
// # The world
//
// The engine in it is the one of the other worlds: fleet, host and what they are
// made of. What a world adds is simulated: a virtual clock (agenda), a loop for
// the fleet and one for each host with small delays between them (loop.go,
// host.go), a network (network.go), the backends' processes and who keeps them
// (process.go, keeper.go), a data path that picks from the very tables that the
// hosts make (path.go, request.go), users and a drill's witness (users.go), and
// operators who ask for this and that, some of it nonsense (people.go).
//
// # A run
//
// All knobs are drawn from the seed (knobs.go), and so is the site, as YAML that
// the spec's own reader checks (site.go). Then comes the safety phase: nature and
// people are at work, and every promise is checked after every event. Then all
// is healed, operators take back what they did, and everything must come right
// by a deadline and stay so (run.go). A run ends at the first promise that is
// broken, and says how to see it again:
//
//	go test ./sim -run TestSeeds -args -seed 4711 -v
//
// TestSeeds takes -seeds N and -from M as well. A seed draws something else once
// the drawing changes: a bug that was found gets a test of its own beside the
// code, and not its seed.
//
// # Where to add what
//
// A fault is a function in a file fault_*.go and a line in natures (nature.go).
// It must stay within the budget (budget.go), which says what may be broken at
// once, and undo itself within seconds.
//
// A promise is a file check_*.go with a type that has the methods of what it
// wants to see, and a word in newChecks (check.go). It compares the engine with
// what the world knows by itself: what each host was told (words.go) and who can
// be reached (truth.go).
//
// With it comes a planted bug in planted_test.go: a world that alters what is told
// to the engine or asked by it (plant.go), so that the engine seems to be
// wrong. A check that does not catch it has no vote.
//
// # Not simulated
//
// Bytes, TLS, HTTP and everything else that system/proxy does with a flow once
// it has its place; queues of backends that are full; disks.
package sim
