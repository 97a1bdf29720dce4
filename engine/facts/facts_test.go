package facts_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

func put(key, value string, conds ...facts.Cond) facts.Txn {
	return facts.Txn{If: conds, Ops: []facts.Op{{Key: key, Value: []byte(value)}}}
}

func must(t *testing.T, s *facts.Store, c facts.Command) facts.Result {
	t.Helper()
	r := s.Do(c)
	if r.Reason != facts.ReasonNone {
		t.Fatalf("%+v: %s (%s)", c, r.Reason.Sentence(), r.Key)
	}
	return r
}

func refuses(t *testing.T, s *facts.Store, c facts.Command, why facts.Reason) {
	t.Helper()
	before := s.Snapshot()
	if r := s.Do(c); r.Reason != why {
		t.Errorf("%+v: reason %d, want %d", c, r.Reason, why)
	}
	if !bytes.Equal(before, s.Snapshot()) {
		t.Errorf("%+v was refused and changed something", c)
	}
}

func get(s *facts.Store, key string) string {
	if a := s.Ask(facts.Get{Key: key}); len(a.Facts) == 1 {
		return string(a.Facts[0].Value)
	}
	return "-"
}

func TestCompareAndSet(t *testing.T) {
	s := facts.New()
	r := must(t, s, put("a", "1", facts.Cond{Key: "a"}))
	refuses(t, s, put("a", "2", facts.Cond{Key: "a"}), facts.ReasonChanged)
	refuses(t, s, put("a", "2", facts.Cond{Key: "a", Revision: r.Revision + 1}), facts.ReasonChanged)
	must(t, s, put("a", "2", facts.Cond{Key: "a", Revision: r.Revision}))
	if get(s, "a") != "2" {
		t.Errorf("a is %s", get(s, "a"))
	}
	// All or nothing: the second op cannot be.
	refuses(t, s, facts.Txn{Ops: []facts.Op{{Key: "b", Value: []byte("1")}, {Key: "c", Lease: "nobody"}}}, facts.ReasonNoLease)
	refuses(t, s, facts.Txn{Ops: []facts.Op{{Key: "b"}, {Key: "b"}}}, facts.ReasonMalformed)
	refuses(t, s, facts.Txn{Ops: []facts.Op{{Key: ""}}}, facts.ReasonMalformed)
	refuses(t, s, facts.Txn{Ops: []facts.Op{{Key: "b", Value: make([]byte, facts.ValueSizeMax+1)}}}, facts.ReasonMalformed)
	// A delete of what is not there changes no revision.
	before := s.Revision()
	must(t, s, facts.Txn{Ops: []facts.Op{{Key: "b", Delete: true}}})
	if s.Revision() != before {
		t.Error("nothing changed, and the revision did")
	}
}

func TestLeaseHasOneHolderAndEpochsGrow(t *testing.T) {
	s := facts.New()
	refuses(t, s, facts.Acquire{Lease: "l", Holder: "a", TTL: facts.TTLMin - 1}, facts.ReasonMalformed)
	one := must(t, s, facts.Acquire{Lease: "l", Holder: "a", TTL: time.Second}).Lease
	refuses(t, s, facts.Acquire{Lease: "l", Holder: "b", TTL: time.Second}, facts.ReasonHeld)
	refuses(t, s, facts.Acquire{Lease: "l", Holder: "a", TTL: time.Second}, facts.ReasonHeld)
	token := facts.Token{Lease: "l", Epoch: one.Epoch}
	must(t, s, facts.Txn{Under: []facts.Token{token}, Ops: []facts.Op{{Key: "x", Value: []byte("1"), Lease: "l"}}})
	must(t, s, facts.Renew{Token: token})
	refuses(t, s, facts.End{Token: token, Renewals: 0}, facts.ReasonVoid)
	must(t, s, facts.End{Token: token, Renewals: 1})
	if get(s, "x") != "-" {
		t.Error("the lease ended, and its key is there")
	}
	two := must(t, s, facts.Acquire{Lease: "l", Holder: "b", TTL: time.Second}).Lease
	if two.Epoch <= one.Epoch {
		t.Errorf("epoch %d follows %d", two.Epoch, one.Epoch)
	}
	refuses(t, s, facts.Txn{Under: []facts.Token{token}, Ops: []facts.Op{{Key: "x", Value: []byte("late")}}}, facts.ReasonOldEpoch)
	refuses(t, s, facts.Renew{Token: token}, facts.ReasonOldEpoch)
	refuses(t, s, facts.Release{Token: token}, facts.ReasonOldEpoch)
	refuses(t, s, facts.End{Token: token, Renewals: 1}, facts.ReasonVoid)
	must(t, s, facts.Release{Token: facts.Token{Lease: "l", Epoch: two.Epoch}})
	if a := s.Ask(facts.Look{Lease: "l"}); a.Lease.Epoch != 0 {
		t.Errorf("released, and held: %+v", a.Lease)
	}
}

