package probe_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
)

// BenchmarkStep shows that a probe costs the same with ten times more targets on
// a host, but for a level of the heap, and what a target takes of memory.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint("targets=", n), func(b *testing.B) {
			p := fast()
			var all []probe.Subject
			for i := range n {
				all = append(all, probe.Subject{Name: fmt.Sprint("s", i), Address: fmt.Sprint("x:", i), Probe: p})
			}
			before := heap()
			s := newBench(b, all...)
			s.run(time.Second)
			s.launches = nil
			memory := heap() - before
			var out probe.Effects
			for b.Loop() {
				s.now = s.p.Deadline()
				out.Reset()
				s.p.Step(s.now, probe.Wake{}, &out)
				for _, l := range out.Launches {
					s.p.Step(s.now, probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: probe.Outcome{Verdict: probe.Pass}}, &out)
				}
			}
			b.ReportMetric(float64(memory)/float64(n), "B/target")
			runtime.KeepAlive(s)
		})
	}
}

// BenchmarkStatus is what a report of a host costs.
func BenchmarkStatus(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint("subjects=", n), func(b *testing.B) {
			var all []probe.Subject
			for i := range n {
				all = append(all, probe.Subject{Name: fmt.Sprint("s", i), Address: fmt.Sprint("x:", i), Probe: fast()})
			}
			s := newBench(b, all...)
			s.run(5 * time.Second)
			for b.Loop() {
				_ = s.p.Status()
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
