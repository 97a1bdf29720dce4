package balance_test

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"pgregory.net/rapid"
)

// failer is a test, drawn or not.
type failer interface{ Fatalf(string, ...any) }

// world drives one Balancer in virtual time.
type world struct {
	t       failer
	b       *balance.Balancer
	now     instant.Instant
	table   *balance.Table
	changes []balance.Change
	cuts    []balance.Cut
	active  map[int]int64
	latency map[int]time.Duration
	turn    uint64
}

func (w *world) Active(i int) int64          { return w.active[i] }
func (w *world) Latency(i int) time.Duration { return w.latency[i] }

func pool(n int, change func(*spec.Pool)) spec.Pool {
	one := 1
	p := spec.Pool{
		Name: "p", Site: "s", Scheduler: spec.WRR, DrainFor: spec.Duration(10 * time.Second),
		Ejection: spec.Ejection{Failures: 5, For: spec.Duration(5 * time.Second), ShareMax: 50},
		Retry:    spec.Retry{Attempts: &one, Budget: 20},
	}
	for i := range n {
		p.Backends = append(p.Backends, spec.Backend{Name: fmt.Sprintf("b%d", i), Address: "10.0.0.1", Port: 80 + i})
	}
	if change != nil {
		change(&p)
	}
	return p
}

func newWorld(t failer, p spec.Pool) *world {
	w := &world{t: t, b: balance.New(), active: map[int]int64{}, latency: map[int]time.Duration{}}
	w.do(balance.SetSpec{Pools: []spec.Pool{p}})
	for _, b := range p.Backends {
		w.health(b.Name, api.Up)
	}
	return w
}

func (w *world) do(ev balance.Event) {
	var out balance.Effects
	w.b.Step(w.now, ev, &out)
	if out.Table != nil {
		w.table = out.Table
	}
	w.changes = append(w.changes, out.Changes...)
	w.cuts = append(w.cuts, out.Cut...)
}

func (w *world) health(name string, m api.Measure) {
	w.do(balance.SetHealth{Backend: name, Health: api.Combine(m, ""), Reason: "test"})
}

func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for w.b.Deadline() <= end {
		if w.b.Deadline() < w.now {
			w.t.Fatalf("deadline %d is before now %d", w.b.Deadline(), w.now)
		}
		w.now = w.b.Deadline()
		w.do(balance.Wake{})
	}
	w.now = end
}

func (w *world) pick(q balance.Query) string {
	if q.Stick == 0 {
		q.Stick = balance.None
	}
	q.Turn = w.turn
	w.turn++
	i := w.table.Pick(0, q, w)
	if i == balance.None {
		return ""
	}
	return w.table.Backends[i].Spec.Name
}

// count picks n times.
func (w *world) count(n int) map[string]int {
	c := map[string]int{}
	for range n {
		c[w.pick(balance.Query{})]++
	}
	return c
}

func (w *world) phase(name string) balance.BackendStatus {
	for _, s := range w.b.Status() {
		if s.Backend == name {
			return s
		}
	}
	w.t.Fatalf("no backend %s", name)
	return balance.BackendStatus{}
}

func TestWeightedRoundRobinIsExactAndSmooth(t *testing.T) {
	w := newWorld(t, pool(3, nil))
	w.do(balance.SetWeight{Backend: "b0", Weight: 50})
	w.do(balance.SetWeight{Backend: "b1", Weight: 30})
	w.do(balance.SetWeight{Backend: "b2", Weight: 20})
	if c := w.count(1000); c["b0"] != 500 || c["b1"] != 300 || c["b2"] != 200 {
		t.Errorf("shares are %v", c)
	}
	last, row := "", 0
	for range 100 {
		if p := w.pick(balance.Query{}); p == last {
			if row++; row > 2 {
				t.Fatalf("%s %d times in a row", p, row)
			}
		} else {
			last, row = p, 1
		}
	}
}

func TestWeightZeroTakesNothing(t *testing.T) {
	w := newWorld(t, pool(2, nil))
	w.do(balance.SetWeight{Backend: "b0", Weight: 0})
	if c := w.count(100); c["b0"] != 0 || c["b1"] != 100 {
		t.Errorf("shares are %v", c)
	}
	if s := w.phase("b0"); s.Phase != api.PhaseIdle {
		t.Errorf("phase is %s", s.Phase)
	}
}

