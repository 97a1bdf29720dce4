// Package replicas is the simulated world of engine/replica and engine/facts: hosts
// with disks that tear, rot, fill up and lose what was not flushed, clocks that
// drift, and a network that loses, doubles, delays and lets overtake, one way or
// both. Clients write down what they asked and heard. The same seed makes the same
// trace.
//
// # A run
//
// All knobs are drawn from the seed (knobs.go). In the safety phase nature breaks
// things (nature.go), operators move leads and change members, and every promise is
// checked after every step. Then all is healed, and everything must come right by
// a deadline: leaders, members, refilled hosts. At the end the history of every key
// is checked with porcupine. A run that breaks a promise says how to see it
// again:
//
//	go test ./sim/replicas -run TestSeeds -args -seed 4711 -v
//
// # The budget
//
// Anything may crash, hang or be cut off at any time, all hosts at once too. A
// host's memory is taken (rot, a new disk) only while everybody else has theirs
// and the rest is a majority: beyond that the only promise is to refuse, and not to
// lie.
//
// # Planted bugs
//
// planted_test.go alters what passes between the engine and the world, so that the
// engine seems to have a bug; the named checks must find it.
//
// # Not simulated
//
// Files and their names: engine/system/journal has tests of its own on real ones.
// Groups whose machines do not fit into memory.
package replicas
