// Package member decides which hosts of the fleet are alive and reachable, as
// seen from one of them.
//
// # Told
//
// Startup begins a life. SetHosts says which hosts the fleet has. Heard is
// another host's report, straight from its agent: a heartbeat that carries how
// that host sees a site. Refused and Answered say what a silent host's kernel does
// with a connection to its agent. Gossiped is what one of the two gossip lists says. Wake
// says that the deadline came. Shutdown says that this agent stops.
//
// # Asks
//
// Send asks for a report to be delivered to a host; nothing answers it, and a
// lost one is what this package is about. A Knock asks the world what a silent
// host's kernel does at the agent's port; Refused or Answered answers it, and
// nothing when the machine is gone. A Change is a host whose
// state is another one now.
//
// # Promises
//
// Hosts of one site report to each other every Beat; gateways, the first two of
// a site that live, report to those of other sites every FarBeat and pass on what
// they hear. So a dead host is known to its site within Settings.NearDetection
// and to the fleet within Settings.FarDetection. A host is dead only if nobody
// that is heard hears it: when somebody does, the link is cut and the host is not
// dead. A goodbye, or a kernel that still answers, makes a stopped agent and not
// a dead host. A host that hears nobody, or whom nobody hears, is itself
// the one cut off: it calls no other dead. A process that was paused counts no
// silence from while it was. An older life of a host never speaks for the newer
// one. Who flaps is suspected until it was steady for a while. The work is the
// same in calm and in storm, but for one report more to each neighbour at a
// change.
//
// # Refuses
//
// It does not carry facts, and nothing here is agreed: two hosts may see it
// differently for a while. What must not happen twice is for a lease in the facts
// (replica). Whether a report is authentic and new is for the world to check
// before it hands it in. Whether services are well is for probe.
//
// # Differs
//
// Gossip (SWIM) finds a death by random probes in 5 to 60 seconds, too late to
// decide anything. Here it is one of three views: it is believed about hosts that
// heartbeats never reached, and about goodbyes, and never against a heartbeat.
package member
