// Package drill rehearses a failure with a stopwatch: steady state, a fault,
// what independent clients saw, the fault reverted whatever happens, a verdict.
//
// # Told
//
// Start begins a run, Abort ends it early. Observe is the picture as far as it
// concerns the drill. FaultDone says that the fault is in, or out again, and
// when; it may be out without having been asked. Sampled are the independent
// probes' results. Wake says that the deadline came.
//
// # Asks
//
// StartProbes, then Inject once the baseline is clean; both are answered. Revert
// is asked until it is answered or revertMax is over. StopProbes and Ended come
// last.
//
// # Promises
//
// Every run ends, whatever dies or does not answer: each phase has a bound, and
// what ended it is the report's reason. A run that asked for its fault always
// asks for its revert: at the end of the hold, on abort, on a stop condition,
// when its probes fall silent and after a failed injection; whoever carries the
// fault out keeps the dead-man time besides. A fault that somebody else takes
// back before its hold is over proves nothing, and the verdict says so.
//
// A verdict says what was measured, from the moment that the fault was done, also
// when the news of it came late. Took is the time from the fault to the end of the
// last failed probe, whenever that was, and its resolution is the probes'
// interval; a run waits for the time-outs of the last probes before it is judged.
// A run whose probes were late, missing or silent proves nothing and says so. A
// run needs the same memory however long it is.
//
// # Refuses
//
// It does not start in anything but a steady state. It measures nothing itself.
//
// # Differs
//
// It follows no standard.
package drill
