// Package quorum runs a host's replicas for real: one loop over replica.Groups, the
// journal's files, the clock, and the connections to other hosts; and it is the
// facts of a group as a Go program wants them.
//
// # Loop and disk
//
// One loop steps the replicas. The journal is written by a goroutine of its own,
// one batch at a time; what comes up meanwhile is the next batch. Nothing else
// that could wait is done by the loop: what cannot be sent is dropped.
//
// # Connections
//
// A connection has one of three lanes, which its first bytes name. The prompt lane
// carries heartbeats, votes and entries, in order; the bulk lane large snapshots,
// for which a heartbeat must not wait; the asking lane requests of hosts that have
// no replica of a group. There is one of a lane between two hosts, made by whoever
// has something to send and used by both; so a host whose address nobody knows yet
// is answered on the connection that it opened. Hosts prove who they are by their
// certificates, and what is in a frame is believed as far as engine/replica says.
//
// A peer that does not read, or is not there, costs its own queue and goroutine and
// nobody else anything: a queue has a bound and drops its oldest, as raft sends
// again. A peer that comes back is found within retryMax of listening.
//
// # Facts
//
// Do carries out a command once, also over a change of leaders. What nobody
// confirmed in time is refused as replica.ReasonUnknown and never as undone. Ask
// sees everything that was acknowledged before it. A host without a replica hands
// both to one that has one; it is not handed on further.
//
// Watch tells everything once and then every change, in order and without a gap:
// when the changes in between are forgotten it tells everything again. Hold keeps a
// lease for one tenure.
package quorum