func TestLeastConnections(t *testing.T) {
	w := newWorld(t, pool(3, func(p *spec.Pool) { p.Scheduler = spec.WLC }))
	w.do(balance.SetWeight{Backend: "b2", Weight: 50})
	for range 500 {
		i := w.table.Pick(0, balance.Query{Turn: w.turn, Stick: balance.None}, w)
		w.turn++
		w.active[i]++
	}
	if w.active[0] != 200 || w.active[1] != 200 || w.active[2] != 100 {
		t.Errorf("flows by weight 100 100 50: %v", w.active)
	}
}

func TestPowerOfTwoPrefersTheFaster(t *testing.T) {
	w := newWorld(t, pool(2, func(p *spec.Pool) { p.Scheduler = spec.P2C }))
	w.latency[0], w.latency[1] = 10*time.Millisecond, time.Millisecond
	if c := w.count(100); c["b1"] != 100 {
		t.Errorf("shares are %v", c)
	}
	w.active[1] = 50
	if c := w.count(100); c["b0"] != 100 {
		t.Errorf("with 50 flows on the faster one shares are %v", c)
	}
}

func TestSourceHashStaysWhenAnotherBackendGoes(t *testing.T) {
	w := newWorld(t, pool(5, func(p *spec.Pool) { p.Scheduler = spec.SCH }))
	before := map[int]string{}
	key := func(i int) uint64 { return balance.HashSource(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})) }
	for i := range 2000 {
		before[i] = w.pick(balance.Query{Key: key(i)})
	}
	w.health("b3", api.Down)
	moved := 0
	for i := range before {
		now := w.pick(balance.Query{Key: key(i)})
		if now == "b3" {
			t.Fatal("a flow goes to the dead backend")
		}
		if before[i] != "b3" && now != before[i] {
			moved++
		}
	}
	if moved > 80 {
		t.Errorf("%d of 1600 sources of other backends moved", moved)
	}
}

func TestTriedBackendsAreNotPickedAgain(t *testing.T) {
	for _, s := range []spec.Scheduler{spec.RR, spec.WRR, spec.WLC, spec.SCH, spec.P2C} {
		w := newWorld(t, pool(3, func(p *spec.Pool) { p.Scheduler = s }))
		for turn := range 50 {
			q := balance.Query{Turn: uint64(turn), Random: uint64(turn) << 58, Key: uint64(turn), Stick: balance.None}
			for want := 3; want > 0; want-- {
				i := w.table.Pick(0, q, w)
				if i == balance.None {
					t.Fatalf("%s: nobody with %v tried", s, q.Tried)
				}
				for _, x := range q.Tried {
					if x == i {
						t.Fatalf("%s: %d again after %v", s, i, q.Tried)
					}
				}
				q.Tried = append(q.Tried, i)
			}
			if i := w.table.Pick(0, q, w); i != balance.None {
				t.Fatalf("%s: %d although all were tried", s, i)
			}
		}
	}
}

func TestSlowStart(t *testing.T) {
	w := newWorld(t, pool(2, func(p *spec.Pool) { p.SlowStart = spec.Duration(10 * time.Second) }))
	if s := w.phase("b0"); s.Phase != api.PhaseServing {
		t.Fatalf("a fresh pool's backend is %s", s.Phase)
	}
	w.health("b0", api.Down)
	w.run(time.Second)
	w.health("b0", api.Up)
	if s := w.phase("b0"); s.Phase != api.PhaseRising {
		t.Fatalf("a backend that came back is %s", s.Phase)
	}
	last := 0
	for range 10 {
		c := w.count(1100)
		if c["b0"] < last {
			t.Errorf("its share fell from %d to %d", last, c["b0"])
		}
		last = c["b0"]
		w.run(time.Second)
	}
	if c := w.count(1000); c["b0"] != 500 {
		t.Errorf("after the slow start shares are %v", c)
	}
	if s := w.phase("b0"); s.Phase != api.PhaseServing {
		t.Errorf("after the slow start it is %s", s.Phase)
	}
}

func TestDrainIsNeverCutBeforeItsDeadline(t *testing.T) {
	w := newWorld(t, pool(2, nil))
	w.do(balance.Drain{Backend: "b0"})
	if c := w.count(10); c["b0"] != 0 {
		t.Errorf("new flows go to the draining one: %v", c)
	}
	w.do(balance.Active{Backend: "b0", Flows: 3})
	w.run(10*time.Second - 1)
	if len(w.cuts) != 0 {
		t.Fatalf("cut before the deadline: %v", w.cuts)
	}
	w.run(1)
	if len(w.cuts) != 1 || w.phase("b0").Phase != api.PhaseDrained {
		t.Errorf("at the deadline: cuts %v, phase %s", w.cuts, w.phase("b0").Phase)
	}
	w.do(balance.Undrain{Backend: "b0"})
	if c := w.count(10); c["b0"] != 5 {
		t.Errorf("after undrain: %v", c)
	}
}

