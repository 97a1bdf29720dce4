package fleet

import (
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
)

// Windows of what people see.
const (
	rateSeconds  = 10
	trendSeconds = 60
	trendCoarse  = 64
	coarseEvery  = 15 // seconds
)

// series is the traffic of one thing, over all hosts.
type series struct {
	open   int64 // flows, of all tallies
	totals api.Totals
	shown  api.Traffic // of the complete seconds

	second  second              // being filled
	seconds [rateSeconds]second // complete ones
	count   int                 // complete ones, for ever

	// Two half windows of five seconds, so that a percentile covers five to ten.
	latency [2]host.Histogram

	requests, p99, errors       []float32
	requests15, p9915, errors15 []float32
	coarse                      second // sums of the running 15 s
}

type second struct{ requests, errors, in, out float64 }

// delta counts what happened since the last time.
func (s *series) delta(d *api.Totals, latency *host.Histogram) {
	s.totals.Requests += d.Requests
	s.totals.Errors += d.Errors
	s.totals.Retries += d.Retries
	s.totals.Flows += d.Flows
	s.totals.InBytes += d.InBytes
	s.totals.OutBytes += d.OutBytes
	s.second.requests += float64(d.Requests)
	s.second.errors += float64(d.Errors)
	s.second.in += float64(d.InBytes)
	s.second.out += float64(d.OutBytes)
	s.totals.Latencies += latency.Count
	s.totals.LatencySum += latency.Sum
	if latency.Count > 0 {
		s.latency[0].Merge(latency)
	}
}

// roll ends a second.
func (s *series) roll() {
	done := s.second
	s.second = second{}
	s.seconds[s.count%rateSeconds] = done
	s.count++
	if s.count%(rateSeconds/2) == 0 {
		s.latency[1], s.latency[0] = s.latency[0], host.Histogram{}
	}
	s.work()
	p99 := s.shown.P99
	s.requests = push(s.requests, float32(done.requests), trendSeconds)
	s.errors = push(s.errors, float32(done.errors), trendSeconds)
	s.p99 = push(s.p99, milliseconds(p99), trendSeconds)
	s.coarse.requests += done.requests
	s.coarse.errors += done.errors
	if s.count%coarseEvery == 0 {
		s.requests15 = push(s.requests15, float32(s.coarse.requests/coarseEvery), trendCoarse)
		s.errors15 = push(s.errors15, float32(s.coarse.errors/coarseEvery), trendCoarse)
		s.p9915 = push(s.p9915, milliseconds(p99), trendCoarse)
		s.coarse = second{}
	}
}

func milliseconds(d time.Duration) float32 {
	return float32(math.Round(float64(d)/1e4) / 100)
}

// push appends to a window of at most n values without touching what was handed
// out: a full backing array is left to its readers.
func push(w []float32, v float32, n int) []float32 {
	if len(w) == cap(w) {
		grown := make([]float32, min(len(w), n-1), 2*n)
		copy(grown, w[len(w)-len(grown):])
		w = grown
	}
	w = append(w, v)
	return w[max(0, len(w)-n):]
}

// quantiles of the last five to ten seconds.
func (s *series) quantiles(qs ...float64) [3]time.Duration {
	var out [3]time.Duration
	if s.latency[0].Count == 0 && s.latency[1].Count == 0 {
		return out
	}
	both := s.latency[1]
	both.Merge(&s.latency[0])
	for i, q := range qs {
		out[i] = both.Quantile(q)
	}
	return out
}

// traffic is the series for the picture.
func (s *series) traffic() api.Traffic {
	t := s.shown
	t.Totals, t.Active = s.totals, s.open
	return t
}

// work works out rates and latencies, once a second.
func (s *series) work() {
	t := api.Traffic{}
	n := min(s.count, rateSeconds)
	var sum second
	for i := range n {
		sum.requests += s.seconds[i].requests
		sum.errors += s.seconds[i].errors
		sum.in += s.seconds[i].in
		sum.out += s.seconds[i].out
	}
	k := float64(max(n, 1))
	t.Requests, t.Errors, t.InRate, t.OutRate = sum.requests/k, sum.errors/k, sum.in/k, sum.out/k
	if sum.requests > 0 {
		t.ErrorsPct = 100 * sum.errors / sum.requests
	}
	q := s.quantiles(0.5, 0.9, 0.99)
	t.P50, t.P90, t.P99 = q[0], q[1], q[2]
	s.shown = t
}

func (s *series) trend() api.Trend {
	return api.Trend{Requests: s.requests, P99: s.p99, Errors: s.errors, Requests15: s.requests15, P9915: s.p9915, Errors15: s.errors15}
}
