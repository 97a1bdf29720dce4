package sim

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

var (
	seeds   = flag.Int("seeds", 24, "how many seeds TestSeeds runs")
	from    = flag.Uint64("from", 1, "the first of them")
	seed    = flag.Uint64("seed", 0, "run this seed only")
	verbose = flag.Bool("v", false, "print what happens, with -seed")
)

// The first test: nothing in a run depends on anything but its seed.
func TestSameSeedSameTrace(t *testing.T) {
	hashes := map[uint64]uint64{}
	for s := uint64(1); s <= 4; s++ {
		var first, second bytes.Buffer
		a, b := Run(s, &first), Run(s, &second)
		if a.Hash != b.Hash || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("seed %d made two traces, %x and %x; the first difference:\n%s", s, a.Hash, b.Hash, difference(first.String(), second.String()))
		}
		if c := Run(s, nil); c.Hash != a.Hash {
			t.Errorf("seed %d makes another trace when nobody reads: %x, not %x", s, c.Hash, a.Hash)
		}
		if other, ok := hashes[a.Hash]; ok {
			t.Errorf("the seeds %d and %d make the same trace", s, other)
		}
		hashes[a.Hash] = s
	}
}

// difference returns the first lines in which two traces differ.
func difference(a, b string) string {
	as, bs := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range min(len(as), len(bs)) {
		if !bytes.Equal(as[i], bs[i]) {
			return fmt.Sprintf("line %d\n%s\n%s", i+1, as[i], bs[i])
		}
	}
	return "one is longer"
}

// TestSeeds runs many worlds: none may break a promise.
func TestSeeds(t *testing.T) {
	if *seed > 0 {
		var lines io.Writer
		if *verbose {
			lines = os.Stdout
		}
		r := Run(*seed, lines)
		t.Logf("seed %d: %s virtual, %d steps, %d events, hash %016x\n%s", r.Seed, r.Virtual, r.Steps, r.Events, r.Hash, r.Knobs)
		if r.Err != nil {
			t.Fatal(again(r))
		}
		return
	}
	began := time.Now()
	var next atomic.Uint64
	var mu sync.Mutex
	var virtual time.Duration
	var steps, drills, failures int
	var events api.Seq
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
				virtual, steps, events, drills = virtual+r.Virtual, steps+r.Steps, events+r.Events, drills+r.Drills
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
	fmt.Printf("%d seeds, %s virtual, %d steps, %d events, %d drills in %s: %.0f seeds/s, %.0f × real time; %d failed\n",
		*seeds, virtual.Round(time.Second), steps, events, drills, took.Round(10*time.Millisecond), float64(*seeds)/took.Seconds(), virtual.Seconds()/took.Seconds(), failures)
}

// again says what failed and how to see it again.
func again(r Result) string {
	return fmt.Sprintf("seed %d: %v\n  knobs: %s\n  go test ./sim -run TestSeeds -args -seed %d -v", r.Seed, r.Err, r.Knobs, r.Seed)
}
