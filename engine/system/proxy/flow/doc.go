// Package flow gives each new flow its place on a backend: it picks from the current
// table, keeps the limits and the queues, counts, and tells the host's loop what
// traffic saw. All protocols share it.
//
// # Told
//
// Swap puts a table into force, Cut names flows to be closed; a protocol asks
// for a place with Acquire and says with Answered, Good and Done how it went.
//
// # Asks
//
// Report carries what traffic saw of a backend to the host's loop: when as many
// flows failed in a row, or were kept away from a backend that refuses them, as
// eject it, and again while it goes on, see balance.Trouble.
//
// # Promises
//
//   - A backend never has more flows than its limit, and its queue never more
//     than its bound, and who waits keeps the order. A newcomer may take a
//     place in the moment it comes free; that costs nobody the place in line.
//   - Counters are kept by name and outlive tables: a flow keeps its place
//     whatever is swapped in.
//   - What is lost with a backend that went down is said to those who can go
//     elsewhere, at the swap, and only while somebody else can take it.
//   - A backend that refused a connection gets no other flow in the next
//     moments, see balance.Trouble, as long as another one can take it.
//   - A failure of this host itself, such as no descriptor, is held against
//     no backend.
//
// # Refuses
//
// It decides nothing about health, weights or ejection: that is the balancer's.
// It opens no socket.
//
// # Differs
//
// From peer implementations of least-of-two by latency: the moving average goes
// by time and fades while nobody asks, see balance.LatencyFade.
package flow
