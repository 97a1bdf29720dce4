package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// aims are what facts are to reach against etcd as it comes. A ratio of less is
// better, but for the rate.
var aims = []struct {
	what string
	of   func(result) float64
	aim  float64
	more bool
}{
	{"put p50", func(r result) float64 { return float64(r.p50) }, 0.6, false},
	{"puts/s", func(r result) float64 { return r.rate }, 2, true},
	{"memory", func(r result) float64 { return r.memory }, 1. / 3, false},
	{"start", func(r result) float64 { return float64(r.start) }, 0.25, false},
	{"failover", func(r result) float64 { return float64(medianSpan(r.failover)) }, 1, false},
}

// report prints two tables of markdown, aligned for terminals: what was measured,
// and the ratios of facts to the others.
func report(w io.Writer, s settings, all []contender, results [][]result) {
	fmt.Fprintf(w, "Medians of %d interleaved rounds; values of %d B; %d clients for puts/s; %d kills a round.\n\n", s.rounds, s.size, manyClients, s.kills)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, "| "+strings.Join(cells, "\t| ")+"\t|") }
	row("", "put p50", "p99", "puts/s", "memory", "not files'", "start", "failover", "worst", "acknowledged", "lost", "failed")
	row(slices.Repeat([]string{"---"}, 12)...)
	for i, c := range all {
		rs := results[i]
		var kills []time.Duration
		facts, lost, failed := 0, 0, 0
		for _, r := range rs {
			kills = append(kills, r.failover...)
			facts, lost, failed = facts+r.facts, lost+r.lost, failed+r.failed
		}
		worst := time.Duration(0)
		if len(kills) > 0 {
			worst = slices.Max(kills)
		}
		span := func(of func(result) time.Duration) string {
			return round(time.Duration(pick(rs, func(r result) float64 { return float64(of(r)) })))
		}
		row(c.name,
			span(func(r result) time.Duration { return r.p50 }), span(func(r result) time.Duration { return r.p99 }),
			fmt.Sprintf("%.0f", pick(rs, func(r result) float64 { return r.rate })),
			mib(pick(rs, func(r result) float64 { return r.memory })), mib(pick(rs, func(r result) float64 { return r.own })),
			span(func(r result) time.Duration { return r.start }), round(medianSpan(kills)), round(worst),
			fmt.Sprint(facts), fmt.Sprint(lost), fmt.Sprint(failed))
	}
	_ = t.Flush()
	if len(all) < 2 {
		return
	}
	fmt.Fprint(w, "\nRatios of facts, each taken within a round:\n\n")
	row("", "aim", "to "+all[1].name, "", "to "+all[2].name)
	row(slices.Repeat([]string{"---"}, 5)...)
	for _, a := range aims {
		ratio := func(to int) float64 {
			rounds := make([]float64, len(results[0]))
			for k := range rounds {
				rounds[k] = a.of(results[0][k]) / a.of(results[to][k])
			}
			return median(rounds)
		}
		sign, good := "≤", ratio(1) <= a.aim
		if a.more {
			sign, good = "≥", ratio(1) >= a.aim
		}
		verdict := "reached"
		if !good {
			verdict = "missed"
		}
		row(a.what, fmt.Sprintf("%s %.2f", sign, a.aim), fmt.Sprintf("%.2f", ratio(1)), verdict, fmt.Sprintf("%.2f", ratio(2)))
	}
	_ = t.Flush()
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func mib(n float64) string { return fmt.Sprintf("%.1f MiB", n/(1<<20)) }

func medianSpan(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	x := make([]float64, len(all))
	for i, d := range all {
		x[i] = float64(d)
	}
	return time.Duration(median(x))
}

func pick(rs []result, of func(result) float64) float64 {
	all := make([]float64, len(rs))
	for i, r := range rs {
		all[i] = of(r)
	}
	return median(all)
}

func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
