package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	format "github.com/holdfast-edge/holdfast/engine/replica/journal"
)

const small = 8 * format.Page

func open(t *testing.T, dir string) (*Files, *format.Recovered) {
	t.Helper()
	f, found, err := Open(dir, small)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, found
}

// breaks lets operations fail; the spare, which is made beside, is waited for.
func breaks(f *Files, fault func(op string) error) {
	_ = f.await()
	f.fault = fault
}

func records(n uint64) []byte {
	if n == 1 {
		return format.Append(nil, format.Base{Group: "g", Member: 1, Index: 1, EntryTerm: 1})
	}
	return format.Append(nil, format.Entries{Group: "g", First: n, Entries: []format.Entry{{Term: 1, Data: make([]byte, 3000)}}})
}

// write writes the batches from..to.
func write(t *testing.T, f *Files, tail *format.Tail, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := f.Write(tail.Place(records(n), small)); err != nil {
			t.Fatal(err)
		}
	}
}

func entries(found *format.Recovered) int {
	if found.Groups["g"] == nil {
		return 0
	}
	return len(found.Groups["g"].Entries)
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	f, found := open(t, dir)
	tail := found.Tail
	tail.Generation = 7
	write(t, f, &tail, 1, 20)
	f.Close()
	f, found = open(t, dir)
	if found.Rot != "" || found.Torn != 0 || entries(found) != 19 || found.Tail != tail {
		t.Fatalf("found %d entries, rot %q, tail %+v, want %+v", entries(found), found.Rot, found.Tail, tail)
	}
	// And it goes on where it was.
	write(t, f, &tail, 21, 40)
	f.Close()
	if _, found = open(t, dir); found.Rot != "" || entries(found) != 39 {
		t.Fatalf("found %d entries, rot %q", entries(found), found.Rot)
	}
}

func TestOneProcessHasIt(t *testing.T) {
	dir := t.TempDir()
	f, _ := open(t, dir)
	if _, _, err := Open(dir, small); !errors.Is(err, ErrLocked) {
		t.Errorf("a second process gets %v", err)
	}
	f.Close()
	open(t, dir)
}

// What is torn is cut off in the file, so that it is no rot at the next start but
// one.
func TestTornTailIsCutInTheFile(t *testing.T) {
	dir := t.TempDir()
	f, found := open(t, dir)
	tail := found.Tail
	tail.Generation = 7
	write(t, f, &tail, 1, 3)
	f.Close()
	path := f.path(tail.Segment)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[tail.Offset+100:], "half a batch")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, found = open(t, dir)
	if found.Rot != "" || found.Torn == 0 || entries(found) != 2 {
		t.Fatalf("found %+v", found)
	}
	tail = found.Tail
	write(t, f, &tail, 4, 6)
	f.Close()
	if _, found = open(t, dir); found.Rot != "" || found.Torn != 0 || entries(found) != 5 {
		t.Fatalf("rot %q, torn %d, %d entries", found.Rot, found.Torn, entries(found))
	}
}