// A key that is bound to another lease, or to none, does not go with the first.
func TestKeysChangeTheirLease(t *testing.T) {
	s := facts.New()
	a := must(t, s, facts.Acquire{Lease: "a", Holder: "h", TTL: time.Second}).Lease
	must(t, s, facts.Acquire{Lease: "b", Holder: "h", TTL: time.Second})
	for i, lease := range []string{"", "b", "a"} {
		key := fmt.Sprint(i)
		must(t, s, facts.Txn{Ops: []facts.Op{{Key: key, Lease: "a"}}})
		must(t, s, facts.Txn{Ops: []facts.Op{{Key: key, Lease: lease}}})
	}
	must(t, s, facts.Release{Token: facts.Token{Lease: "a", Epoch: a.Epoch}})
	if n := len(s.Ask(facts.List{}).Facts); n != 2 {
		t.Errorf("%d keys are left, want 2", n)
	}
}

func TestBounds(t *testing.T) {
	s := facts.New()
	x := must(t, s, facts.Acquire{Lease: "l", Holder: "h", TTL: time.Second}).Lease
	for i := range facts.KeysBoundMax {
		must(t, s, facts.Txn{Ops: []facts.Op{{Key: fmt.Sprint(i), Lease: "l"}}})
	}
	refuses(t, s, facts.Txn{Ops: []facts.Op{{Key: "more", Lease: "l"}}}, facts.ReasonFull)
	must(t, s, facts.Txn{Ops: []facts.Op{{Key: "0", Value: []byte("again"), Lease: "l"}}})
	must(t, s, facts.Release{Token: facts.Token{Lease: "l", Epoch: x.Epoch}})
	big := make([]byte, facts.ValueSizeMax)
	n := 0
	for ; s.Do(facts.Txn{Ops: []facts.Op{{Key: fmt.Sprint(n), Value: big}}}).Reason == facts.ReasonNone; n++ {
		if n > facts.BytesMax/facts.ValueSizeMax {
			t.Fatal("there is no end to the room")
		}
	}
	// Full is not stuck: what makes it smaller goes.
	must(t, s, facts.Txn{Ops: []facts.Op{{Key: "0", Delete: true}}})
	must(t, s, put("small", "1"))
}

