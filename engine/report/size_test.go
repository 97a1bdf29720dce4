package report_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// busyHost is a host with backends that serve, and reports once a second.
type busyHost struct {
	rng *rand.Rand
	s   host.Status
}

func newBusyHost(backends int) *busyHost {
	h := &busyHost{rng: rand.New(rand.NewPCG(1, uint64(backends)))}
	h.s = host.Status{Host: "tokyo-1", Life: 3, Rev: 7, At: instant.Instant(time.Hour)}
	for i := range backends {
		name := fmt.Sprintf("shop-tokyo-%05d", i)
		b := host.Backend{Name: name}
		b.Probe.Subject, b.Probe.Health, b.Probe.Reason = name, api.Combine(api.Up, ""), "200 OK in 1.2ms"
		b.Probe.Strip, b.Probe.Since, b.Probe.HeldTo = strings.Repeat(".", 44), instant.Instant(time.Minute), instant.Never
		b.Balance.Backend, b.Balance.Pool, b.Balance.Phase, b.Balance.Weight, b.Balance.Now = name, "shop", api.PhaseServing, 100, 10000
		b.Balance.Share, b.Balance.DrainTo = 1/float64(backends), instant.Never
		h.s.Backends = append(h.s.Backends, b)
	}
	h.s.Readings.Listeners = []host.Reading{{Name: "web"}}
	return h
}

// second is the next report: a probe of each backend, and traffic on some.
func (h *busyHost) second(traffic int) host.Status {
	s := h.s
	s.At = s.At.Add(time.Second)
	s.Backends = append([]host.Backend(nil), s.Backends...)
	for i := range s.Backends {
		s.Backends[i].Probe.Latency = time.Millisecond + time.Duration(h.rng.Int64N(int64(time.Millisecond)))
	}
	s.Readings.Number++
	count := func(r host.Reading, n int) host.Reading {
		r.Latency = host.Histogram{}
		for range n {
			r.Totals.Requests++
			r.Totals.Flows++
			r.Totals.InBytes += 300 + h.rng.Uint64N(100)
			r.Totals.OutBytes += 5000 + h.rng.Uint64N(1000)
			r.Latency.Add(time.Duration(float64(2*time.Millisecond) * math.Exp(h.rng.NormFloat64()/4)))
		}
		return r
	}
	s.Readings.Listeners = []host.Reading{count(s.Readings.Listeners[0], traffic*100)}
	var readings []host.Reading
	for i := range traffic {
		r := host.Reading{Name: s.Backends[i].Name}
		if i < len(h.s.Readings.Backends) {
			r = h.s.Readings.Backends[i]
		}
		readings = append(readings, count(r, 100))
	}
	s.Readings.Backends = readings
	h.s = s
	return s
}

// TestReportsAreSmall says what a report costs when nothing but counters moves.
func TestReportsAreSmall(t *testing.T) {
	for _, c := range []struct{ backends, traffic, first, then int }{
		{10, 0, 2_200, 150},
		{10, 4, 3_500, 800},
		{1000, 0, 190_000, 9_500},
		{1000, 20, 200_000, 13_000},
	} {
		h, p := newBusyHost(c.backends), &pipe{}
		_, first := p.send(t, report.Report{Report: fleet.Report{Status: h.second(c.traffic)}}, nil, 0)
		then := 0
		for range 10 {
			_, n := p.send(t, report.Report{Report: fleet.Report{Status: h.second(c.traffic)}}, nil, 0)
			then = max(then, n)
		}
		t.Logf("%d backends, %d with traffic: %d bytes, then at most %d", c.backends, c.traffic, first, then)
		if first > c.first || then > c.then {
			t.Errorf("%d backends, %d with traffic: %d and %d bytes; %d and %d are enough", c.backends, c.traffic, first, then, c.first, c.then)
		}
	}
}