func TestDrainEndsWithItsLastFlow(t *testing.T) {
	w := newWorld(t, pool(2, nil))
	w.do(balance.Drain{Backend: "b0", For: time.Hour})
	w.do(balance.Active{Backend: "b0", Flows: 0})
	if w.phase("b0").Phase != api.PhaseDrained || len(w.cuts) != 0 {
		t.Errorf("phase %s, cuts %v", w.phase("b0").Phase, w.cuts)
	}
}

func TestStickyFlowsStayOnADrainingBackend(t *testing.T) {
	w := newWorld(t, pool(2, nil))
	w.do(balance.Drain{Backend: "b1"})
	if i := w.table.Pick(0, balance.Query{Stick: 1}, w); i != 1 {
		t.Errorf("a sticky flow went to %d", i)
	}
	w.health("b1", api.Down)
	if i := w.table.Pick(0, balance.Query{Stick: 1}, w); i != 0 {
		t.Errorf("a flow stuck to a dead backend: %d", i)
	}
}

func TestEjection(t *testing.T) {
	w := newWorld(t, pool(4, nil))
	fail := func(name string) { w.do(balance.Outcomes{Backend: name, InARow: 5, Reason: "reset"}) }
	fail("b0")
	fail("b1")
	fail("b2")
	ejected := 0
	for _, s := range w.b.Status() {
		if s.Phase == api.PhaseEjected {
			ejected++
		}
	}
	if ejected != 2 {
		t.Errorf("%d of 4 are ejected, the ceiling is 50%%", ejected)
	}
	w.run(5 * time.Second)
	if s := w.phase("b0"); s.Phase != api.PhaseServing {
		t.Errorf("after 5 s b0 is %s", s.Phase)
	}
	fail("b0")
	w.run(5 * time.Second)
	if s := w.phase("b0"); s.Phase != api.PhaseEjected {
		t.Errorf("the second ejection is no longer than the first: %s", s.Phase)
	}
	w.run(5 * time.Second)
	if s := w.phase("b0"); s.Phase != api.PhaseServing {
		t.Errorf("the second ejection is longer than 10 s: %s", s.Phase)
	}
}

func TestTheLastOneIsNeverEjected(t *testing.T) {
	w := newWorld(t, pool(2, nil))
	w.health("b1", api.Down)
	w.do(balance.Outcomes{Backend: "b0", InARow: 50})
	if s := w.phase("b0"); s.Phase != api.PhaseServing {
		t.Errorf("the only one that serves is %s", s.Phase)
	}
}

func TestBackups(t *testing.T) {
	w := newWorld(t, pool(3, func(p *spec.Pool) { p.Backends[2].Backup = true }))
	if c := w.count(100); c["b2"] != 0 || w.phase("b2").Phase != api.PhaseStandby {
		t.Errorf("shares %v, the backup is %s", c, w.phase("b2").Phase)
	}
	w.health("b0", api.Down)
	w.health("b1", api.Down)
	if c := w.count(100); c["b2"] != 100 || w.phase("b2").Phase != api.PhaseServing {
		t.Errorf("without the others: shares %v, the backup is %s", c, w.phase("b2").Phase)
	}
}

func TestPanicUsesAll(t *testing.T) {
	w := newWorld(t, pool(4, func(p *spec.Pool) { p.Panic = 50 }))
	w.health("b0", api.Down)
	w.health("b1", api.Down)
	if c := w.count(100); c["b0"] != 0 {
		t.Errorf("half is enough, but shares are %v", c)
	}
	w.health("b2", api.Down)
	if c := w.count(100); c["b0"] != 25 || len(w.b.Panics()) != 1 {
		t.Errorf("below the threshold shares are %v", c)
	}
	w.do(balance.SetHealth{Backend: "b0", Health: api.Combine(api.Down, api.Down)})
	if c := w.count(99); c["b0"] != 0 {
		t.Errorf("a backend that is forced down is used in panic: %v", c)
	}
}

