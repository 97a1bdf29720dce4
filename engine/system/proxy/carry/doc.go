// Package carry moves the bytes of TCP flows between pairs of sockets: a loop for
// each processor, no goroutine for each flow.
//
// # Told
//
// Do hands a loop something to do on its goroutine; there, New makes a Pair of
// a client's socket, Connect gives it a backend's, Begin lets bytes pass, End
// ends it.
//
// # Asks
//
// Of the kernel, which sockets changed: edges of one epoll set a loop. Of the
// flow's owner nothing: Flow tells it what was moved and how the pair ended, on
// the loop's goroutine, where it must not wait.
//
// # Promises
//
//   - What is to be done next in one direction is decided by half, which knows
//     no socket; the order of what the kernel says does not matter to it.
//   - A half that one end closes is closed at the other end, and the other half
//     goes on. An end that breaks is broken at the other end too.
//   - A busy pair gives way after turnMax pieces.
//   - A pair holds a buffer or a pipe only while its receiver is not ready: one
//     buffer or one pipe in each direction. Nothing is read meanwhile.
//   - A descriptor that was given to a pair is closed exactly once, by End or
//     when the pair ends by itself; events that were on their way to it then
//     reach nobody.
//
// # Refuses
//
// It picks no backend, tries nothing twice and keeps no idle time: its owner
// does. It sees no byte of what it carries.
//
// # Differs
//
// From event loops on threads of their own: a loop is a goroutine, and waits in
// Go's own poller for its epoll set to become readable. A thread that blocks in
// epoll_wait has to win a processor back from the scheduler at each return.
package carry