func TestListGoesOnBehindTheLast(t *testing.T) {
	s := facts.New()
	for i := range 2500 {
		must(t, s, put(fmt.Sprintf("k/%04d", i), "v"))
	}
	must(t, s, put("other", "v"))
	var all []string
	after := ""
	for {
		a := s.Ask(facts.List{Prefix: "k/", After: after})
		for _, f := range a.Facts {
			all = append(all, f.Key)
			after = f.Key
		}
		if !a.More {
			break
		}
	}
	if len(all) != 2500 || all[0] != "k/0000" || all[2499] != "k/2499" {
		t.Errorf("%d keys, from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

// Who follows the changes has the same facts as who reads them, or is told to read
// them anew.
func TestWatchersSeeEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := facts.New()
		seen := map[string]string{}
		at := uint64(0)
		follow := func() {
			for {
				a, err := facts.DecodeAnswer(s.Query(facts.EncodeQuery(facts.Since{Revision: at})))
				if err != nil {
					t.Fatal(err)
				}
				if a.Forgotten {
					seen = map[string]string{}
					for _, f := range s.Ask(facts.List{}).Facts {
						seen[f.Key] = string(f.Value)
					}
					at = a.Revision
					return
				}
				for _, c := range a.Changes {
					if c.Revision <= at {
						t.Fatalf("a change of revision %d comes after %d", c.Revision, at)
					}
					if c.Gone {
						delete(seen, c.Key)
					} else {
						seen[c.Key] = string(c.Value)
					}
				}
				if len(a.Changes) > 0 {
					at = a.Changes[len(a.Changes)-1].Revision
				}
				if !a.More {
					return
				}
			}
		}
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			first := rapid.IntRange(0, 9).Draw(t, "key")
			for n := range rapid.SampledFrom([]int{1, 3, 3, 3, 3, 700}).Draw(t, "burst") {
				key := fmt.Sprint((first + n*n) % 10)
				s.Do(facts.Txn{Ops: []facts.Op{{Key: key, Value: []byte(fmt.Sprint(i)), Delete: i%3 == 2}}})
			}
			if rapid.Bool().Draw(t, "follows") {
				follow()
			}
		}
		follow()
		want := map[string]string{}
		for _, f := range s.Ask(facts.List{}).Facts {
			want[f.Key] = string(f.Value)
		}
		if !reflect.DeepEqual(seen, want) {
			t.Fatalf("followed %v, read %v", seen, want)
		}
	})
}

func TestSnapshotIsTheStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := facts.New(), facts.New()
		for i := range rapid.IntRange(0, 40).Draw(t, "commands") {
			c := facts.Encode(command(t))
			if i == 20 {
				if err := b.Restore(a.Snapshot()); err != nil {
					t.Fatal(err)
				}
			}
			if i >= 20 && !bytes.Equal(a.Apply(0, c), b.Apply(0, c)) || i < 20 && a.Apply(0, c) == nil {
				t.Fatal("two copies answer differently")
			}
			if i >= 20 && !bytes.Equal(a.Snapshot(), b.Snapshot()) {
				t.Fatal("two copies differ")
			}
		}
	})
}

func command(t *rapid.T) facts.Command {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	n := rapid.Uint64Range(0, 30)
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		return facts.Acquire{Lease: name.Draw(t, "l"), Holder: "h", TTL: time.Second}
	case 1:
		return facts.Renew{Token: facts.Token{Lease: name.Draw(t, "l"), Epoch: n.Draw(t, "e")}}
	case 2:
		return facts.Release{Token: facts.Token{Lease: name.Draw(t, "l"), Epoch: n.Draw(t, "e")}}
	case 3:
		return facts.End{Token: facts.Token{Lease: name.Draw(t, "l"), Epoch: n.Draw(t, "e")}, Renewals: n.Draw(t, "n")}
	}
	x := facts.Txn{}
	for range rapid.IntRange(0, 2).Draw(t, "ops") {
		x.Ops = append(x.Ops, facts.Op{Key: name.Draw(t, "k"), Delete: rapid.Bool().Draw(t, "d"), Lease: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "b")})
	}
	if rapid.Bool().Draw(t, "if") {
		x.If = append(x.If, facts.Cond{Key: name.Draw(t, "k"), Revision: n.Draw(t, "r")})
	}
	if rapid.Bool().Draw(t, "under") {
		x.Under = append(x.Under, facts.Token{Lease: name.Draw(t, "l"), Epoch: n.Draw(t, "e")})
	}
	return x
}

func TestCommandsAndQueriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := command(t)
		got, err := facts.Decode(facts.Encode(c))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%v: %+v is read as %+v", err, c, got)
		}
	})
	for _, q := range []facts.Query{facts.Get{Key: "k"}, facts.List{Prefix: "p", After: "p1"}, facts.Look{Lease: "l"}, facts.Since{Prefix: "p", Revision: 7}} {
		if got, err := facts.DecodeQuery(facts.EncodeQuery(q)); err != nil || got != q {
			t.Errorf("%v: %+v is read as %+v", err, q, got)
		}
	}
}

// The copy that leads ends what ran out, counting from when it saw the last
// renewal or began to lead.
func TestTend(t *testing.T) {
	s := facts.New()
	at := func(d time.Duration) instant.Instant { return instant.Instant(d) }
	a := must(t, s, facts.Acquire{Lease: "a", Holder: "h", TTL: 2 * time.Second}).Lease
	if s.Tend(at(time.Hour), false) != nil || s.Due() != instant.Never {
		t.Error("a copy that does not lead counts")
	}
	s.Tend(at(time.Second), true)
	if s.Due() != at(3*time.Second) {
		t.Errorf("due at %v", s.Due())
	}
	must(t, s, facts.Renew{Token: facts.Token{Lease: "a", Epoch: a.Epoch}})
	s.Tend(at(2*time.Second), true)
	if ends := s.Tend(at(3*time.Second), true); ends != nil {
		t.Error("a renewed lease is ended")
	}
	ends := s.Tend(at(4*time.Second), true)
	if len(ends) != 1 {
		t.Fatalf("%d leases end", len(ends))
	}
	if again := s.Tend(at(4*time.Second), true); again != nil {
		t.Error("it is asked twice at once")
	}
	if again := s.Tend(at(5*time.Second), true); len(again) != 1 {
		t.Error("it is not asked again")
	}
	if r, err := facts.DecodeResult(s.Apply(0, ends[0])); err != nil || r.Reason != facts.ReasonNone {
		t.Errorf("%v, %+v", err, r)
	}
	if s.Tend(at(9*time.Second), true) != nil || s.Due() != instant.Never {
		t.Error("an ended lease is ended")
	}
}

// However the two clocks drift within the bound, a holder stops before the lease
// is ended.
func TestHolderStopsFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := time.Duration(rapid.Int64Range(int64(facts.TTLMin), int64(facts.TTLMax)).Draw(t, "ttl"))
		drift := 1.0 / facts.DriftMax
		slow, fast := 1-rapid.Float64Range(-drift, drift).Draw(t, "holder"), 1+rapid.Float64Range(-drift, drift).Draw(t, "leader")
		stops := float64(facts.HeldUntil(0, ttl)) / slow
		ends := float64(ttl) / fast
		if stops > ends {
			t.Fatalf("a holder stops after %v, and the lease ends after %v", time.Duration(stops), time.Duration(ends))
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add(facts.Encode(put("a", "1")), facts.EncodeQuery(facts.List{}))
	f.Add(facts.Encode(facts.Acquire{Lease: "l", Holder: "h", TTL: time.Second}), facts.New().Snapshot())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := facts.New()
		for _, x := range [][]byte{a, b, a} {
			if _, err := facts.DecodeResult(s.Apply(1, x)); err != nil {
				t.Error(err)
			}
			if _, err := facts.DecodeAnswer(s.Query(x)); err != nil {
				t.Error(err)
			}
		}
		if err := facts.New().Restore(s.Snapshot()); err != nil {
			t.Errorf("its own snapshot: %v", err)
		}
		before := s.Snapshot()
		if err := s.Restore(b); err != nil && !bytes.Equal(before, s.Snapshot()) {
			t.Error("a refused snapshot changed something")
		}
	})
}
