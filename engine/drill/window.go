package drill

import (
	"math/bits"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// window counts the results of the last second, by when they came: what the stop
// condition looks at. Results come a little out of order, so it is made of parts.
type window struct {
	parts [windowParts]struct{ sent, failed uint32 }
	last  instant.Instant // number of the newest part
}

const (
	windowPart  = 100 * time.Millisecond
	windowParts = 10
)

func (w *window) add(end instant.Instant, ok bool) {
	n := end / instant.Instant(windowPart)
	for steps := 0; w.last < n && steps < windowParts; steps++ {
		w.last++
		w.parts[w.last%windowParts] = struct{ sent, failed uint32 }{}
	}
	if w.last < n { // all of it is too old
		w.last = n
	}
	if n <= w.last-windowParts {
		return // it is too late to count
	}
	p := &w.parts[n%windowParts]
	p.sent++
	if !ok {
		p.failed++
	}
}

// errors is the share of the results that are failures, in percent.
func (w *window) errors() float64 {
	sent, failed := uint32(0), uint32(0)
	for _, p := range w.parts {
		sent, failed = sent+p.sent, failed+p.failed
	}
	return 100 * float64(failed) / float64(max(sent, 1))
}

// histogram counts latencies in buckets a 128th of their power of two wide: a
// quantile is at most 0.8 % too long, and never too short. That is close enough
// to judge an objective by, costs a fixed 12 KiB, and forgets no outlier as a
// sample of all latencies would.
type histogram struct {
	count   uint64
	longest time.Duration
	buckets [histogramBuckets]uint32
}

const (
	histogramBits    = 7
	histogramFine    = 1 << histogramBits
	histogramBuckets = histogramFine * 22 // to 268 s; a probe's time-out is shorter
)

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.count++
	h.longest = max(h.longest, d)
	us := uint64((d + time.Microsecond - 1) / time.Microsecond)
	i := int(us)
	if us >= histogramFine {
		exp := bits.Len64(us) - histogramBits - 1
		i = histogramFine*exp + int(us>>exp)
	}
	h.buckets[min(i, histogramBuckets-1)]++
}

// quantile returns a duration that a share q of the latencies is not above.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.count)), uint64(0)
	for i, n := range h.buckets {
		if seen += uint64(n); seen > rank || seen == h.count && n > 0 {
			return min(histogramTop(i), h.longest)
		}
	}
	return h.longest
}

// histogramTop is the longest latency of a bucket.
func histogramTop(i int) time.Duration {
	if i < histogramFine {
		return time.Duration(i) * time.Microsecond
	}
	exp := i/histogramFine - 1
	if i == histogramBuckets-1 { // it holds all that are longer still
		return 1 << 62
	}
	fine := uint64(histogramFine + i%histogramFine)
	return time.Duration((fine+1)<<exp-1) * time.Microsecond
}
