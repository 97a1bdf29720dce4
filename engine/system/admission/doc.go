// Package admission is who may come into a fleet, as its facts have it: tokens,
// hosts and people that joined, removals, who signs certificates, and the keys that
// hosts share.
//
// # Where it is kept
//
// All of it stands under one prefix of the fleet group's facts:
//
//	admit/token/ID        a token, without its secret
//	admit/host/NAME       a host that joined, and when
//	admit/person/NAME     a person, with the role
//	admit/removed/TARGET  when host/NAME or person/NAME was last shut out
//	admit/signs/HOST      for whom this host's authority signs
//	admit/keyring         the keys for gossip, and how far their change is
//	admit/has/HOST        which of these keys a host has
//
// Every host watches them, and keeps the newest on its disk: one that starts cut
// off refuses whom it knew to be removed.
//
// # What counts
//
// A token is used by a transaction that also enters who brought it: two agents that
// are asked at the same time let in one host. That needs a majority of the hosts
// that keep the facts; without one nobody joins, and it is said so. To renew needs
// none: a site that is cut off goes on.
//
// A removal is a moment, and ends what joined up to it. Moments are made in the
// facts' own order, so that clocks which disagree cannot make a removal void, or a
// new token.
package admission
