// Package keep decides what becomes of the process of one backend that the fleet
// runs itself: when it is started and started again, what a fault does to it, and
// when the fault ends.
//
// # Told
//
// Wanted says that the spec has the process, Left that it has it no more. Began
// answers a start that worked, Failed one that did not; Ended says that the
// process is gone, whatever ended it. Suffer orders a fault and Relieve its
// revert. Done answers a deed. Wake says that the deadline came.
//
// # Asks
//
// Start asks for the process to be started, and Began or Failed answers it. Stop
// asks for it to be ended for good; nothing answers that. A Deed is something to
// be done to the process that runs, and Done answers it at once. An Answer is for
// whoever gave an order; each order gets one, and so does a revert that nobody
// ordered but its time.
//
// # Promises
//
// A process that ends by itself is started again, after a pause that grows up to
// PauseMax and is short again once it ran for PauseReset. A fault that was
// answered without an error is in force until its revert: a process that ends
// meanwhile suffers it again as soon as it is started, and one that was killed on
// purpose is not started. A fault with a dead-man time ends by itself
// DeadManGrace after it, whether or not whoever ordered it still lives. There is
// one fault at a time; a revert of one that is not in force changes nothing. What
// left the spec does nothing any more.
//
// # Refuses
//
// It knows no process: numbers, signals, pipes, and who else has an address are
// the world's. Which faults may be ordered, and on whom, is for api.Check and
// fleet.
//
// # Differs
//
// A supervisor usually gives up on a process that ends again and again. Here it
// is tried for ever, every PauseMax: what is wrong with an edge site at night is
// mostly mended by somebody else, and probes keep users away meanwhile.
package keep
