package balance_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// TestLatencyGoesByTime: what was measured fades as fast for a busy backend as
// for an idle one, and a peak counts at once.
func TestLatencyGoesByTime(t *testing.T) {
	at := func(d time.Duration) instant.Instant { return instant.Instant(d) }
	for _, answers := range []int{1, 10, 10_000} { // within the same five seconds
		var l balance.Latency
		l = l.Add(at(0), time.Millisecond)
		l = l.Add(at(0), 100*time.Millisecond)
		if got := l.Now(at(0)); got != 100*time.Millisecond {
			t.Fatalf("a peak of 100ms counts as %s", got)
		}
		for n := 1; n <= answers; n++ {
			l = l.Add(at(balance.LatencyFade*time.Duration(n)/time.Duration(answers)), time.Millisecond)
		}
		if got := l.Now(at(balance.LatencyFade)); got < 36*time.Millisecond || got > 39*time.Millisecond {
			t.Errorf("after %d answers of 1ms in %s the average is %s, want 37ms", answers, balance.LatencyFade, got)
		}
	}
	var l balance.Latency
	if l.Now(at(time.Hour)) != 0 {
		t.Error("what was never measured has a latency")
	}
	l = l.Add(at(0), time.Second)
	if got := l.Now(at(balance.LatencyFade)); got < 360*time.Millisecond || got > 380*time.Millisecond {
		t.Errorf("with nobody asking it is %s", got)
	}
	if got := l.Now(at(24 * time.Hour)); got != 1 {
		t.Errorf("a day later it is %s; it was measured, so it is not unknown", got)
	}
}
