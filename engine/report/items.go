package report

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// The fields of an item of a report's list. The first says how many items between
// it and the one before did not change.
const (
	itemGap = 1

	backendMeasured  = 2
	backendForced    = 3
	backendEffective = 4
	backendSince     = 5
	backendReason    = 6
	backendWarning   = 7
	backendLatency   = 8
	backendStripTail = 9  // the newest results, behind those of before
	backendStrip     = 10 // the whole, when it does not go on from before
	backendFlaps     = 11
	backendHeldTo    = 12
	backendPool      = 13
	backendPhase     = 14
	backendPhaseFrom = 15
	backendPhaseWhy  = 16
	backendWeight    = 17
	backendNow       = 18
	backendShare     = 19
	backendDrainTo   = 20
	backendEjected   = 21

	readingActive     = 2
	readingRequests   = 3 // this and the next seven: what was added
	readingErrors     = 4
	readingRetries    = 5
	readingFlows      = 6
	readingIn         = 7
	readingOut        = 8
	readingLatencies  = 9
	readingLatencySum = 10
	readingHistogram  = 11 // of this second, whole: count, sum, then each bucket's distance and count
)

// editor changes items of a list that others may have: it copies the list before
// the first change.
type editor[T any] struct {
	all []T
	own bool
	at  int // behind the newest item
}

// rename makes a list of these names. Items that had one of them keep what they
// say.
func (e *editor[T]) rename(names []string, name func(*T) string, fresh func(string) T) {
	old := make(map[string]int, len(e.all))
	for i := range e.all {
		old[name(&e.all[i])] = i
	}
	next := make([]T, 0, len(names))
	for _, n := range names {
		if i, ok := old[n]; ok {
			next = append(next, e.all[i])
			continue
		}
		next = append(next, fresh(n))
	}
	e.all, e.own, e.at = next, true, 0
	if len(next) == 0 {
		e.all = nil
	}
}

// item is the one whose fields g has; nil if there is none.
func (e *editor[T]) item(g *wire.Fields) *T {
	if !g.Next() || g.Field() != itemGap {
		g.Fail("an item does not say which one it is")
		return nil
	}
	i := e.at + g.Count(itemsMax)
	if i >= len(e.all) {
		g.Fail("an item is not in its list")
		return nil
	}
	if !e.own {
		e.all, e.own = append([]T(nil), e.all...), true
	}
	e.at = i + 1
	return &e.all[i]
}

// sameNames reports whether two lists have the same items.
func sameNames[T any](a, b []T, name func(*T) string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if name(&a[i]) != name(&b[i]) {
			return false
		}
	}
	return true
}

// base is what an item said before, where the list was another one.
func base[T any](before []T, name func(*T) string, fresh func(string) T) func(string) T {
	old := make(map[string]int, len(before))
	for i := range before {
		old[name(&before[i])] = i
	}
	return func(n string) T {
		if i, ok := old[n]; ok {
			return before[i]
		}
		return fresh(n)
	}
}

// appendItems appends the items of a list that changed, behind their names if those
// did. change appends the fields of one item.
func appendItems[T any](b []byte, names, field int, before, now []T, name func(*T) string, fresh func(string) T, same func(x, y *T) bool, change func(b []byte, x, y *T) []byte) []byte {
	now = now[:min(len(now), itemsMax)]
	was := func(i int) *T { return &before[i] }
	if !sameNames(before, now, name) {
		b = appendNames(b, names, now, name)
		of := base(before, name, fresh)
		was = func(i int) *T { x := of(name(&now[i])); return &x }
	}
	next := 0
	for i := range now {
		x, y := was(i), &now[i]
		if same(x, y) {
			continue
		}
		var mark int
		b, mark = wire.Begin(b, field)
		b = wire.AppendNumber(b, itemGap, uint64(i-next))
		b = wire.End(change(b, x, y), mark)
		next = i + 1
	}
	return b
}

func backendName(b *host.Backend) string { return b.Name }

func freshBackend(n string) host.Backend {
	var b host.Backend
	b.Name, b.Probe.Subject, b.Balance.Backend = n, n, n
	return b
}

func appendBackends(b []byte, before, now []host.Backend) []byte {
	same := func(x, y *host.Backend) bool { return *x == *y }
	return appendItems(b, reportBackendNames, reportBackend, before, now, backendName, freshBackend, same, appendBackend)
}

