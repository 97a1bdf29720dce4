// Package facts is what a site's hosts, or the fleet's sites, must agree on: a small
// store of keys, and leases with an end. It is a machine to be replicated, and
// knows nothing of how.
//
// # Told
//
// Apply carries out a command: a Txn, all or nothing and only if its conditions
// hold, or Acquire, Renew, Release and End of a lease. Query answers Get, List,
// Look and Since. Tend says what time it is, to the copy that leads.
//
// # Asks
//
// Tend asks for End of leases that ran out; it is a command like any other, and
// void if the lease was renewed meanwhile.
//
// # Promises
//
// The same commands make the same state, byte for byte. A revision grows by one
// with each command that changes something, and says when each key changed last.
// Since gives all changes after a revision, or says that they are forgotten.
//
// A lease has one holder at a time. Its epoch is the revision at which it began,
// so a later holder's is always higher: it is the token by which whoever is
// written to refuses an earlier holder. A Txn can be bound to a lease's epoch, and
// keys can be bound to a lease and go when it ends.
//
// A holder may act until HeldUntil, counted on its own clock from before it asked.
// A lease is ended no sooner than its whole length after the copy that leads
// learned of the last renewal, on that host's clock. If no two clocks of the
// group run apart by more than DriftMax each, the first always comes before the
// second. Whoever leads anew counts from its beginning.
//
// # Refuses
//
// It has no time of its own: no command says when it is. It is no database: all
// of it is in memory and in every snapshot, and its size is bounded. A holder that
// sleeps between looking at its clock and acting is not stopped by a lease; the
// token stops it.
//
// # Differs
//
// From etcd: one revision of a key is kept and not all; the changes kept for
// watchers are a bounded ring, not part of the snapshot; a lease has a name and
// one holder instead of a number.
package facts
