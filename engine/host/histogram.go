package host

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets whose width is a sixteenth of their
// power of two: any quantile is right to about 6 %. It has a fixed size, so it
// is copied, merged and compared without care; the zero value is empty.
//
// The data path fills a twin made of atomics and hands out this one.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets [HistogramBuckets]uint32
}

// HistogramBuckets covers 1 µs to 67 s: 16 linear buckets and 16 per power of
// two above them.
const HistogramBuckets = 16 * 23

// HistogramBucket returns the bucket of a duration.
func HistogramBucket(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 16 {
		return int(us)
	}
	exp := bits.Len64(us) - 5 // us>>exp is 16 to 31
	return min(16*(exp+1)+int(us>>exp)-16, HistogramBuckets-1)
}

// HistogramValue returns the middle of a bucket.
func HistogramValue(bucket int) time.Duration {
	if bucket < 16 {
		return time.Duration(bucket)*time.Microsecond + 500*time.Nanosecond
	}
	exp := bucket/16 - 1
	low := uint64(16+bucket%16) << exp
	return time.Duration(low)*time.Microsecond + time.Duration(uint64(1)<<exp)*time.Microsecond/2
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	h.Count++
	h.Sum += max(d, 0)
	h.Buckets[HistogramBucket(d)]++
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	h.Count += o.Count
	h.Sum += o.Sum
	left := o.Count
	for i := 0; left > 0 && i < len(o.Buckets); i++ { // most of them are empty
		if n := o.Buckets[i]; n > 0 {
			h.Buckets[i] += n
			left -= min(uint64(n), left)
		}
	}
}

// Quantile returns the duration that a share q (0 to 1) of the counts is at or
// below; 0 for an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count == 0 {
		return 0
	}
	rank := uint64(q * float64(h.Count))
	if rank >= h.Count {
		rank = h.Count - 1
	}
	var seen uint64
	for i, n := range h.Buckets {
		seen += uint64(n)
		if seen > rank {
			return HistogramValue(i)
		}
	}
	return HistogramValue(HistogramBuckets - 1)
}
