package balance

import (
	"cmp"
	"slices"
)

// orderMax bounds the length of a weighted order. Weights are rounded to fit.
const orderMax = 1 << 15

// interleave returns positions 0 to len(weights)-1, each as often as its weight
// says and as evenly spread as can be: position i's k-th turn stands at
// (k+½)/weight of the whole. That is what nginx's smooth weighted round robin
// gives for equal weights, in one sort instead of a scan per pick.
func interleave(weights []int) []int32 {
	weights = reduce(weights)
	total := 0
	for _, w := range weights {
		total += w
	}
	type turn struct {
		at  float64
		pos int32
	}
	turns := make([]turn, 0, total)
	for i, w := range weights {
		for k := range w {
			turns = append(turns, turn{(float64(k) + 0.5) / float64(w), int32(i)})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.pos, b.pos)) })
	order := make([]int32, len(turns))
	for i, t := range turns {
		order[i] = t.pos
	}
	return order
}

// reduce divides weights by their greatest common divisor and, when their sum
// is still too large, scales them down to no less than 1.
func reduce(weights []int) []int {
	out := make([]int, len(weights))
	divisor, total := 0, 0
	for i, w := range weights {
		out[i] = max(w, 1)
		divisor = gcd(divisor, out[i])
	}
	for i := range out {
		out[i] /= divisor
		total += out[i]
	}
	if total <= orderMax {
		return out
	}
	for i := range out {
		out[i] = max(1, out[i]*(orderMax/2)/total)
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
