package report_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/report"
)

// pipe is an encoder and the decoder that hears it.
type pipe struct {
	enc report.Encoder
	dec report.Decoder
}

// send sends a message and returns what arrives, and how many bytes it took.
func (p *pipe) send(t failer, m report.Message, clock *report.Clock, now instant.Instant) (report.Message, int) {
	t.Helper()
	b := p.enc.Append([]byte("before"), m)[len("before"):]
	n, err := report.Size(b)
	if err != nil || n != len(b)-report.HeadSize {
		t.Fatalf("the frame says %d of %d bytes: %v", n, len(b)-report.HeadSize, err)
	}
	got, err := p.dec.Read(b[report.HeadSize:], clock, now)
	if err != nil {
		t.Fatalf("%T: %v", m, err)
	}
	return got, len(b)
}

var (
	words = rapid.SampledFrom([]string{"", "a", "b", "shop-tokyo-1", "refused"})
	times = rapid.Custom(func(t *rapid.T) instant.Instant {
		if rapid.IntRange(0, 5).Draw(t, "never") == 0 {
			return instant.Never
		}
		return instant.Instant(rapid.Int64Range(0, 1<<62).Draw(t, "instant"))
	})
	spans = rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "span")) })
	walls = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "no time") {
			return time.Time{}
		}
		return time.Unix(0, rapid.Int64().Draw(t, "nanoseconds")).UTC()
	})
	events = rapid.Custom(func(t *rapid.T) api.Event {
		return api.Event{
			Seq: api.Seq(rapid.Uint64().Draw(t, "seq")), At: walls.Draw(t, "at"), Site: words.Draw(t, "site"), Host: words.Draw(t, "host"),
			Subject: id.Ref{Kind: id.Kind(words.Draw(t, "kind")), Name: words.Draw(t, "name")}, Lane: api.Lane(words.Draw(t, "lane")),
			State: api.State(words.Draw(t, "state")), Text: words.Draw(t, "text"), Reason: words.Draw(t, "reason"),
			Cause: api.Seq(rapid.Uint64().Draw(t, "cause")), By: words.Draw(t, "by"), Receipt: words.Draw(t, "receipt"),
		}
	})
)

func drawHealth(t *rapid.T) api.Health {
	return api.Health{Measured: api.Measure(words.Draw(t, "measured")), Forced: api.Measure(words.Draw(t, "forced")), Effective: api.Measure(words.Draw(t, "effective"))}
}

// drawBackend draws what a backend says after before.
func drawBackend(t *rapid.T, name string, before host.Backend) host.Backend {
	b := before
	b.Name, b.Probe.Subject, b.Balance.Backend = name, name, name
	switch rapid.IntRange(0, 4).Draw(t, "change") {
	case 0:
	case 1, 2: // a probe, or some
		b.Probe.Latency = spans.Draw(t, "latency")
		tail := rapid.StringMatching(`[.X^]{1,12}`).Draw(t, "tail")
		strip := b.Probe.Strip + tail
		b.Probe.Strip = strip[max(len(strip)-44, 0):]
	case 3:
		b.Probe.Strip = rapid.StringMatching(`[.X^]{0,60}`).Draw(t, "strip")
	case 4:
		b.Probe = probe.Status{
			Subject: name, Health: drawHealth(t), Since: times.Draw(t, "since"), Reason: words.Draw(t, "reason"), Warning: words.Draw(t, "warning"),
			Latency: spans.Draw(t, "latency"), Strip: before.Probe.Strip, Flaps: rapid.IntRange(0, 99).Draw(t, "flaps"), HeldTo: times.Draw(t, "held"),
		}
		b.Balance = balance.BackendStatus{
			Backend: name, Pool: words.Draw(t, "pool"), Phase: api.Phase(words.Draw(t, "phase")), Since: times.Draw(t, "phase since"), Reason: words.Draw(t, "why"),
			Weight: rapid.IntRange(0, 100).Draw(t, "weight"), Now: rapid.IntRange(0, 10000).Draw(t, "now"), Share: rapid.Float64Range(0, 1).Draw(t, "share"),
			DrainTo: times.Draw(t, "drain"), Ejected: rapid.IntRange(0, 9).Draw(t, "ejected"),
		}
	}
	return b
}

