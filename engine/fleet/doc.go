// Package fleet makes one picture of all hosts and routes commands to those that
// can obey.
//
// # Told
//
// Report is a host's status, Noted what it thought worth an event. Ask is a
// command. FaultDone, Process and Sampled answer what was asked of the world;
// ClientsRead is what the built-in clients saw. Wake says that the deadline
// came.
//
// # Asks
//
// Hosts are events for hosts. Faults are answered by FaultDone. Answers are the
// receipts of Asks, one each, in the same Step. Picture and Events are for the
// faces. StartProbes and StopProbes drive a drill's probes. Spec says that a new
// one is in force.
//
// # Promises
//
// Every Ask is answered exactly once. A refused command changes nothing. A
// fault ends: when it is cleared, when its time is over, and when its drill
// ends. What an operator set is told again to a host that lost it. A host whose
// report is old is unknown, never down. Pictures are immutable.
//
// # Refuses
//
// It measures nothing and opens nothing. It decides nothing that a site could
// decide for itself.
package fleet
