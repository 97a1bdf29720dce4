// Package identity says who is who in a fleet: its certificate authority, the
// certificates of its hosts and people, and how a new host gets its first one.
//
// # Keys
//
// All keys are Ed25519: signing needs no randomness that could fail, keys and
// signatures are small enough that a whole chain fits the first flight, and the
// only programs that verify them are ours, so nothing has to speak P-256. A
// host's private key is made on the host, is new with every certificate, and
// leaves it never: what travels is a signing request.
//
// # Certificates
//
// A certificate names what it is for in URIs: holdfast://FLEET/site/S and
// holdfast://FLEET/host/H for a host, holdfast://FLEET/person/P and
// holdfast://FLEET/role/R for a person. Addresses are not in it, so a host may
// move. A host's lives for HostLife and is renewed by itself when about two
// thirds of that are over; connections that stand are not touched by it.
//
// Several authorities can sign at once. The root signs itself; it can delegate
// to a host of each site, whose own key then signs for DelegateLife, so that a
// site that is cut off for longer than a certificate's life goes on. A root is
// succeeded by a new one that the old one vouches for (a cross-certificate):
// who trusts either accepts both until the old one is dropped from the bundle.
//
// There is no revocation list of serial numbers. A host is removed by name, with
// the moment of its removal: certificates from before it are refused everywhere,
// and one that it gets by joining anew is good.
//
// # Tokens
//
// A join token is used once, ends soon, and carries the hash of the authority:
// the new host refuses an agent that cannot show a chain to that hash before it
// sends the secret, and the agent refuses a host without the secret. Only a hash
// of the secret is stored.
//
// # What is pure
//
// Which token is good (Book), what a certificate must be (Trust) and when it is
// renewed (Schedule) are decided without any input or output, at a time that is
// handed in. The wall clock is right here, as certificates are about it.
// Acceptance allows other clocks to be Backdate behind.
package identity