// appendBackend appends what of y differs from x.
func appendBackend(b []byte, x, y *host.Backend) []byte {
	p, q := &x.Probe, &y.Probe
	b = appendWord(b, backendMeasured, p.Health.Measured, q.Health.Measured, nameMax)
	b = appendWord(b, backendForced, p.Health.Forced, q.Health.Forced, nameMax)
	b = appendWord(b, backendEffective, p.Health.Effective, q.Health.Effective, nameMax)
	b = appendChange(b, backendSince, numberOf(p.Since), numberOf(q.Since))
	b = appendWord(b, backendReason, p.Reason, q.Reason, sentenceMax)
	b = appendWord(b, backendWarning, p.Warning, q.Warning, sentenceMax)
	if p.Latency != q.Latency {
		b = wire.AppendSigned(b, backendLatency, int64(q.Latency))
	}
	if p.Strip != q.Strip {
		b = appendStrip(b, p.Strip, q.Strip)
	}
	b = appendChange(b, backendFlaps, counted(p.Flaps), counted(q.Flaps))
	b = appendChange(b, backendHeldTo, numberOf(p.HeldTo), numberOf(q.HeldTo))
	u, v := &x.Balance, &y.Balance
	b = appendWord(b, backendPool, u.Pool, v.Pool, nameMax)
	b = appendWord(b, backendPhase, u.Phase, v.Phase, nameMax)
	b = appendChange(b, backendPhaseFrom, numberOf(u.Since), numberOf(v.Since))
	b = appendWord(b, backendPhaseWhy, u.Reason, v.Reason, sentenceMax)
	b = appendChange(b, backendWeight, counted(u.Weight), counted(v.Weight))
	b = appendChange(b, backendNow, counted(u.Now), counted(v.Now))
	b = appendChange(b, backendShare, math.Float64bits(u.Share), math.Float64bits(v.Share))
	b = appendChange(b, backendDrainTo, numberOf(u.DrainTo), numberOf(v.DrainTo))
	return appendChange(b, backendEjected, counted(u.Ejected), counted(v.Ejected))
}

// countMax bounds numbers that people count or set.
const countMax = 1 << 30

func counted(n int) uint64 { return uint64(min(max(n, 0), countMax)) }

func (r *reader) backend(g *wire.Fields, b *host.Backend) {
	p, v := &b.Probe, &b.Balance
	for g.Next() {
		switch g.Field() {
		case backendMeasured:
			p.Health.Measured = api.Measure(g.Text(nameMax))
		case backendForced:
			p.Health.Forced = api.Measure(g.Text(nameMax))
		case backendEffective:
			p.Health.Effective = api.Measure(g.Text(nameMax))
		case backendSince:
			p.Since = r.ours(g.Number(), g)
		case backendReason:
			p.Reason = g.Text(sentenceMax)
		case backendWarning:
			p.Warning = g.Text(sentenceMax)
		case backendLatency:
			p.Latency = time.Duration(g.Signed())
		case backendStripTail:
			tail := g.Text(stripMax)
			p.Strip = p.Strip[min(stripOver(p.Strip, tail), len(p.Strip)):] + tail
		case backendStrip:
			p.Strip = g.Text(sentenceMax)
		case backendFlaps:
			p.Flaps = g.Count(countMax)
		case backendHeldTo:
			p.HeldTo = r.ours(g.Number(), g)
		case backendPool:
			v.Pool = g.Text(nameMax)
		case backendPhase:
			v.Phase = api.Phase(g.Text(nameMax))
		case backendPhaseFrom:
			v.Since = r.ours(g.Number(), g)
		case backendPhaseWhy:
			v.Reason = g.Text(sentenceMax)
		case backendWeight:
			v.Weight = g.Count(countMax)
		case backendNow:
			v.Now = g.Count(countMax)
		case backendShare:
			v.Share = math.Float64frombits(g.Number())
		case backendDrainTo:
			v.DrainTo = r.ours(g.Number(), g)
		case backendEjected:
			v.Ejected = g.Count(countMax)
		}
	}
}

// stripMax is how many results a strip shows: as many fall off its front as come
// behind them. A strip that goes on in another way is sent whole.
const stripMax = 44

