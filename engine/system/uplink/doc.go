// Package uplink carries what travels between hosts and whoever keeps the fleet's
// picture: the coordinator, and observers that are cut off from it. What is said,
// and what becomes of it when a line breaks, engine/report decides; this package
// has the sockets.
//
// Who keeps the picture dials every host, at its agent's port, by mutual TLS: Lines.
// A host answers, to any number of callers: Host. Each end of a line has a
// goroutine that reads and one that writes, so that a peer that reads slowly, or
// has stopped, costs those two their time and nobody else's. A line on which
// nothing was heard for silence is closed, and dialled again.
package uplink
