// Package replica keeps the same state on several hosts: many groups a host, each
// a machine that carries out the same commands in the same order, agreed on by
// etcd's raft library.
//
// # Told
//
// Create founds a group. Heard brings a frame of another host, Unreachable says
// that a connection to it broke, and Ended that its process is gone for certain.
// Propose, Read, Change and Transfer ask for
// something and carry a number. Wrote and WriteFailed answer a Write. Wake says
// that the deadline came.
//
// # Asks
//
// Write must become durable, bytes and names, and is answered by Wrote or
// WriteFailed; there is one at a time, and while it is in flight the next one
// fills with what all groups want written. Send may get lost. Drops frees
// segments of the journal. Answers end requests, each exactly once unless the
// process ends first. Applied says whose machines changed, Notes is for people.
//
// # Promises
//
// What is acknowledged is durable on a majority of the voters, and is never lost
// while a majority keeps its disks. No message that says that something is
// durable, and no vote, is sent before it is. A command is carried out once, also
// when it is sent again because its answer got lost. A Read sees everything that
// was acknowledged before it was asked, whatever the clocks say: a majority is
// asked each time.
//
// A host whose journal lost something durable takes part no more as who it was:
// each of its members is replaced by a new one, with a new ID, on the same host,
// which is refilled. It never votes with a hole in its memory. A host that cannot
// write says why, leads nothing and acknowledges nothing.
//
// Members change by joint consensus, those who join as learners first, so there
// are never fewer good copies than before. The lead can be handed over without
// waiting for a time-out. A follower that is too far behind gets a snapshot.
//
// The same events make the same effects: time comes with them, and all
// randomness from Config.Rand.
//
// # Refuses
//
// It does not find hosts, open connections or prove who is at their other end. It
// does not forward requests from hosts without a replica. It does not decide what
// a lease means: a machine does, see engine/facts. It does not bring back a group
// that lost a majority of its journals: that needs a person, who accepts a loss.
//
// # Witnesses
//
// A witness votes and keeps the terms of all entries but not their data: the
// leader sends it none. That is safe for the agreement, as a vote needs terms only
// and a witness never leads. It has a price that no arbiter can avoid: with two
// voters and a witness, and one voter away, what is acknowledged is on one disk
// with data. If that disk is then lost for good, so is what was acknowledged on it
// alone; the voter that was away is refused the lead rather than lie.
//
// # Differs
//
// From the library's usual use: it never lets the library draw an election's
// time-out, since that comes from crypto/rand, which no seed reaches. Followers'
// ticks go through TickQuiesced, which counts time for check-quorum and starts
// nothing, and clock.go says when to stand. (The library calls that method
// deprecated; its version is pinned, and the fallback is to replace crypto/rand's
// Reader in the simulated world.) Storage is the library's asynchronous kind: what
// is to be durable comes with the messages that wait for it. A growing commit
// index alone is not written. In a group of one voter, reads wait for an entry of
// the leader's own term, which the library forgets.
package replica
