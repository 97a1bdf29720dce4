package fleet_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// counting is a fleet of one host and one pool of ten, in which tests report what
// the host counts.
type counting struct {
	t    *testing.T
	f    *fleet.Fleet
	spec *spec.Fleet
	now  instant.Instant
	s    host.Status
	out  fleet.Effects
}

func newCounting(t *testing.T) *counting {
	s := big(1, 1)
	f, all := fill(s)
	c := &counting{t: t, f: f, spec: s, now: instant.Instant(time.Second), s: all[0]}
	c.s.Readings = host.Readings{}
	return c
}

// read reports readings of backends as the next ones.
func (c *counting) read(all ...host.Reading) {
	c.s.Readings = host.Readings{Number: c.s.Readings.Number + 1, Backends: all}
	c.report()
}

// report reports the newest readings again, as a host does between two of them.
func (c *counting) report() {
	c.s.At++
	c.f.Step(c.now, fleet.Report{Status: c.s}, &c.out)
}

// pool is the pool a second later.
func (c *counting) pool() api.Traffic {
	c.t.Helper()
	c.now = c.now.Add(time.Second)
	c.out.Reset()
	c.f.Step(c.now, fleet.Wake{}, &c.out)
	p, ok := c.f.Status().Pool("p000")
	if !ok {
		c.t.Fatal("no pool")
	}
	return p.Traffic
}

func reading(name string, requests uint64, active int64, latencies ...time.Duration) host.Reading {
	r := host.Reading{Name: name, Active: active, Totals: api.Totals{Requests: requests}}
	for _, d := range latencies {
		r.Latency.Add(d)
	}
	return r
}

// A host that has something to say between two measurements repeats the older
// one: its latencies count once.
func TestReadingsCountOnce(t *testing.T) {
	c := newCounting(t)
	before := c.pool().Totals
	slow := reading("p000-0", 110, 0, time.Second)
	c.read(slow)
	for range 50 {
		c.report()
	}
	fast := make([]time.Duration, 200)
	for i := range fast {
		fast[i] = time.Millisecond
	}
	c.read(reading("p000-0", 210, 0, fast...))
	got := c.pool()
	if got.P90 > 10*time.Millisecond {
		t.Errorf("one answer of a second among 201 makes the p90 %s", got.P90)
	}
	if all := got.Totals; all.Latencies-before.Latencies != 201 || all.LatencySum-before.LatencySum != 1200*time.Millisecond {
		t.Errorf("%d latencies of %s altogether, want 201 of 1.2s", all.Latencies-before.Latencies, all.LatencySum-before.LatencySum)
	}
	if n := c.pool().Totals.Requests; n != 300 { // 10 each before, then 100 and 100
		t.Errorf("the pool counted %d requests, want 300", n)
	}
}

// The flows of a pool are those of its backends now: what left the readings, the
// spec, or the fleet has none.
func TestOpenFlowsLeave(t *testing.T) {
	c := newCounting(t)
	c.read(reading("p000-0", 10, 3), reading("p000-1", 10, 4))
	if n := c.pool().Active; n != 7 {
		t.Fatalf("%d flows are open, want 7", n)
	}
	c.read(reading("p000-1", 10, 4))
	if n := c.pool().Active; n != 4 {
		t.Errorf("%d flows are open after a backend left the readings, want 4", n)
	}
	// It comes back with its totals, which is no burst.
	was := c.pool().Totals.Requests
	c.read(reading("p000-0", 12, 1), reading("p000-1", 10, 4))
	if p := c.pool(); p.Totals.Requests != was+2 || p.Active != 5 {
		t.Errorf("%d more requests and %d flows after it came back, want 2 and 5", p.Totals.Requests-was, p.Active)
	}
	less := *c.spec
	less.Pools = []spec.Pool{c.spec.Pools[0]}
	less.Pools[0].Backends = less.Pools[0].Backends[1:]
	c.f.Step(c.now, fleet.SetSpec{Fleet: &less}, &c.out)
	c.read(reading("p000-0", 12, 1), reading("p000-1", 10, 4)) // it has its last flow
	if n := c.pool().Active; n != 4 {
		t.Errorf("%d flows are open after a backend left the spec, want 4", n)
	}
}
