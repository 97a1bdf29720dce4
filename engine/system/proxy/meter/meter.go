package meter

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// Meter counts. The zero value is ready; all methods may be called at once.
type Meter struct {
	requests, errors, retries, flows, in, out atomic.Uint64
	active                                    atomic.Int64
	sum                                       atomic.Int64 // of latencies, in nanoseconds
	latency                                   [host.HistogramBuckets]atomic.Uint32
}

// FlowOpen counts a flow that began.
func (m *Meter) FlowOpen() { m.flows.Add(1); m.active.Add(1) }

// FlowClose counts a flow that ended.
func (m *Meter) FlowClose() { m.active.Add(-1) }

// Active is the number of open flows.
func (m *Meter) Active() int64 { return m.active.Load() }

// Request counts a request, or a flow where there are no requests.
func (m *Meter) Request() { m.requests.Add(1) }

// Error counts one that failed.
func (m *Meter) Error() { m.errors.Add(1) }

// Retry counts one that was tried again.
func (m *Meter) Retry() { m.retries.Add(1) }

// In counts bytes from the client.
func (m *Meter) In(n int64) { m.in.Add(uint64(n)) }

// Out counts bytes to the client.
func (m *Meter) Out(n int64) { m.out.Add(uint64(n)) }

// Latency counts the time to an answer.
func (m *Meter) Latency(d time.Duration) {
	m.latency[host.HistogramBucket(d)].Add(1)
	m.sum.Add(int64(max(d, 0)))
}

// Read returns the totals, and the latencies since the last Read.
func (m *Meter) Read(name string) host.Reading {
	r := host.Reading{Name: name, Active: m.active.Load(), Totals: api.Totals{
		Requests: m.requests.Load(), Errors: m.errors.Load(), Retries: m.retries.Load(),
		Flows: m.flows.Load(), InBytes: m.in.Load(), OutBytes: m.out.Load(),
	}}
	r.Latency.Sum = time.Duration(m.sum.Swap(0))
	for i := range m.latency {
		if m.latency[i].Load() == 0 {
			continue
		}
		n := m.latency[i].Swap(0)
		r.Latency.Buckets[i] = n
		r.Latency.Count += uint64(n)
	}
	return r
}
