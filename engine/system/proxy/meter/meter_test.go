package meter

import (
	"sync"
	"testing"
	"time"
)

func TestReadGivesTotalsAndNewLatencies(t *testing.T) {
	var m Meter
	m.FlowOpen()
	m.FlowOpen()
	m.FlowClose()
	m.Request()
	m.Error()
	m.Error()
	m.Retry()
	m.In(3)
	m.Out(5)
	m.Latency(time.Millisecond)
	m.Latency(time.Hour) // beyond the last bucket: counted there
	m.Latency(-1)
	r := m.Read("x")
	if r.Name != "x" || r.Active != 1 || r.Totals.Flows != 2 || r.Totals.Requests != 1 || r.Totals.Errors != 2 ||
		r.Totals.Retries != 1 || r.Totals.InBytes != 3 || r.Totals.OutBytes != 5 || r.Latency.Count != 3 || r.Latency.Sum != time.Hour+time.Millisecond {
		t.Errorf("%+v", r)
	}
	if q := r.Latency.Quantile(0.5); q < 940*time.Microsecond || q > 1060*time.Microsecond {
		t.Errorf("the median is %s", q)
	}
	m.Latency(time.Second)
	if r = m.Read("x"); r.Latency.Count != 1 || r.Latency.Sum != time.Second || r.Totals.Requests != 1 {
		t.Errorf("the second reading: %d latencies, %+v", r.Latency.Count, r.Totals)
	}
}

// TestNothingIsLostBetweenReadings: readers and writers at once.
func TestNothingIsLostBetweenReadings(t *testing.T) {
	var m Meter
	const writers, each = 4, 5000
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range each {
				m.Latency(time.Duration(i*n) * time.Microsecond)
				m.Request()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var counted uint64
	for more := true; more; {
		select {
		case <-done:
			more = false
		default:
		}
		counted += m.Read("x").Latency.Count
	}
	if counted != writers*each || m.Read("x").Totals.Requests != writers*each {
		t.Errorf("%d latencies of %d", counted, writers*each)
	}
}