func drawReading(t *rapid.T, name string, before host.Reading) host.Reading {
	r := before
	r.Name, r.Latency = name, host.Histogram{}
	if rapid.Bool().Draw(t, "quiet") {
		return r
	}
	r.Active = rapid.Int64Range(-5, 5000).Draw(t, "active")
	draw := func(n *uint64) {
		if rapid.IntRange(0, 9).Draw(t, "restarted") == 0 {
			*n = 0
		}
		*n += rapid.Uint64Range(0, 1000).Draw(t, "added")
	}
	for _, n := range []*uint64{&r.Totals.Requests, &r.Totals.Errors, &r.Totals.Retries, &r.Totals.Flows, &r.Totals.InBytes, &r.Totals.OutBytes, &r.Totals.Latencies} {
		draw(n)
	}
	r.Totals.LatencySum = spans.Draw(t, "sum")
	for range rapid.IntRange(0, 5).Draw(t, "latencies") {
		r.Latency.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Second)).Draw(t, "latency")))
	}
	return r
}

// drawList draws a list of names that may differ from before, and their items.
func drawList[T any](t *rapid.T, before []T, name func(T) string, draw func(t *rapid.T, name string, before T) T) []T {
	var names []string
	for _, x := range before {
		names = append(names, name(x))
	}
	if rapid.IntRange(0, 3).Draw(t, "other names") == 0 {
		names = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}), 0, 6, rapid.ID[string]).Draw(t, "names")
		slices.Sort(names)
	}
	var all []T
	for _, n := range names {
		var was T
		if i := slices.IndexFunc(before, func(x T) bool { return name(x) == n }); i >= 0 {
			was = before[i]
		}
		all = append(all, draw(t, n, was))
	}
	return all
}

func backendName(b host.Backend) string { return b.Name }
func readingName(r host.Reading) string { return r.Name }

// drawStatus draws a status that follows another one, as a host's would or not.
func drawStatus(t *rapid.T, before host.Status) host.Status {
	s := before
	s.At = instant.Instant(rapid.Int64Range(0, 1<<62).Draw(t, "at"))
	if rapid.IntRange(0, 4).Draw(t, "rare") == 0 {
		s.Life, s.Rev, s.Dropped = rapid.Uint64().Draw(t, "life"), rapid.Uint64().Draw(t, "rev"), rapid.Uint64().Draw(t, "dropped")
		s.Panics = rapid.SliceOfN(words, 0, 3).Draw(t, "panics")
		s.Bindings = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) host.Binding {
			return host.Binding{Listener: words.Draw(t, "listener"), Address: words.Draw(t, "address"), Bound: rapid.Bool().Draw(t, "bound"), Reason: words.Draw(t, "reason"), Since: times.Draw(t, "since")}
		}), 0, 3).Draw(t, "bindings")
	}
	s.Backends = drawList(t, before.Backends, backendName, drawBackend)
	if rapid.Bool().Draw(t, "measured") {
		s.Readings = host.Readings{
			Number:    before.Readings.Number + 1,
			Listeners: drawList(t, before.Readings.Listeners, readingName, drawReading),
			Backends:  drawList(t, before.Readings.Backends, readingName, drawReading),
		}
	}
	return s
}

// same reports whether two values are the same but for empty and missing lists.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b)
}

func tidy(s host.Status) host.Status {
	if len(s.Panics) == 0 {
		s.Panics = nil
	}
	if len(s.Bindings) == 0 {
		s.Bindings = nil
	}
	return s
}

// TestReportsComeBack sends statuses behind each other on one line: each arrives as it
// is, and none of those that arrived before is changed by it.
func TestReportsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pipe
		var last host.Status
		var sent, came []host.Status
		for range rapid.IntRange(1, 8).Draw(t, "reports") {
			last = drawStatus(t, last)
			changed := rapid.Bool().Draw(t, "changed")
			got, _ := p.send(t, report.Report{Report: fleet.Report{Status: last, Changed: changed}}, nil, 0)
			r := got.(report.Report)
			if r.Changed != changed {
				t.Fatalf("changed: %t", r.Changed)
			}
			sent, came = append(sent, tidy(last)), append(came, r.Status)
		}
		for i := range sent {
			if !same(sent[i], tidy(came[i])) {
				t.Fatalf("report %d was\n%+v\nand arrived as\n%+v", i, sent[i], came[i])
			}
		}
	})
}

// failer is a test, or a drawn one.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}