func TestSpecChangesKeepWhatStays(t *testing.T) {
	w := newWorld(t, pool(3, nil))
	w.do(balance.SetWeight{Backend: "b0", Weight: 10})
	w.do(balance.Drain{Backend: "b1"})
	next := pool(4, nil)
	next.Backends = next.Backends[:2]
	w.do(balance.SetSpec{Pools: []spec.Pool{next}})
	if s := w.phase("b0"); s.Weight != 10 || s.Phase != api.PhaseServing {
		t.Errorf("b0 is %+v", s)
	}
	if s := w.phase("b1"); s.Phase != api.PhaseDraining {
		t.Errorf("b1 is %+v", s)
	}
	if len(w.cuts) != 0 {
		t.Errorf("flows are cut with the change: %v", w.cuts)
	}
	fresh := pool(2, nil)
	seven := 7
	fresh.Backends[0].Weight = &seven
	w.do(balance.SetSpec{Pools: []spec.Pool{fresh}})
	if s := w.phase("b0"); s.Weight != 7 {
		t.Errorf("the spec's new weight is not in force: %+v", s)
	}
}

// TestWhoLeavesMayFinish: flows of a backend that leaves the spec, or moves to
// another address, have the pool's drain_for; who comes back in time keeps them.
func TestWhoLeavesMayFinish(t *testing.T) {
	three := pool(3, nil)
	three.DrainFor = spec.Duration(10 * time.Second)
	w := newWorld(t, three)
	was := three.Backends[2].AddrPort()
	moved := three
	moved.Backends = slices.Clone(three.Backends[:2])
	moved.Backends[1].Port++
	w.do(balance.SetSpec{Pools: []spec.Pool{moved}})
	w.run(9 * time.Second)
	if len(w.cuts) != 0 {
		t.Fatalf("cut before the deadline: %v", w.cuts)
	}
	back := moved
	back.Backends = append(slices.Clone(moved.Backends), three.Backends[2])
	w.do(balance.SetSpec{Pools: []spec.Pool{back}})
	w.run(2 * time.Second)
	want := []balance.Cut{{Backend: "b1", Address: three.Backends[1].AddrPort()}}
	if !slices.Equal(w.cuts, want) {
		t.Errorf("cuts are %v, want %v: b2 at %s is back", w.cuts, want, was)
	}
}

// TestPicksAreUsable: whatever happened, a pick is a usable backend, or a
// backup when there is none, or nobody.
func TestPicksAreUsable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "backends")
		p := pool(n, func(p *spec.Pool) {
			p.Scheduler = rapid.SampledFrom([]spec.Scheduler{spec.RR, spec.WRR, spec.WLC, spec.SCH, spec.P2C}).Draw(t, "scheduler")
			p.SlowStart = spec.Duration(rapid.SampledFrom([]time.Duration{0, 10 * time.Second}).Draw(t, "slow start"))
			for i := range p.Backends {
				p.Backends[i].Backup = rapid.IntRange(0, 3).Draw(t, "backup") == 0
			}
		})
		w := &world{b: balance.New(), active: map[int]int64{}, latency: map[int]time.Duration{}}
		w.do(balance.SetSpec{Pools: []spec.Pool{p}})
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			name := p.Backends[rapid.IntRange(0, n-1).Draw(t, "backend")].Name
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0, 1:
				w.health(name, rapid.SampledFrom([]api.Measure{api.Up, api.Down}).Draw(t, "health"))
			case 2:
				w.do(balance.SetWeight{Backend: name, Weight: rapid.IntRange(0, 100).Draw(t, "weight")})
			case 3:
				w.do(balance.Drain{Backend: name, For: 5 * time.Second})
			case 4:
				w.do(balance.Undrain{Backend: name})
			case 5:
				w.do(balance.Outcomes{Backend: name, InARow: 5})
			case 6:
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 8000).Draw(t, "ms")) * time.Millisecond)
				w.do(balance.Wake{})
			}
			primary, ejected := false, 0
			status := w.b.Status()
			for i, s := range status {
				serving := s.Phase == api.PhaseServing || s.Phase == api.PhaseRising
				if serving != (w.table.Backends[i].Usable && s.Phase != api.PhaseStandby) {
					t.Fatalf("%s is %s but usable is %v", s.Backend, s.Phase, w.table.Backends[i].Usable)
				}
				primary = primary || serving && !p.Backends[i].Backup
				if s.Phase == api.PhaseEjected {
					ejected++
				}
			}
			if ejected > max(1, n/2) {
				t.Fatalf("%d of %d ejected", ejected, n)
			}
			i := w.table.Pick(0, balance.Query{Turn: rapid.Uint64().Draw(t, "turn"), Random: rapid.Uint64().Draw(t, "random"), Key: rapid.Uint64().Draw(t, "key"), Stick: balance.None}, w)
			if i == balance.None {
				for _, s := range status {
					if s.Phase == api.PhaseServing || s.Phase == api.PhaseRising {
						t.Fatalf("nobody was picked although %s is %s", s.Backend, s.Phase)
					}
				}
				continue
			}
			if !w.table.Backends[i].Usable || primary && w.table.Backends[i].Backup {
				t.Fatalf("picked %s, which is %s", status[i].Backend, status[i].Phase)
			}
		}
	})
}

