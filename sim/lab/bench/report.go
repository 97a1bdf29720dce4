package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report prints one scenario. Ratios are taken within a round, against the
// haproxy of the same layer, and their median is shown.
func report(w io.Writer, s scenario, all []contender, results [][]result) {
	fmt.Fprintf(w, "\n%s\n", s.title)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\treq/s\tMiB/s\tp50\tp99\tcpu s/"+s.per+"\terrors\tx haproxy tcp\tx haproxy http\tx direct\t")
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
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t\n", c.name,
			pick(rs, func(r result) float64 { return r.rate }),
			pick(rs, func(r result) float64 { return r.bytes / (1 << 20) }),
			short(pick(rs, func(r result) float64 { return float64(r.p50) })),
			short(pick(rs, func(r result) float64 { return float64(r.p99) })),
			cpu, errors,
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
