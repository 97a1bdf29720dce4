// Package traffic uses listeners as people do, and says what they would have
// seen.
//
// RunClients is the built-in traffic of a fleet: a steady rate of requests at
// all addresses of a listener in turn, most of them over kept connections, a
// tenth over new ones, counted once a second. RunProbes is a drill's independent
// witness: a request each millisecond, each on a connection of its own, each
// result told.
//
// Both are open loops: a request goes out when it is due, whatever became of
// the ones before it. Both remember no cookie, so that each request is a new
// user's for whoever keeps users on their backend by one.
//
// What this host could not do is told apart from what the listener did not: a
// probe that went out more than an interval after its time, or whose end was
// noticed late, is marked late; one that could not be sent, for lack of a place, a
// port or a descriptor, is marked unsent, and clients do not count it. What fell
// due while the whole host stood still is not sent at all, and so is missing.
//
// With a Poll, clients of a plain HTTP listener with a moderate rate are played on
// that, at a third of the cost, until an answer comes that is none for a glance;
// from then on, as everywhere else, each request has a goroutine. What they see
// is the same.
//
// What a request is depends on the listener. HTTP and HTTPS: a GET, whose answer
// is read whole; statuses from 500 on are failures. TCP and UDP before the
// fleet's own services: a token, which must come back. UDP before somebody
// else's: a datagram, which must be answered. TCP before somebody else's: a
// connection, which must not be closed again within 20 ms. TLS passthrough: a
// handshake.
package traffic