func TestPickAllocatesNothing(t *testing.T) {
	for _, s := range []spec.Scheduler{spec.RR, spec.WRR, spec.WLC, spec.SCH, spec.P2C} {
		w := newWorld(t, pool(3, func(p *spec.Pool) { p.Scheduler = s }))
		l := loads{}
		if n := testing.AllocsPerRun(100, func() { w.table.Pick(0, balance.Query{Stick: balance.None}, l) }); n != 0 {
			t.Errorf("%s: %v allocations a pick", s, n)
		}
	}
}

type loads struct{}

func (loads) Active(int) int64          { return 1 }
func (loads) Latency(int) time.Duration { return time.Millisecond }

func TestBudget(t *testing.T) {
	b := balance.Budget{Share: 0.2}
	now, taken := instant.Instant(0), 0
	for range 1000 {
		b.Request()
		if b.Take(now) {
			taken++
		}
	}
	if taken < 200 || taken > 240 {
		t.Errorf("%d retries of 1000 requests at 20 %% and a floor of 30 saved up", taken)
	}
	for b.Take(now) {
	}
	if now = now.Add(time.Second); !b.Take(now) {
		t.Error("no retry a second later")
	}
}

func TestAffinityIsBoundedAndForgets(t *testing.T) {
	a := balance.NewAffinity(time.Minute)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range balance.AffinityMax + 10 {
		a.Set(0, addr(i), "b")
	}
	if a.Len() != balance.AffinityMax {
		t.Errorf("%d sources are remembered", a.Len())
	}
	if a.Get(0, addr(3)) != "" || a.Get(0, addr(balance.AffinityMax+3)) != "b" {
		t.Error("the newest made room instead of the oldest")
	}
	if a.Get(instant.Instant(time.Minute), addr(500)) != "" {
		t.Error("an address is remembered past its time")
	}
}

func TestHashQUIC(t *testing.T) {
	long := []byte{0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0}
	short := []byte{0x40, 1, 2, 3, 4, 5, 6, 7, 8, 99, 99}
	a, ok1 := balance.HashQUIC(long, spec.QCH)
	b, ok2 := balance.HashQUIC(short, spec.QCH)
	if !ok1 || !ok2 || a != b {
		t.Error("the same connection ID in a long and a short header hashes differently")
	}
	other := append([]byte{}, short...)
	other[1], other[5] = 77, 77
	x, _ := balance.HashQUIC(short, spec.IQCH)
	y, _ := balance.HashQUIC(other, spec.IQCH)
	if x != y {
		t.Error("iqch reads more than bytes 2 to 4")
	}
}

func FuzzHashQUIC(f *testing.F) {
	f.Add([]byte{0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(_ *testing.T, b []byte) {
		balance.HashQUIC(b, spec.QCH)
		balance.HashQUIC(b, spec.IQCH)
	})
}

func BenchmarkPick(b *testing.B) {
	for _, s := range []spec.Scheduler{spec.RR, spec.WRR, spec.WLC, spec.SCH, spec.P2C} {
		for _, n := range []int{3, 1000} {
			b.Run(fmt.Sprintf("%s-%d", s, n), func(b *testing.B) {
				w := newWorld(b, pool(n, func(p *spec.Pool) { p.Scheduler = s }))
				var q balance.Query
				q.Stick = balance.None
				for b.Loop() {
					q.Turn++
					q.Random = q.Turn * 0x9e3779b97f4a7c15
					w.table.Pick(0, q, loads{})
				}
			})
		}
	}
}

func TestSharesAddUp(t *testing.T) {
	w := newWorld(t, pool(3, nil))
	w.do(balance.SetWeight{Backend: "b0", Weight: 10})
	sum := 0.0
	for _, s := range w.table.Shares(0) {
		sum += s
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("shares add up to %v", sum)
	}
}
