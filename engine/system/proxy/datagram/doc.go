// Package datagram carries UDP flows to backends: the datagrams of one client go to
// one backend and its answers come back, until nothing was heard for a while.
//
// # Told
//
// Datagrams on the listener's socket; Close ends all flows.
//
// # Asks
//
// Of flow, a place for each new client address, and of the kernel a connected
// socket for it, so that only the backend's own answers are passed back and an
// unreachable port is noticed.
//
// # Promises
//
//   - A client address stays on its backend until the flow is idle, its backend
//     fails or is cut; swaps of the table move nobody.
//   - The number of flows is bounded by the listener, flowsMax without a limit.
//   - A flow that waits holds no buffer.
//
// # Refuses
//
// Queues: a datagram that waits is worse than one that is lost. It keeps no
// QUIC connections: one whose client moved to another address is a new flow,
// which the schedulers qch and iqch bring to the same backend.
//
// # Differs
//
// RFC 4787 asks address translators for two minutes and more; the listener's
// established time decides here.
package datagram