// TestLargestFits has the share of a frame that a backend may take, with the longest
// sentences, be enough; and what is longer, or more, is cut.
func TestLargestFits(t *testing.T) {
	const itemsMax, some = 1 << 15, 512
	long := strings.Repeat("ä", 4000)
	s := newBusyHost(some).second(0)
	for i := range s.Backends {
		b := &s.Backends[i]
		b.Name += strings.Repeat("x", 47)
		b.Probe.Reason, b.Probe.Warning, b.Balance.Reason, b.Balance.Pool = long, long, long, strings.Repeat("p", 64)
	}
	var p pipe
	m, n := p.send(t, report.Report{Report: fleet.Report{Status: s}}, nil, 0)
	if got := m.(report.Report).Status.Backends[9]; n > report.FrameMax/itemsMax*some || got.Probe.Reason != strings.Repeat("ä", 100) {
		t.Errorf("%d bytes, the reason %q", n, got.Probe.Reason)
	}
	var names host.Status
	for i := range itemsMax + 5 {
		names.Panics = append(names.Panics, fmt.Sprint(i))
	}
	m, _ = p.send(t, report.Report{Report: fleet.Report{Status: names}}, nil, 0)
	if got := m.(report.Report).Status.Panics; len(got) != itemsMax || len(m.(report.Report).Status.Backends) > 0 {
		t.Errorf("%d of %d names", len(got), len(names.Panics))
	}
	var notes []host.Note
	for range 5000 {
		notes = append(notes, host.Note{Event: api.Event{Text: long, Reason: long, By: long, Receipt: long}})
	}
	m, _ = p.send(t, report.Told{Number: 1, Event: fleet.Noted{Notes: notes}}, nil, 0)
	if kept := m.(report.Told).Event.(fleet.Noted).Notes; len(kept) < 400 || len(kept) == len(notes) {
		t.Errorf("%d notes", len(kept))
	}
}

// TestUnknownFieldsAreSkipped has a message say more than this version knows.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	more := func(b []byte) []byte {
		return wire.AppendBytes(wire.AppendSigned(b, 9_999, -5), 777, "something new")
	}
	var p pipe
	h := newBusyHost(3)
	for _, m := range []report.Message{
		report.Hello{Epoch: 7, Ring: "e7"},
		report.Welcome{Life: 3, Pong: report.Pong{Took: 9}},
		report.Ping{Took: 3},
		report.Pong{Took: 4},
		report.Told{Number: 3, Event: fleet.FaultDone{ID: "f1"}},
		report.Order{Number: 3, Do: report.Fault{}},
		report.Events{Ring: "e7", Events: []api.Event{{Seq: 3}}},
		report.Share{Key: "words"},
		report.Refused{Number: 3},
		report.Report{Report: fleet.Report{Status: h.second(1)}},
	} {
		b := more(p.enc.Append(nil, m))
		got, err := p.dec.Read(b[report.HeadSize:], nil, 0)
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", m) && !strings.HasPrefix(fmt.Sprintf("%T", m), "report.Report") {
			t.Errorf("%+v came as %+v: %v", m, got, err)
		}
	}
	if _, err := p.dec.Read([]byte{200, 1, 2, 3}, nil, 0); err != report.ErrUnknown {
		t.Errorf("a kind that is not known: %v", err)
	}
	// Inside an item of a list too: behind the field that says which one it is.
	item, mark := wire.Begin([]byte{5}, 9)
	item = more(wire.AppendNumber(item, 1, 1))
	item = wire.End(wire.AppendSigned(item, 8, 555), mark)
	got, err := p.dec.Read(item, nil, 0)
	if err != nil || got.(report.Report).Status.Backends[1].Probe.Latency != 555 {
		t.Errorf("%+v: %v", got, err)
	}
}

// TestNewerCommand has a command that this version does not know spoil its order, and
// not the line.
func TestNewerCommand(t *testing.T) {
	b, mark := wire.Begin(wire.AppendNumber([]byte{7}, 1, 12), 3)
	b = wire.End(wire.AppendBytes(b, 1, `{"verb":"levitate","command":{}}`), mark)
	var d report.Decoder
	m, err := d.Read(b, nil, 0)
	if o, ok := m.(report.Order); err != nil || !ok || o.Number != 12 || o.Do != nil || !strings.Contains(o.Bad, "levitate") {
		t.Errorf("%+v: %v", m, err)
	}
	m, err = d.Read(wire.AppendBytes(wire.AppendNumber([]byte{7}, 1, 13), 99, "what?"), nil, 0)
	if o, ok := m.(report.Order); err != nil || !ok || o.Number != 13 || o.Do != nil || o.Bad == "" {
		t.Errorf("%+v: %v", m, err)
	}
}

