package gossip

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/member"
)

var heartbeat = member.Report{From: "a1", Life: 7, View: member.View{By: "a1", Site: "a", Life: 7, Number: 3, Hosts: []member.Sight{{Host: "a2", Life: 2, State: member.StateAlive, Reason: member.ReasonHeard, Heard: 1e7}}}}

func ring(t testing.TB, keys ...Key) Keyring {
	t.Helper()
	r, err := NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPacketsAreForOneHostAndNobodyChangesThem flips every bit of a packet, and
// hands it to others.
func TestPacketsAreForOneHostAndNobodyChangesThem(t *testing.T) {
	k := Key{1}
	keys := ready(ring(t, k))
	sealed := keys[0].seal(nil, "a2", 9, 4, heartbeat)
	p, err := open(keys, sealed, "a2")
	if err != nil || p.toLife != 9 || p.number != 4 || p.report.From != "a1" || len(p.report.View.Hosts) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	if bytes.Contains(sealed, k[:]) {
		t.Error("the key is in the packet")
	}
	for i := range sealed {
		for bit := range 8 {
			other := bytes.Clone(sealed)
			other[i] ^= 1 << bit
			if _, err := open(keys, other, "a2"); err == nil {
				t.Fatalf("bit %d of byte %d can be changed", bit, i)
			}
		}
	}
	if _, err := open(keys, sealed, "a3"); !errors.Is(err, errKey) {
		t.Errorf("for another host: %v", err)
	}
	if _, err := open(ready(ring(t, Key{2})), sealed, "a2"); !errors.Is(err, errKey) {
		t.Errorf("another fleet's key: %v", err)
	}
	for n := range sealed {
		if _, err := open(keys, sealed[:n], "a2"); err == nil {
			t.Fatalf("%d bytes of it are enough", n)
		}
	}
}

// TestNoPacketIsHeardTwice delivers numbers in any order and as often as it
// likes: each is fresh once at most, and those that are near the top exactly once.
func TestNoPacketIsHeardTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		heard := map[[2]uint64]bool{}
		life := uint64(1)
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			if rapid.IntRange(0, 40).Draw(t, "restart") == 0 {
				life++
			}
			l := life
			if l > 1 && rapid.IntRange(0, 10).Draw(t, "old") == 0 {
				l--
			}
			number := rapid.Uint64Range(0, 200).Draw(t, "number")
			top := w.top
			if w.life != l {
				top = 0
			}
			fresh := w.fresh(l, number)
			switch {
			case fresh && heard[[2]uint64{l, number}]:
				t.Fatalf("%d of life %d was heard twice", number, l)
			case fresh && (number == 0 || l < w.life):
				t.Fatalf("%d of life %d was heard", number, l)
			case !fresh && number > top && l >= w.life && number > 0:
				t.Fatalf("%d of life %d is new and was refused", number, l)
			case !fresh && number > 0 && l == w.life && top-number < windowSize && !heard[[2]uint64{l, number}]:
				t.Fatalf("%d of life %d was overtaken by %d and refused", number, l, top)
			}
			if fresh {
				heard[[2]uint64{l, number}] = true
			}
		}
	})
}

// TestRotationIsUnderstoodAtEachStep walks two hosts through a rotation, one of
// them a step behind.
func TestRotationIsUnderstoodAtEachStep(t *testing.T) {
	before, after := NewKey(), NewKey()
	r := ring(t, before)
	steps := []Keyring{r}
	next := func(r Keyring, err error) Keyring {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, r)
		return r
	}
	r = next(r.Install(after))
	r = next(r.Use(after.Name()))
	r = next(r.Remove(before.Name()))
	for i, a := range steps {
		for j, b := range steps {
			from, to := ready(a), ready(b)
			_, err := open(to, from[0].seal(nil, "a2", 1, 1, heartbeat), "a2")
			if near := i-j <= 1 && j-i <= 1; near && err != nil {
				t.Errorf("step %d is not understood at step %d: %v", i, j, err)
			}
		}
	}
	if _, err := open(ready(r), ready(steps[0])[0].seal(nil, "a2", 1, 1, heartbeat), "a2"); !errors.Is(err, errKey) {
		t.Errorf("the old key still opens: %v", err)
	}
	if _, err := r.Remove(after.Name()); err == nil {
		t.Error("the key that seals can be removed")
	}
	if _, err := r.Use(before.Name()); err == nil {
		t.Error("a key that is gone can be used")
	}
	for range KeysMax {
		if next, err := r.Install(NewKey()); err == nil {
			r = next
		}
	}
	if len(r.Keys()) != KeysMax {
		t.Errorf("%d keys", len(r.Keys()))
	}
	back, err := ParseKeyring(r.Encode())
	if err != nil || back.Keys()[0] != r.Keys()[0] || len(back.Keys()) != KeysMax {
		t.Errorf("the ring came back as another: %v", err)
	}
	for _, bad := range [][][]byte{nil, {{1}}, {make([]byte, KeySize)}, {after[:], after[:]}} {
		if _, err := ParseKeyring(bad); err == nil {
			t.Errorf("%v is read as a ring", bad)
		}
	}
}

func FuzzOpen(f *testing.F) {
	keys := ready(ring(f, Key{1}))
	f.Add(keys[0].seal(nil, "a2", 9, 4, heartbeat))
	f.Add([]byte("HB\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := open(keys, b, "a2"); err == nil {
			if sum := keys[0].sum(b[:len(b)-macSize], "a2"); !bytes.Equal(sum[:], b[len(b)-macSize:]) {
				t.Error("a packet without its seal was opened")
			}
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	keys := ready(ring(b, Key{1}))
	var packet []byte
	b.ReportAllocs()
	for b.Loop() {
		packet = keys[0].seal(packet[:0], "a2", 9, 4, heartbeat)
		if _, err := open(keys, packet, "a2"); err != nil {
			b.Fatal(err)
		}
	}
}
