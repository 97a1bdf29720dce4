package main

import (
	"strings"
	"testing"
	"time"
)

// What was begun before the kill tells nothing of the time after it.
func TestRecovered(t *testing.T) {
	acks := [][2]int64{{10, 20}, {90, 130}, {110, 400}, {105, 500}}
	if took, ok := recovered(acks, 100); !ok || took != 300 {
		t.Errorf("it took %d, %v", took, ok)
	}
	if _, ok := recovered(acks[2:], 100); ok {
		t.Error("nothing was acknowledged before the kill, and yet it was measured")
	}
	if _, ok := recovered(acks[:2], 100); ok {
		t.Error("nothing was acknowledged after the kill, and yet it was measured")
	}
}

// A ratio is taken within a round, and each aim is judged by its own direction.
func TestReportJudges(t *testing.T) {
	r := func(p50, start time.Duration, rate, memory float64) result {
		return result{p50: p50, start: start, rate: rate, memory: memory, failover: []time.Duration{100}}
	}
	var b strings.Builder
	report(&b, settings{rounds: 2}, []contender{{name: "facts"}, {name: "etcd"}, {name: "etcd, tuned"}}, [][]result{
		{r(50, 10, 300, 20), r(100, 10, 600, 20)},
		{r(100, 100, 100, 30), r(200, 100, 200, 30)},
		{r(100, 20, 100, 30), r(200, 20, 200, 30)},
	})
	for _, want := range []string{"put p50  | ≤ 0.60 | 0.50    | reached", "puts/s   | ≥ 2.00 | 3.00    | reached", "memory   | ≤ 0.33 | 0.67    | missed", "start    | ≤ 0.25 | 0.10    | reached | 0.50", "failover | ≤ 1.00 | 1.00    | reached"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, b.String())
		}
	}
}
