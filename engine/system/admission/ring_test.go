package admission_test

import (
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
)

// TestRingNeverShutsAHostOut goes through a change of keys with a host that follows
// late, and one that is away for good.
func TestRingNeverShutsAHostOut(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	old, next := gossip.NewKey(), gossip.NewKey()
	ring := admission.Ring{Keys: [][]byte{old[:]}, Step: admission.StepSteady, Since: now}
	fresh := func() gossip.Key { return next }
	step := func(after time.Duration, has map[string][]string) bool {
		var ok bool
		now = now.Add(after)
		ring, ok = ring.Next(now, fresh, has)
		return ok
	}
	has := func(late ...string) map[string][]string {
		return map[string][]string{"a": {next.Name(), old.Name()}, "b": late}
	}
	if step(admission.RotateEvery-time.Second, nil) {
		t.Fatal("it changes before it is due")
	}
	if !step(time.Second, nil) || ring.Step != admission.StepInstalled || string(ring.Keys[0]) != string(old[:]) || len(ring.Keys) != 2 {
		t.Fatalf("installed: %+v", ring)
	}
	if step(admission.StepMin, has(old.Name())) {
		t.Error("the new key seals before everybody has it")
	}
	if !step(time.Second, has(old.Name(), next.Name())) || ring.Step != admission.StepUsed || string(ring.Keys[0]) != string(next[:]) || len(ring.Keys) != 2 {
		t.Fatalf("used: %+v", ring)
	}
	if step(admission.StepMin, has(old.Name(), next.Name())) {
		t.Error("the old key is forgotten while somebody seals with it")
	}
	if !step(admission.StepMax, has()) || ring.Step != admission.StepSteady || len(ring.Keys) != 1 || string(ring.Keys[0]) != string(next[:]) {
		t.Fatalf("forgotten: %+v", ring)
	}
	ring.Asked = true
	next = gossip.NewKey()
	if !step(admission.StepMin, nil) || ring.Step != admission.StepInstalled || ring.Asked {
		t.Errorf("asked for: %+v", ring)
	}
}
