// Package coordinator decides, for one host, who keeps the fleet's picture and
// answers its commands: this host, another, or nobody that can be reached.
//
// # Told
//
// Startup begins. Led says that this host holds the coordinator's lease, and under
// which epoch; Lost that it does not any more. Called says that a host which says
// that it holds the lease has connected, and Hung that its connection ended.
// Overtaken says that another host knows of a later coordinator: not who it is, and
// not that it still acts. Wake says that the deadline came.
//
// # Asks
//
// Turn is set when it is another one from now on. Release asks for the lease to be
// given back, because a later coordinator has called, or must be there.
//
// # Promises
//
// A coordinator of an older epoch than was ever seen here is not followed, and
// nobody is who has not called. While
// this host's own lease holds it acts, and follows nobody but a later one. A
// connection that breaks is no loss of the coordinator before AloneAfter: an agent
// that restarts, or a lease that moves, makes nobody look alone.
//
// # Refuses
//
// It does not get the lease: facts and replica do. It does not protect what is
// written: the epoch does, wherever it is presented.
//
// # Differs
//
// It follows no standard.
package coordinator
