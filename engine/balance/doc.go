// Package balance decides where a new flow goes and when a backend drains. It
// builds the immutable Table that a host's data path reads.
//
// # Told
//
// SetSpec says which pools and listeners this host serves; SetHealth what is
// known of a backend; SetWeight, Drain and Undrain are an operator's words;
// Outcomes are what traffic saw; Active is how many flows a draining backend
// still has; Wake says that the deadline came.
//
// # Asks
//
// Table replaces the data path's table. Cut closes what is left of a backend's
// flows. Changes and Panics are for people.
//
// # Promises
//
// A backend is in exactly one phase. A drain is never cut before its deadline; it
// ends sooner with the last flow, where no persistence brings clients back. A
// backend that leaves the spec has its pool's drain_for for the flows it has.
// New flows go only to usable backends: up, not draining, not ejected, weight
// over 0; to backups only when there is no other; and to all that are not
// forced down, draining or of weight 0 when the pool panics, or when nothing of
// it was measured yet and it may panic. Ejection never takes more than ShareMax
// of a pool's backends (one is always allowed, unless ShareMax is 0), and never
// the last one that serves. A backend that comes back begins at a tenth of its
// weight and reaches all of it after SlowStart, under every scheduler; at the
// start of a pool there is no slow start.
//
// # Refuses
//
// It measures nothing, opens nothing and counts no flows: probe, the data path
// and its counters do. Open flows and latencies are handed to Pick. What every
// data path must do alike stands here all the same, without a clock or a lock:
// Budget, Affinity, Latency and Trouble.
//
// # Differs
//
// The reference knows neither drains, slow start, ejection, panic nor backups.
// Its wlc breaks ties of equal weights by the number of connections; here the
// whole order is (flows+1)/weight, which is the same for equal weights and does
// not give an idle pool's first flows all to one backend. qch hashes the
// destination connection ID of a long header, and the first eight bytes of a
// short header's (RFC 8999 section 5.2 leaves its length to the server); iqch
// takes bytes 2 to 4 of it, counted from 1.
package balance
