// Package cert serves a listener's certificates: the one for the name that a client
// asks for, read again when its files change.
//
// # Told
//
// The spec's files when a listener is set up; handshakes.
//
// # Asks
//
// Nothing.
//
// # Promises
//
//   - What cannot be read at the start is refused with the file's name; later it
//     leaves what was there in force.
//   - Files that change are noticed by a handshake within checkEvery and reach
//     new handshakes only.
//   - The exact name goes before a wildcard for its first label, and that before
//     the first certificate.
//
// # Refuses
//
// Expiry is not a reason to stop serving: a client decides what it accepts, and
// probes say early what expires.
//
// # Differs
//
// A client without a name, or with one that nobody serves, gets the first
// certificate instead of an alert (RFC 6066 section 3 allows both).
package cert
