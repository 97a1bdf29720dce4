// Package stream carries TCP flows to backends: plain, behind terminated TLS, and
// TLS that is passed through by the name in its ClientHello.
//
// # Told
//
// A bound listener's connections, and through its front.Front the settings and
// the table of this moment.
//
// # Asks
//
// A place on a backend for each connection; when a backend refuses, a place on
// another one, within the pool's attempts: nothing was sent yet, so nothing can
// happen twice, and no budget is needed, as no backend had any work of it.
//
// # Promises
//
// A half that one end closes is closed at the other end, and the other half goes
// on. An end that breaks is broken at the other end too: a cut answer never looks
// like a whole one. A flow on which no byte was seen for the listener's
// established time is closed, to the second. An idle flow holds no buffer. What
// this host runs out of is not held against a backend.
//
// Plain TCP, and TLS that is passed through, is carried by the loops of package
// carry, without a goroutine for the flow; what is decrypted here has two.
//
// # Refuses
//
// It reads nothing of what it carries but a PROXY header and a ClientHello.
//
// # Differs
//
// haproxy closes a client whose backend broke with a FIN; here it is a reset.
package stream
