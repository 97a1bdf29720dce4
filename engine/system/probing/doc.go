// Package probing carries out single probes: it connects, asks, and says what it
// found in words. What follows from that is probe's business.
//
// Every probe uses a connection of its own and keeps none, because that is what
// a new user meets. It follows no redirect: where it leads is another target. A
// probe ends at its time-out whatever the other end does, takes a bounded amount
// of memory, and leaves nothing behind: no socket, no process, no goroutine.
//
// A result says which of three things was found: the target is well, it is not,
// or this host could not find out. The last one is kept for what says nothing of
// the target: no permission, no program, no file descriptor, no roots to check a
// certificate against, no room for one more probe.
//
// Whatever the other end said is somebody else's text. It is made one short line
// of printable characters before it becomes a reason.
package probing
