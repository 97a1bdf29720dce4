// Package fleet makes one picture of all hosts and routes commands to those that
// can obey.
//
// # Told
//
// Report is a host's status, Noted what it thought worth an event. Ask is a
// command. FaultDone, Process and Sampled answer what was asked of the world;
// ClientsRead is what the built-in clients saw. Wake says that the deadline
// came. In a fleet of agents Members is who lives, as a host sees it; Groups are a
// host's replicas; Clock and Agent are what its connection tells; Adopt is a fault
// that a coordinator before this one asked for.
//
// # Asks
//
// Hosts are events for hosts. Faults are answered by FaultDone. Answers are the
// receipts of Asks, one each, in the same Step. Keep and Words are for a disk, and
// answered by Kept. Reports are drills for the fleet after this one. Picture and
// Events are for the faces. StartProbes and StopProbes drive a drill's probes. Spec says that a new
// one is in force.
//
// # Promises
//
// Every Ask is answered exactly once, also before there is a spec. A refused
// command changes nothing. A fault ends: when it is cleared, when its time is
// over, when its drill ends, and when its backend leaves the spec or moves; its
// revert is asked for, less and less often, until it is answered. A backend has
// one fault at a time. What an operator set is told again to a host whose report
// does not have it, and holds in the next fleet whose SetSpec is given its Words. A host whose report is old is unknown, never down, and what
// only silent hosts knew keeps its last word and says so. A drill whose spec,
// clients or target a new spec takes away is aborted.
//
// Coordinators follow each other: numbers of events, faults and runs go on, no
// fault and no word is lost, and the drill that ended with its coordinator is
// reported as aborted. An observer orders nothing and says so. A dead host, a
// stopped agent and a cut link are three things. A host is down when those who see
// it are sure; mere silence is unknown. What happens to a site as a whole is one event.
//
// Events are numbered without a gap, and a cause has a smaller number than what
// it led to. Trouble that probes or traffic find is blamed on what was done to
// the backend or happened to its process within the last minute, never on an
// operator's weight or drain. Pictures are immutable.
//
// # Refuses
//
// It measures nothing and opens nothing. It decides nothing that a site could
// decide for itself.
//
// # Differs
//
// It follows no standard.
package fleet
