package replicas

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds   = flag.Int("seeds", 3, "how many seeds TestSeeds runs")
	from    = flag.Uint64("from", 1, "the first of them")
	seed    = flag.Uint64("seed", 0, "run this seed only")
	verbose = flag.Bool("v", false, "print what happens, with -seed")
)

// The first test: nothing in a run depends on anything but its seed.
func TestSameSeedSameTrace(t *testing.T) {
	short := func(lines io.Writer) Result {
		r := rand.New(rand.NewPCG(1, 1))
		k := Draw(r)
		k.Hosts, k.Safety = 3, 4*time.Second
		kinds(&k, 400*time.Millisecond, "crash", "cut", "rot", "full")
		return run(1, k, r, honest(), lines)
	}
	var first, second bytes.Buffer
	a, b := short(&first), short(&second)
	if a.Hash != b.Hash || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the same seed made two traces; the first difference:\n%s", difference(first.String(), second.String()))
	}
	if c := short(nil); c.Hash != a.Hash {
		t.Error("it makes another trace when nobody reads")
	}
}

func difference(a, b string) string {
	as, bs := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range min(len(as), len(bs)) {
		if !bytes.Equal(as[i], bs[i]) {
			return fmt.Sprintf("line %d\n%s\n%s", i+1, as[i], bs[i])
		}
	}
	return "one is longer, or they differ in what is not printed"
}

// TestSeeds runs many worlds: none may break a promise.
func TestSeeds(t *testing.T) {
	if *seed > 0 {
		var lines io.Writer
		if *verbose {
			lines = os.Stdout
		}
		r := Run(*seed, lines)
		t.Logf("seed %d: %s virtual, %d steps, %d operations, %d leases, %d refills, %d orders, hash %016x\n%s",
			r.Seed, r.Virtual, r.Steps, r.Operations, r.Leases, r.Refills, r.Orders, r.Hash, r.Knobs)
		if r.Err != nil {
			t.Fatal(again(r))
		}
		return
	}
	began := time.Now()
	var next atomic.Uint64
	var mu sync.Mutex
	var sum Result
	failures, tangled := 0, 0
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= uint64(*seeds) {
					return
				}
				r := Run(*from+i, nil)
				mu.Lock()
				sum.Virtual += r.Virtual
				sum.Steps += r.Steps
				sum.Operations += r.Operations
				sum.Leases += r.Leases
				sum.Refills += r.Refills
				sum.Orders += r.Orders
				if r.Tangled {
					tangled++
				}
				if r.Err != nil {
					failures++
					t.Error(again(r))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	fmt.Printf("%d seeds, %s virtual, %d steps, %d operations, %d leases held, %d refills, %d orders in %s: %.1f seeds/s; %d too tangled to check, %d failed\n",
		*seeds, sum.Virtual.Round(time.Second), sum.Steps, sum.Operations, sum.Leases, sum.Refills, sum.Orders, took.Round(10*time.Millisecond), float64(*seeds)/took.Seconds(), tangled, failures)
}

// again says what failed and how to see it again.
func again(r Result) string {
	return fmt.Sprintf("seed %d: %v\n  knobs: %s\n  go test ./sim/replicas -run TestSeeds -args -seed %d -v", r.Seed, r.Err, r.Knobs, r.Seed)
}
