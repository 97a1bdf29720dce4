package quorum_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

const lease = "coordinator"

func (h *host) hold(ttl time.Duration) *quorum.Held {
	h.r.t.Helper()
	held, err := h.facts.Hold(h.r.ctx(wait), lease, ttl)
	if err != nil {
		h.r.t.Fatalf("%s: %v", h.name, err)
	}
	return held
}

// under writes under a tenure's token.
func (h *host) under(held *quorum.Held, value string) facts.Reason {
	h.r.t.Helper()
	r, err := h.facts.Do(h.r.ctx(wait), facts.Txn{
		Under: []facts.Token{held.Token()},
		Ops:   []facts.Op{{Key: "guarded", Value: []byte(value)}},
	})
	if err != nil {
		h.r.t.Fatal(err)
	}
	return r.Reason
}

// One holds; the next one holds as soon as the first gives it back, and what the
// first still writes is refused.
func TestHoldAndRelease(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	first, second := r.host("tokyo-4"), r.host("tokyo-2") // the first has no replica
	held := first.hold(time.Minute)
	if !held.Holds() || first.under(held, "first") != facts.ReasonNone {
		t.Fatal("who holds cannot write")
	}
	if _, err := first.facts.Hold(r.ctx(wait), lease, time.Minute); !errors.Is(err, quorum.ErrHeldHere) {
		t.Errorf("a second time: %v", err)
	}
	got := make(chan *quorum.Held)
	go func() {
		h, err := second.facts.Hold(r.ctx(wait), lease, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	ctx, done := context.WithTimeout(context.Background(), 200*time.Millisecond)
	if _, err := r.host("tokyo-1").facts.Hold(ctx, lease, time.Minute); err == nil {
		t.Error("two hold")
	}
	done()
	if err := held.Release(r.ctx(wait)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Lost():
	default:
		t.Error("it was given back and is not lost")
	}
	next := <-got // long before a minute has passed
	if held.Holds() || next.Token().Epoch <= held.Token().Epoch {
		t.Errorf("epoch %d follows epoch %d", next.Token().Epoch, held.Token().Epoch)
	}
	if why := first.under(held, "late"); why != facts.ReasonOldEpoch {
		t.Errorf("the first writes on: %d", why)
	}
	if second.under(next, "second") != facts.ReasonNone || second.get("guarded") != "second" {
		t.Error("the second cannot write")
	}
}

// A lease outlives changes of the leader, as it is renewed.
func TestHoldOverLeaders(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	held := r.host("tokyo-4").hold(6 * time.Second)
	until := held.Until()
	for range 2 {
		leads := r.leader("tokyo-1", "tokyo-2", "tokyo-3")
		leads.kill()
		r.start(leads.name)
		before := until
		r.until("it is renewed", func() bool { until = held.Until(); return until > before })
	}
	if !held.Holds() {
		t.Error("it was lost")
	}
}

// When the holder dies another holds after the lease's length; when it is cut off it
// knows that it must stop.
func TestHolderDiesOrIsCutOff(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	r.leader(names...)
	held := r.host("tokyo-1").hold(time.Second)
	r.isolate("tokyo-1", true)
	next := r.host("tokyo-2").hold(time.Second)
	if held.Holds() || next.Token().Epoch <= held.Token().Epoch {
		t.Error("two hold, or the epoch does not grow")
	}
	<-held.Lost()
	r.isolate("tokyo-1", false)
	r.host("tokyo-2").kill()
	<-next.Lost()
	if last := r.host("tokyo-3").hold(time.Second); last.Token().Epoch <= next.Token().Epoch {
		t.Error("the epoch does not grow")
	}
}

// A process that comes back takes its lease at once: the one before it is gone.
func TestHolderComesBack(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	h := r.host("tokyo-1")
	was := h.hold(time.Hour)
	h.kill()
	r.start("tokyo-1")
	if now := h.hold(time.Hour); now.Token().Epoch <= was.Token().Epoch {
		t.Error("the epoch does not grow")
	}
}
