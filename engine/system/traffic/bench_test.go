package traffic_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/traffic"
)

// BenchmarkProbes shows what a drill's probes cost and how well they keep time:
// two seconds of a probe each millisecond against a service in this process,
// whose own cost is in the figure.
func BenchmarkProbes(b *testing.B) {
	a := serve(b, "a", spec.ServiceHTTP, nil)
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second)
		var took []time.Duration
		late := 0
		before := cpu()
		err := traffic.RunProbes(ctx, traffic.ProbesOptions{
			Use: traffic.Use{Protocol: spec.HTTP, Addresses: []string{a}}, Every: time.Millisecond, Clock: loop.NewClock(),
			Deliver: func(all []drill.Sample) {
				for _, s := range all {
					took = append(took, s.Took)
					if s.Late {
						late++
					}
				}
			},
		})
		used := cpu() - before
		cancel()
		if err != nil {
			b.Fatal(err)
		}
		slices.Sort(took)
		b.ReportMetric(float64(used.Microseconds())/float64(len(took)), "cpu-µs/probe")
		b.ReportMetric(float64(len(took))/2, "probes/s")
		b.ReportMetric(float64(late), "late")
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
