//go:build lab

package lab_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 3, "rounds of random faults")
	seed   = flag.Uint64("seed", 0, "seed of the random faults; 0: one that is drawn and printed")
)

// roundsEach is how many rounds one history of facts lasts: what is checked at once
// must not grow without end.
const roundsEach = 5

// TestSoak: rounds of random faults, one or two at a time, also beyond what the fleet
// must endure. After each all is healed, and the fleet is whole again by a deadline
// without a hand; nothing that was acknowledged is lost, and no user notices what is
// elsewhere.
func TestSoak(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64N(1_000_000) + 1
	}
	t.Logf("%d rounds, -seed %d", *rounds, s)
	random := rand.New(rand.NewPCG(s, 0))
	r := fleet(t, 3, 3)
	var x *trial
	for n := range *rounds {
		if n%roundsEach == 0 {
			x = r.trial(s + uint64(n))
			x.agree(fmt.Sprintf("before round %d", n+1), r.Sites...)
		}
		all := []trouble{r.draw(random)}
		if random.IntN(3) == 0 {
			all = append(all, r.draw(random))
		}
		hold := time.Duration(500+random.IntN(4500)) * time.Millisecond
		var what []string
		for _, one := range all {
			what = append(what, one.what)
			for _, h := range one.hurt {
				x.hurt[h] = true
			}
		}
		name := fmt.Sprintf("round %d of seed %d: %s", n+1, s, strings.Join(what, " and "))
		t.Logf("%s, for %v", name, hold)
		for _, one := range all {
			r.must(one.begin())
		}
		over := time.After(hold)
		if reach := r.reach(all); len(reach) > 0 {
			x.agree("under it", reach...)
		}
		<-over
		for _, one := range all {
			r.must(one.end())
		}
		r.whole(name, wholeFor)
		x.agree("after it", r.Sites...)
		if n%roundsEach == roundsEach-1 || n == *rounds-1 {
			x.end()
		}
		if t.Failed() {
			t.Fatalf("it failed by round %d; go test -tags lab ./sim/lab -run TestSoak -args -seed %d -rounds %d", n+1, s, n+1)
		}
	}
	t.Logf("%d rounds of seed %d: nothing lost", *rounds, s)
}
