// Package poll waits for many sockets and many times at once, on one goroutine.
//
// # Told
//
// Which sockets to watch, and when to ring. From any goroutine.
//
// # Asks
//
// It calls the handler of a socket that became ready and of an alarm whose time
// has come, one after the other, on its own goroutine. A handler never waits for
// anything: whatever it waits for would keep all the others waiting.
//
// # Promises
//
// A handler is called once for each time its socket became ready since it was
// called last, and never early for a time. It may be called in vain. When a Poll
// ends, every alarm that is set rings once more, so that whoever waits cleans up.
//
// # Refuses
//
// Anything that may block: files, names, TLS. Those stay on goroutines, and so
// does everything where there is no Poll: New says so on systems without one.
//
// # Differs
//
// From the runtime's own poller and timers, which are as good for a busy process
// and dear for an idle one. There each small exchange parks a goroutine several
// times; each timer that fires, and each goroutine that is readied by another,
// wakes a second thread to look for more work; and each system call that was
// declared as one wakes the runtime's monitor, which then looks every 20 µs
// whether it blocks. Of a fleet that idles at 150 small exchanges a second that
// was two thirds of the cost. A Poll parks once for all it waits for, on one
// descriptor of the runtime's poller; its times come from a timer descriptor
// among the sockets; and its system calls, none of which can block, are made
// without a word to the scheduler.
package poll