// tailMax is how many new results are looked for: ten probes a second.
const tailMax = 10

func stripOver(strip, tail string) int { return max(len(strip)+len(tail)-stripMax, 0) }

// appendStrip appends the newest results of a strip. A probe brings one, a report
// a second few.
func appendStrip(b []byte, before, now string) []byte {
	for n := 1; n <= min(len(now), tailMax) && len(before) <= stripMax; n++ {
		front, tail := now[:len(now)-n], now[len(now)-n:]
		if over := stripOver(before, tail); over <= len(before) && before[over:] == front {
			return wire.AppendBytes(b, backendStripTail, tail)
		}
	}
	return wire.AppendBytes(b, backendStrip, cut(now, sentenceMax))
}

func readingName(r *host.Reading) string { return r.Name }

func freshReading(n string) host.Reading { return host.Reading{Name: n} }

func appendReadings(b []byte, names, field int, before, now []host.Reading) []byte {
	same := func(x, y *host.Reading) bool { return *x == *y }
	return appendItems(b, names, field, before, now, readingName, freshReading, same, appendReading)
}

func appendReading(b []byte, x, y *host.Reading) []byte {
	if x.Active != y.Active {
		b = wire.AppendSigned(b, readingActive, y.Active)
	}
	added := func(field int, before, now uint64) {
		if before != now {
			b = wire.AppendSigned(b, field, int64(now-before))
		}
	}
	u, v := &x.Totals, &y.Totals
	added(readingRequests, u.Requests, v.Requests)
	added(readingErrors, u.Errors, v.Errors)
	added(readingRetries, u.Retries, v.Retries)
	added(readingFlows, u.Flows, v.Flows)
	added(readingIn, u.InBytes, v.InBytes)
	added(readingOut, u.OutBytes, v.OutBytes)
	added(readingLatencies, u.Latencies, v.Latencies)
	added(readingLatencySum, uint64(u.LatencySum), uint64(v.LatencySum))
	if x.Latency != y.Latency {
		b = appendHistogram(b, readingHistogram, &y.Latency)
	}
	return b
}

func readReading(g *wire.Fields, r *host.Reading) {
	if r == nil {
		return
	}
	for t := &r.Totals; g.Next(); {
		switch g.Field() {
		case readingActive:
			r.Active = g.Signed()
		case readingRequests:
			t.Requests += uint64(g.Signed())
		case readingErrors:
			t.Errors += uint64(g.Signed())
		case readingRetries:
			t.Retries += uint64(g.Signed())
		case readingFlows:
			t.Flows += uint64(g.Signed())
		case readingIn:
			t.InBytes += uint64(g.Signed())
		case readingOut:
			t.OutBytes += uint64(g.Signed())
		case readingLatencies:
			t.Latencies += uint64(g.Signed())
		case readingLatencySum:
			t.LatencySum += time.Duration(g.Signed())
		case readingHistogram:
			readHistogram(g, &r.Latency)
		}
	}
}

// appendHistogram appends the buckets that counted anything; nothing for an empty
// histogram.
func appendHistogram(b []byte, field int, h *host.Histogram) []byte {
	b, mark := wire.Begin(b, field)
	if *h != (host.Histogram{}) {
		b = binary.AppendUvarint(b, h.Count)
		b = binary.AppendVarint(b, int64(h.Sum))
		next := 0
		for i, n := range h.Buckets {
			if n > 0 {
				b = binary.AppendUvarint(b, uint64(i-next))
				b = binary.AppendUvarint(b, uint64(n))
				next = i + 1
			}
		}
	}
	return wire.End(b, mark)
}

func readHistogram(f *wire.Fields, h *host.Histogram) {
	*h = host.Histogram{}
	data := f.Bytes()
	if len(data) == 0 {
		return
	}
	r := wire.NewReader(data)
	h.Count = r.Number()
	sum := r.Number()
	h.Sum = time.Duration(int64(sum>>1) ^ -int64(sum&1))
	for i := 0; len(r.Left()) > 0; i++ {
		i += r.Count(host.HistogramBuckets)
		n := r.Count(math.MaxUint32)
		if i >= host.HistogramBuckets {
			r.Fail("a histogram has no such bucket")
			break
		}
		h.Buckets[i] = uint32(n)
	}
	f.Check(r.Err())
}
