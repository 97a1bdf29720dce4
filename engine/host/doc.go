// Package host is one host: it owns the deciders that work there, feeds each its
// events, and turns one decider's effect into another's event.
//
// # Told
//
// SetSpec gives the fleet's spec, of which the host takes its own part: the
// listeners it serves, their pools, the probes of those pools' backends. Probed,
// Saw, Flows, Bound and Measured are what the world found. Order is a command's
// part for this host. Wake says that the deadline came.
//
// # Asks
//
// Launches are answered by Probed. Table goes to the data path, which answers
// with Bound for each listener whose binding changed. Cut closes a backend's
// flows. Notes are for the fleet's event ring, in order, each with the one that
// led to it.
//
// # Promises
//
// A health that changed reaches the table in the same Step. A backend of a pool
// without a probe counts as up. What an operator forced outlives every change of
// the spec that keeps the backend, also one that gives its pool a probe or takes
// it. Every note says what led to it, as far as this host knows: the command, the
// spec's change, a note of the same Step, or an earlier one that it goes on with.
// That something fresh is well is no news.
//
// # Refuses
//
// It does not know other hosts. What a backend's state is for the whole fleet,
// fleet works out from all reports.
//
// # Differs
//
// It follows no standard.
package host
