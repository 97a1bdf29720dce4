// Package engine is the architecture of Holdfast, and holds no code: what floors
// there are, how a deciding part looks, and how the same engine runs on real
// sockets and in a simulated world. house_test.go keeps what this page says.
//
// # The house
//
// Imports point down only, and the rooms of one floor do not know each other;
// the few exceptions stand in house_rules_test.go with their reasons.
//
//	ROOF      main.go        wires a world to a face, and waits
//
//	6 FACES   tui/**         console, wallboard, command line       see api and id only
//
//	5 WORLDS  engine/system  clock, sockets, files, processes       the only floor with
//	          engine/remote  api over a socket                      goroutines and time
//	          sim            virtual clock and network, one seed
//
//	4 FLEET   engine/fleet   all hosts as one picture; commands     ┐
//	3 HOST    engine/host    one host: its deciders, one Step       │ pure: the same
//	2 DECIDERS  balance probe drill …                               │ inputs make the
//	1 SUMS      maglev …                                            │ same outputs
//	0 WORDS     id instant spec api …                               ┘
//
// profiles embeds the specs that ship; only main and tests import it.
//
// # A decider
//
// Whatever decides is a machine without input or output of its own:
//
//	func (b *Balancer) Step(now instant.Instant, ev Event, out *Effects)
//	func (b *Balancer) Deadline() instant.Instant // when it next wants Wake
//	func (b *Balancer) Status() Status            // a copy, for the picture
//
// Events tell it what happened; effects are what it asks of the world. There is
// no clock, network or disk to replace in a test, because there is none: the
// interface is data.
//
// Timers are not effects: there is one Deadline, and the world sends Wake at or
// after it. The order between kinds of effects is never relied on; what must come
// after, waits for an event. Every effect that can fail is answered by an event.
// Every no is an api.Reason with a sentence. Everything that can grow has a named
// bound.
//
// The doc.go of a decider is its contract, always under the same headings: Told,
// Asks, Promises, Refuses, Differs.
//
// # Worlds
//
// The worlds sit above the engine and carry its effects out. system/agent runs one
// host: a loop for each decider that needs one, each with one goroutine, one timer
// and one inbox; the backends are processes of their own, so that a kill is a kill.
// The agent that holds the fleet's lease also runs the fleet's loop. system/local is
// the agents of a whole fleet in one process. sim runs the same packages in virtual time from
// one seed, with faults between any two events; the same seed makes the same
// trace.
//
// Bytes do not go through Step. balance builds an immutable Table, and
// system/proxy picks from the newest one for each flow.
//
// # One window
//
// A face knows api.Client and nothing below it: the picture whole and immutable,
// the events numbered, the commands a closed set that can be checked without
// being carried out. There are implementations in the process, over a socket and
// in the simulation, and one suite that all of them pass. The key in the console,
// the verb in a shell and the line of a drill make the same api.Command.
//
// # Where to change a thing
//
//	when a backend counts as down       engine/probe/hysteresis.go
//	how a flow picks a backend          engine/balance/pick.go, engine/maglev
//	how a kind of probe is done         engine/system/probing
//	which hosts keep which facts        engine/seats
//	what a spec may say                 engine/spec/fleet.go, then check_*.go
//	a command                           engine/api/command.go; linters list the rest
//	what a drill measures               engine/drill/measure.go
//	what a fault does to a process      engine/keep
//	how bytes move                      engine/system/proxy: carry (TCP), h1 and web (HTTP)
//	who may do what over SSH            engine/api/role.go, tui/sshd
//	what is recorded of it              engine/audit
//	a page of the console               tui/page
//	a verb of the command line          tui/plain
//	these rules                         engine/house_rules_test.go
//
// Decisions and what was refused stand in DECISIONS.md beside this file.
package engine
