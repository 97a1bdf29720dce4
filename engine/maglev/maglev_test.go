package maglev_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/maglev"
	"pgregory.net/rapid"
)

func entries(n int) []maglev.Entry {
	var all []maglev.Entry
	for i := range n {
		all = append(all, maglev.Entry{Name: fmt.Sprintf("backend-%d", i), Weight: 1})
	}
	return all
}

const keys = 100_000

// shares counts which name each key goes to.
func shares(all []maglev.Entry) ([]string, map[string]int) {
	t := maglev.New(all)
	where, count := make([]string, keys), map[string]int{}
	for k := range where {
		where[k] = all[t.Lookup(maglev.Mix(uint64(k)))].Name
		count[where[k]]++
	}
	return where, count
}

func TestSharesAreEven(t *testing.T) {
	for _, n := range []int{1, 3, 10, 100} {
		_, count := shares(entries(n))
		for name, c := range count {
			if want := float64(keys) / float64(n); math.Abs(float64(c)-want) > want*0.12 {
				t.Errorf("%d backends: %s gets %d of %d keys, want about %.0f", n, name, c, keys, want)
			}
		}
	}
}

func TestWeights(t *testing.T) {
	all := entries(3)
	all[0].Weight, all[1].Weight, all[2].Weight = 100, 50, 0
	_, count := shares(all)
	if ratio := float64(count["backend-0"]) / float64(count["backend-1"]); ratio < 1.9 || ratio > 2.1 {
		t.Errorf("weights 100 and 50 get %v", count)
	}
	if count["backend-2"] != 0 {
		t.Errorf("weight 0 gets %d keys", count["backend-2"])
	}
}

func TestFewKeysMoveWhenABackendGoes(t *testing.T) {
	all := entries(10)
	before, count := shares(all)
	after, _ := shares(append(append([]maglev.Entry{}, all[:4]...), all[5:]...))
	moved := 0
	for k := range before {
		if before[k] != after[k] && before[k] != "backend-4" {
			moved++
		}
	}
	// The paper measures about 1 % at this table size.
	if limit := keys * 3 / 100; moved > limit {
		t.Errorf("%d keys of other backends moved, more than %d; the lost one had %d", moved, limit, count["backend-4"])
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	all := entries(7)
	before, _ := shares(all)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	after, _ := shares(all)
	for k := range before {
		if before[k] != after[k] {
			t.Fatalf("key %d goes to %s, and to %s when the entries are reversed", k, before[k], after[k])
		}
	}
}

func TestNobody(t *testing.T) {
	if i := maglev.New(nil).Lookup(5); i != -1 {
		t.Errorf("a table of nobody says %d", i)
	}
	if i := maglev.New([]maglev.Entry{{Name: "a"}}).Lookup(5); i != -1 {
		t.Errorf("a table of weight 0 says %d", i)
	}
}

func BenchmarkNew1000(b *testing.B) {
	all := entries(1000)
	for b.Loop() {
		maglev.New(all)
	}
}

// However the weights are drawn, the loss of one entry moves few keys of the
// others, and shares follow the weights.
func TestDisruptionIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := entries(rapid.IntRange(2, 12).Draw(t, "entries"))
		total := 0
		for i := range all {
			all[i].Weight = rapid.IntRange(1, 100).Draw(t, "weight")
			total += all[i].Weight
		}
		before, count := shares(all)
		for _, e := range all {
			want := float64(keys) * float64(e.Weight) / float64(total)
			if off := math.Abs(float64(count[e.Name]) - want); off > want*0.1+keys*0.01 {
				t.Fatalf("%s of weight %d of %d gets %d keys, want about %.0f", e.Name, e.Weight, total, count[e.Name], want)
			}
		}
		gone := rapid.IntRange(0, len(all)-1).Draw(t, "gone")
		name := all[gone].Name
		after, _ := shares(append(append([]maglev.Entry{}, all[:gone]...), all[gone+1:]...))
		moved := 0
		for k := range before {
			if before[k] != name && before[k] != after[k] {
				moved++
			}
		}
		if limit := (keys - count[name]) * 15 / 100; moved > limit {
			t.Fatalf("%d keys of the others moved when %s with %d went, more than %d", moved, name, count[name], limit)
		}
	})
}
