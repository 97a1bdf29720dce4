// Package meter counts what goes through a listener or a backend, cheaply enough for
// every request.
//
// # Told
//
// Flows that open and close, requests, errors, retries, bytes, times to an
// answer; from any number of goroutines at once.
//
// # Asks
//
// Nothing.
//
// # Promises
//
// Totals only grow. Each latency is in exactly one Read, the first after it.
//
// # Refuses
//
// Rates, percentiles over longer times and labels: readers make those.
//
// # Differs
//
// From a histogram with chosen bounds: buckets are a sixteenth of their power of
// two, so that no service's range is a bad fit.
package meter
