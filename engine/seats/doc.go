// Package seats decides which hosts have a seat in which replica group: who founds
// a group, who joins it and who leaves, one change at a time.
//
// # Told
//
// Look is everything at once, as often as something of it changes: the spec's
// sites, what is known of each host, this host's replicas, and who is to found
// which group. What comes of the spec and of the facts must have been read: a host
// that is not among them loses its seat. Ended is the answer to a Create, Change or
// Transfer. Shutdown says that this agent is about to stop. Wake says that the
// deadline came.
//
// # Asks
//
// Create, Change and Transfer are for the replicas, and are answered by Ended. Name
// and Found are for the fleet's facts, each a compare-and-set; the next Look shows
// what came of them.
//
// # Promises
//
// The group fleet has an odd number of voters, each in another place: one of each
// site, up to five, and a witness where it makes an even number odd. One site alone
// gives up to three hosts. Two sites without a witness cannot both survive each
// other: the one that the spec names first, and that has two hosts, has two voters
// and the other has one, so that any host, and the second site, may be lost; for the
// loss of the first a person is needed, and Status says so. The group site/NAME has
// one, three or five hosts of its site.
//
// A seat moves for a reason only. A host that was removed, that leaves or that the
// spec does not have loses it at once. A dead host loses it after DeadFor, and only
// to a host that is alive. A host whose agent is stopped, or that is cut off, keeps
// it. No change is asked for unless a majority of the voters that it leads to is
// alive and has caught up, so that none makes a group stop.
//
// A group is founded once: by whom is a fact, and it gets no second seat before
// it is a fact too that it was founded. A founder is replaced only before that, and
// only when its host was removed from the fleet: should it be let in again, it
// begins with an empty journal, as a removed host must.
//
// # Refuses
//
// It brings back no group that lost its majority. It does not tell a dead site from
// one that is cut off: it need not, since a change needs a majority of the voters
// there are. It moves no lead for balance. The group of a site that the spec does
// not have any more stays as it is.
//
// # Differs
//
// It follows no standard.
package seats
