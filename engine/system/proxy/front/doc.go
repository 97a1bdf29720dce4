// Package front is what all protocols of a listener share: its settings, swapped as
// one, the accepting, the PROXY header and who is trusted.
//
// # Told
//
// Set puts settings into force for new flows, and refuses them whole when a
// certificate cannot be read.
//
// # Asks
//
// Nothing. Accept calls back with each connection.
//
// # Promises
//
//   - One flow sees one set of settings from its beginning to its end.
//   - Running out of descriptors pauses the accepting; it never ends it.
//   - A PROXY header is read only where the listener expects one, from peers
//     that are trusted, within headerWait.
//
// # Refuses
//
// It knows no backend and no protocol above TCP.
//
// # Differs
//
// From the PROXY protocol's text nowhere; see proxyproto for what is accepted.
package front
