package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints one scenario as a table of markdown, aligned for terminals. Ratios are taken within a round, against the
// haproxy of the same layer, and their median is shown.
func report(w io.Writer, s scenario, all []contender, results [][]result) {
	fmt.Fprintf(w, "\n### %s\n\n", s.title)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, "| "+strings.Join(cells, "\t| ")+"\t|") }
	row("", "req/s", "MiB/s", "p50", "p99", "cpu s/"+s.per, "errors", "x haproxy tcp", "x haproxy http", "x direct")
	row(slices.Repeat([]string{"---"}, 10)...)
	index := map[string]int{}
	for i, c := range all {
		index[c.name] = i
	}
	for i, c := range all {
		rs := results[i]
		ratio := func(to string) string {
			of := results[index[to]]
			rounds := make([]float64, len(rs))
			for k := range rs {
				rounds[k] = rs[k].rate / of[k].rate
			}
			return fmt.Sprintf("%.2f", median(rounds))
		}
		errors := 0
		for _, r := range rs {
			errors += r.errors
		}
		cpu := "-"
		if c.process != nil {
			cpu = fmt.Sprintf("%.2f", pick(rs, s.cost))
		}
		row(c.name,
			fmt.Sprintf("%.0f", pick(rs, func(r result) float64 { return r.rate })),
			fmt.Sprintf("%.0f", pick(rs, func(r result) float64 { return r.bytes / (1 << 20) })),
			short(pick(rs, func(r result) float64 { return float64(r.p50) })),
			short(pick(rs, func(r result) float64 { return float64(r.p99) })),
			cpu, strconv.Itoa(errors),
			ratio("haproxy tcp"), ratio("haproxy http"), ratio("direct"))
	}
	_ = t.Flush()
}

func short(ns float64) string { return time.Duration(ns).Round(10 * time.Microsecond).String() }

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