func TestDropRemovesTheOldest(t *testing.T) {
	dir := t.TempDir()
	f, found := open(t, dir)
	tail := found.Tail
	tail.Generation = 7
	write(t, f, &tail, 1, 30)
	if tail.Segment < 4 {
		t.Fatalf("%d segments are too few for this test", tail.Segment)
	}
	if err := f.Write(tail.Place(records(1), small)); err != nil { // a base: nothing before it is needed
		t.Fatal(err)
	}
	breaks(f, func(op string) error {
		if op == "drop" && len(f.all) == 2 {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Drop(tail.Segment); err == nil {
		t.Error("a failed drop is no news")
	}
	f.Close()
	f, found = open(t, dir)
	if found.Rot != "" || entries(found) != 0 {
		t.Fatalf("after half a drop: rot %q, %d entries", found.Rot, entries(found))
	}
	if err := f.Drop(tail.Segment); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v are left", err, names)
	}
}

// A full disk may be tried again, whatever was being done; the batch is durable
// once that succeeds, and nothing is there twice.
func TestFullDiskMayBeTriedAgain(t *testing.T) {
	for _, op := range []string{"make", "name", "write"} {
		t.Run(op, func(t *testing.T) {
			dir := t.TempDir()
			f, found := open(t, dir)
			tail := found.Tail
			tail.Generation = 7
			var full atomic.Bool // the spare is made beside
			breaks(f, func(o string) error {
				if full.Load() && o == op {
					return fmt.Errorf("%s: %w", o, syscall.ENOSPC)
				}
				return nil
			})
			full.Store(true)
			w := tail.Place(records(1), small)
			for range 3 {
				if err := f.Write(w); !errors.Is(err, ErrFull) {
					t.Fatalf("a full disk says %v", err)
				}
			}
			if ev, ok := f.Carry(replica.Write{Op: 5, Write: w}).(replica.WriteFailed); !ok || !ev.Retry || ev.Op != 5 || !strings.Contains(ev.Err, "make room") {
				t.Fatalf("the replicas are told %+v", ev)
			}
			full.Store(false)
			if err := f.Write(w); err != nil {
				t.Fatal(err)
			}
			write(t, f, &tail, 2, 9)
			f.Close()
			if _, found = open(t, dir); found.Rot != "" || entries(found) != 8 {
				t.Fatalf("rot %q, %d entries", found.Rot, entries(found))
			}
		})
	}
}

// A flush that failed is not tried again: the kernel forgets the pages, and a
// second flush would succeed without them.
func TestFailedFlushIsFinal(t *testing.T) {
	for _, op := range []string{"flush", "flush names", "write"} {
		t.Run(op, func(t *testing.T) {
			f, found := open(t, t.TempDir())
			tail := found.Tail
			tail.Generation = 7
			fails := 0
			breaks(f, func(o string) error {
				if o == op {
					fails++
					if fails == 1 {
						return syscall.EIO
					}
				}
				return nil
			})
			w := tail.Place(records(1), small)
			for range 3 {
				if err := f.Write(w); !errors.Is(err, ErrFailed) {
					t.Fatalf("a broken disk says %v", err)
				}
			}
			if fails != 1 {
				t.Errorf("tried %d times", fails)
			}
			if ev, ok := f.Carry(replica.Write{Op: 5, Write: w}).(replica.WriteFailed); !ok || ev.Retry {
				t.Errorf("the replicas are told %+v", ev)
			}
		})
	}
}

// The disk calls come in the order that makes them mean something.
func TestOrderOfOperations(t *testing.T) {
	f, found := open(t, t.TempDir())
	var ops []string
	breaks(f, func(op string) error {
		if op != "make" { // beside
			ops = append(ops, op)
		}
		return nil
	})
	tail := found.Tail
	tail.Generation = 7
	f.size = small + 1 // the spare does not fit
	write(t, f, &tail, 1, 2)
	if want := []string{"name", "flush names", "write", "flush", "write", "flush"}; !slices.Equal(ops, want) {
		t.Errorf("%v, want %v", ops, want)
	}
}

// A host's replicas over real files: what was acknowledged is there after a
// restart.
func TestReplicasOverFiles(t *testing.T) {
	dir := t.TempDir()
	now := instant.Instant(0)
	for life := range 3 {
		f, found := open(t, dir)
		stores := map[replica.GroupID]*facts.Store{}
		groups := replica.New(replica.Config{
			Host: "h1", Boot: uint64(life + 1), Rand: rand.New(rand.NewPCG(uint64(life), 1)), SegmentSize: small, SegmentsKept: 2,
			Machine: func(name replica.GroupID) replica.Machine {
				stores[name] = facts.New()
				return stores[name]
			},
		}, now, found)
		answers := map[uint64]replica.Answer{}
		var out replica.Effects
		var step func(ev replica.Event)
		step = func(ev replica.Event) {
			out.Reset()
			groups.Step(now, ev, &out)
			for _, a := range out.Answers {
				answers[a.Request] = a
			}
			for _, n := range out.Notes {
				if n.Reason == replica.ReasonHalted || n.Reason == replica.ReasonJournalRotten {
					t.Fatalf("life %d: %+v", life, n)
				}
			}
			for _, below := range slices.Clone(out.Drops) {
				if err := f.Drop(below); err != nil {
					t.Fatal(err)
				}
			}
			for _, w := range slices.Clone(out.Writes) {
				step(f.Carry(w))
			}
		}
		settle := func(request uint64) replica.Answer {
			for range 200 {
				if a, ok := answers[request]; ok {
					return a
				}
				now = max(now.Add(time.Millisecond), min(groups.Deadline(), now.Add(time.Second)))
				step(replica.Wake{})
			}
			t.Fatalf("life %d: request %d is not answered; %+v", life, request, groups.Status())
			return replica.Answer{}
		}
		if life == 0 {
			step(replica.Create{Request: 1, Group: "fleet", Seats: []replica.Seat{{Host: "h1"}}})
		}
		for i := range 40 {
			c := facts.Txn{Ops: []facts.Op{{Key: fmt.Sprintf("k%d", i%7), Value: []byte(fmt.Sprintf("%d-%d %s", life, i, strings.Repeat("x", 900)))}}}
			request := uint64(100 + i)
			step(replica.Propose{Request: request, Group: "fleet", Command: facts.Encode(c), For: time.Second})
			if a := settle(request); a.Reason != "" {
				t.Fatalf("life %d: %+v", life, a)
			}
		}
		if st := groups.Status(); st.Segments > 4 {
			t.Errorf("the journal has %d segments", st.Segments)
		}
		f.Close()
		f, found = open(t, dir)
		reread := replica.New(replica.Config{Host: "h1", Boot: 99, Rand: rand.New(rand.NewPCG(1, 1)), Machine: func(replica.GroupID) replica.Machine { return facts.New() }}, now, found)
		f.Close()
		if reread.Status().Groups[0].Last < uint64(40*(life+1)) {
			t.Fatalf("life %d: %+v", life, reread.Status())
		}
	}
}
