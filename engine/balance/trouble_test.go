package balance_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"pgregory.net/rapid"
)

// tries are the moments, of one flow each millisecond, at which a flow tries a
// backend that refuses every one of them.
func tries(t *balance.Trouble, from, to time.Duration) []time.Duration {
	var all []time.Duration
	for d := from; d <= to; d += time.Millisecond {
		now := instant.Instant(d)
		if t.Shuns(now) {
			t.Spared()
			continue
		}
		all = append(all, d)
		t.Failed(now, "connection refused", true)
	}
	return all
}

// What refuses is tried after 50 ms, and after twice the time each time that it
// refuses again, up to a second.
func TestTroubleShuns(t *testing.T) {
	var x balance.Trouble
	got := tries(&x, 0, 4*time.Second)
	var want []time.Duration
	for _, ms := range []time.Duration{0, 50, 150, 350, 750, 1550, 2550, 3550} {
		want = append(want, ms*time.Millisecond)
	}
	if len(got) != len(want) {
		t.Fatalf("tried at %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("tried at %v, want %v", got, want)
		}
	}
	// Its probes reach it again: new flows go there at once, and the first refusal
	// begins anew.
	x.Reached()
	if x.Shuns(instant.Instant(4 * time.Second)) {
		t.Error("a backend that is reached again is still shunned")
	}
	if again := tries(&x, 4*time.Second, 4100*time.Millisecond); len(again) != 2 || again[1]-again[0] != 50*time.Millisecond {
		t.Errorf("tried again at %v, want 50 ms between", again)
	}
	if x.Succeeded(); x.Any() || x.Refuses() {
		t.Error("there is trouble after a success")
	}
}

// A failure that is no refusal leaves new flows where they go.
func TestTroubleFailed(t *testing.T) {
	var x balance.Trouble
	for range 4 {
		x.Failed(0, "reset", false)
	}
	if x.Shuns(0) {
		t.Error("it is shunned for resets")
	}
	if o, ok := x.Report(0, "b", 5); ok {
		t.Errorf("four of five are reported: %+v", o)
	}
	x.Failed(0, "reset", false)
	if o, ok := x.Report(0, "b", 5); !ok || o != (balance.Outcomes{Backend: "b", InARow: 5, Reason: "reset"}) {
		t.Errorf("%+v is reported: %v", o, ok)
	}
	x.Failed(0, "reset", false)
	if o, ok := x.Report(instant.Instant(19*time.Millisecond), "b", 5); ok {
		t.Errorf("it is reported again at once: %+v", o)
	}
	if o, ok := x.Report(instant.Instant(20*time.Millisecond), "b", 5); !ok || o.InARow != 6 {
		t.Errorf("it is not reported again while it goes on: %+v", o)
	}
	x.Succeeded()
	x.Failed(0, "reset", false)
	if o, ok := x.Report(instant.Instant(time.Second), "b", 5); ok {
		t.Errorf("failures before a success count: %+v", o)
	}
}

// Who is killed under traffic is ejected as soon as there were as many flows as
// eject it, although but the first of them met it.
func TestTroubleOfTheKilled(t *testing.T) {
	w := newWorld(t, pool(4, nil))
	var x balance.Trouble
	for ms := range 5 {
		now := instant.Instant(ms) * instant.Instant(time.Millisecond)
		if x.Shuns(now) {
			x.Spared()
		} else {
			x.Failed(now, "connection refused", true)
		}
		if o, ok := x.Report(now, "b0", 5); ok {
			w.do(o)
		}
		if s := w.phase("b0"); (s.Phase == api.PhaseEjected) != (ms == 4) {
			t.Fatalf("after %d flows it is %s: %s", ms+1, s.Phase, s.Reason)
		}
	}
	if s := w.phase("b0"); s.Reason != "connection refused, 1 in a row and 4 more kept away" {
		t.Errorf("it is ejected because: %s", s.Reason)
	}
}

// However flows go: a backend that refuses is tried at most once in 50 ms until it
// takes one, reports keep their distance and say no more than there was, and
// what succeeds has no trouble.
func TestTroubleProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x balance.Trouble
		now, tried, told := instant.Instant(0), instant.Instant(-1), instant.Instant(-1)
		failed, spared := 0, 0
		for range rapid.IntRange(1, 60).Draw(t, "flows") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "ms")) * time.Millisecond)
			refused := x.Refuses()
			switch shuns := x.Shuns(now); {
			case shuns && !refused:
				t.Fatal("it shuns what does not refuse")
			case shuns:
				x.Spared()
				spared++
			default:
				if refused && now.Sub(tried) < 50*time.Millisecond {
					t.Fatalf("tried %s after the last time", now.Sub(tried))
				}
				switch rapid.SampledFrom([]string{"refused", "reset", "good"}).Draw(t, "flow") {
				case "refused":
					tried = now
					x.Failed(now, "refused", true)
					failed++
				case "reset":
					tried = now
					x.Failed(now, "reset", false)
					failed++
				case "good":
					x.Succeeded()
					failed, spared, told = 0, 0, -1
				}
			}
			if x.Any() != (failed > 0) {
				t.Fatalf("trouble: %t after %d failures", x.Any(), failed)
			}
			if o, ok := x.Report(now, "b", 3); ok {
				if o.InARow != failed || o.Spared != spared || failed+spared < 3 || told >= 0 && now.Sub(told) < 20*time.Millisecond {
					t.Fatalf("%+v is reported after %d failures and %d spared, the last time %s ago", o, failed, spared, now.Sub(told))
				}
				told = now
			} else if failed+spared >= 3 && told < 0 {
				t.Fatalf("%d failures and %d spared are not reported", failed, spared)
			}
		}
	})
}