// FuzzRead reads anything as the messages of a line, one behind the other. What is
// understood says the same when it is said again.
func FuzzRead(f *testing.F) {
	var enc report.Encoder
	h := newBusyHost(3)
	line := enc.Append(nil, report.Report{Report: fleet.Report{Status: h.second(2), Changed: true}})
	f.Add(enc.Append(line, report.Report{Report: fleet.Report{Status: h.second(2)}}))
	for _, m := range []report.Message{
		report.Hello{Epoch: 7, Ring: "e7", Grew: "e6", GrewAt: 5, Life: 3, Took: 4, Sent: 5},
		report.Welcome{Life: 3, Epoch: 7, Took: 9, Copy: true, Ring: "e6", Last: 4, Pong: report.Pong{Echo: 1, Got: 2, Sent: 3, Wall: time.Unix(5, 6)}},
		report.Ping{Sent: 5, Took: 3},
		report.Pong{Echo: 1, Got: 2, Sent: 3, Wall: time.Unix(5, 6), Took: 4},
		report.Told{Number: 3, Event: fleet.Noted{Notes: []host.Note{{At: 5, Event: api.Event{Text: "fails", At: time.Unix(7, 8)}, After: 1, Follows: true}}}},
		report.Told{Number: 3, Event: fleet.FaultDone{ID: "f1", At: 5, Err: "no"}},
		report.Told{Event: fleet.Adopt{By: "kim", Since: 5}},
		report.Told{Number: 4, Event: fleet.Process{Backend: "a", PID: 5, Running: true}},
		report.Order{Number: 3, Do: report.Fault{FaultOrder: fleet.FaultOrder{ID: "f1", Kind: api.FaultKill}}},
		report.Order{Number: 3, Do: report.Obey{Order: host.Order{Command: api.Unforce{Backend: "a"}, Cause: 5}}},
		report.Order{Number: 3, Do: report.SetSpec{Keep: fleet.Keep{Rev: 5, Text: "fleet: demo"}, Cause: 5}},
		report.Events{Ring: "e7", After: 2, Events: []api.Event{{Seq: 3, Text: "x"}}},
		report.Share{Key: "words", Value: []byte("v")},
		report.Refused{Number: 3, Reason: api.ReasonOldEpoch, Detail: "d"},
	} {
		f.Add(enc.Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var clock report.Clock
		clock.Sample(1000, 5, 5, 1000)
		var d report.Decoder
		for len(b) >= report.HeadSize {
			n, err := report.Size(b)
			if err != nil {
				return
			}
			n = min(n, len(b)-report.HeadSize)
			m, err := d.Read(b[report.HeadSize:report.HeadSize+n], nil, 0)
			b = b[report.HeadSize+n:]
			if err != nil {
				continue
			}
			if r, ok := m.(report.Report); ok {
				for _, x := range r.Status.Backends {
					if x.Probe.Subject != x.Name || x.Balance.Backend != x.Name {
						t.Fatalf("%+v", x)
					}
				}
				continue
			}
			if o, ok := m.(report.Order); ok && o.Bad != "" {
				continue
			}
			var enc report.Encoder
			again := enc.Append(nil, m)
			var other report.Decoder
			m2, err := other.Read(again[report.HeadSize:], nil, 0)
			if err != nil || binary.LittleEndian.Uint32(again) == 0 {
				t.Fatalf("%+v was understood, and is not: %v", m, err)
			}
			if third := enc.Append(nil, m2); string(third) != string(again) {
				t.Fatalf("%+v says something else the second time: %+v", m, m2)
			}
		}
	})
}
