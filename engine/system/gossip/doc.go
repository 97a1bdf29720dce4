// Package gossip carries what hosts say of each other: heartbeats between agents,
// and the two gossip lists.
//
// Beats is the fast way: one UDP packet a report, authenticated, for member's
// Sends. A packet names the key it is sealed with, the life of the host it is for,
// and a number; so one from a stranger, for another host, from before a restart of
// either end, or heard already is counted and goes no further. A host whose life
// is not known yet cannot be believed: its first packet only teaches its life, and
// the next one, which answers with this host's, counts.
//
// List is hashicorp's memberlist: one for the hosts of a site, one for the
// gateways of all. It finds deaths late and members early, so it is where agents
// learn of each other.
//
// Both take their keys from one Keyring of the fleet. To rotate it, a new key is
// installed everywhere, then used everywhere, then the old one is removed: at no
// step does a host fail to understand another that is one step away.
package gossip
