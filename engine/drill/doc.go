// Package drill rehearses a failure with a stopwatch: steady state, a fault,
// what independent clients saw, the fault reverted whatever happens, a verdict.
//
// # Told
//
// Start begins a run, Abort ends it early. Observe is the picture as far as it
// concerns the drill. FaultDone says that the fault is in, or out again, and
// when. Sampled are the independent probes' results. Wake says that the
// deadline came.
//
// # Asks
//
// StartProbes, then Inject once the baseline is clean; both are answered. Revert
// is asked until it is answered. StopProbes and Ended come last.
//
// # Promises
//
// A run that injected its fault always asks for its revert: at the end of the
// hold, on abort, on a stop condition, and after a failed injection; whoever
// carries the fault out keeps the dead-man time besides. A verdict says what was
// measured: took is the time from the fault to the end of the last failed probe,
// whenever that was, and its resolution is the probes' interval. A run whose
// probes were late themselves proves nothing and says so.
//
// # Refuses
//
// It does not start in anything but a steady state. It measures nothing itself.
//
// # Differs
//
// It follows no standard.
package drill
