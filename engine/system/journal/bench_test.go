package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// bencher is a host with a goroutine of its own, a real disk, and no network: frames
// go from inbox to inbox.
type bencher struct {
	name   string
	inbox  chan replica.Event
	files  *Files
	groups *replica.Groups
	peers  map[string]*bencher
	zero   time.Time
	leads  atomic.Bool
	done   sync.Map // request to chan replica.Answer
}

func (h *bencher) run(stop <-chan struct{}) {
	writes := make(chan replica.Write, 1)
	defer close(writes)
	go func() {
		for w := range writes {
			h.inbox <- h.files.Carry(w)
		}
	}()
	var out replica.Effects
	for {
		wait := time.Hour
		if at := h.groups.Deadline(); at != instant.Never {
			wait = max(0, time.Duration(at)-time.Since(h.zero))
		}
		var ev replica.Event = replica.Wake{}
		select {
		case <-stop:
			return
		case ev = <-h.inbox:
		case <-time.After(wait):
		}
		out.Reset()
		h.groups.Step(instant.Instant(time.Since(h.zero)), ev, &out)
		for _, x := range out.Sends {
			select {
			case h.peers[x.To].inbox <- replica.Heard{From: h.name, Frame: x.Frame}:
			default: // lost
			}
		}
		for _, w := range out.Writes {
			writes <- w
		}
		for _, a := range out.Answers {
			if c, ok := h.done.LoadAndDelete(a.Request); ok {
				c.(chan replica.Answer) <- a
			}
		}
		st := h.groups.Status()
		h.leads.Store(len(st.Groups) > 0 && st.Groups[0].Leads)
	}
}

func (h *bencher) ask(ev replica.Event, request uint64) replica.Answer {
	c := make(chan replica.Answer, 1)
	h.done.Store(request, c)
	h.inbox <- ev
	return <-c
}

// BenchmarkPut is a put of 256 bytes that is durable on two of three real disks,
// asked of the leader, without a network.
func BenchmarkPut(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			var hosts []*bencher
			peers := map[string]*bencher{}
			var seats []replica.Seat
			for i := range 3 {
				name := fmt.Sprintf("h%d", i+1)
				files, found, err := Open(b.TempDir(), 16<<20)
				if err != nil {
					b.Fatal(err)
				}
				h := &bencher{name: name, inbox: make(chan replica.Event, 4096), files: files, peers: peers, zero: time.Now()}
				h.groups = replica.New(replica.Config{
					Host: name, Boot: uint64(i + 1), Rand: rand.New(rand.NewPCG(uint64(i), 1)),
					Machine: func(replica.GroupID) replica.Machine { return facts.New() },
				}, 0, found)
				hosts = append(hosts, h)
				peers[name] = h
				seats = append(seats, replica.Seat{Host: name})
			}
			stop := make(chan struct{})
			var loops sync.WaitGroup
			for _, h := range hosts {
				loops.Go(func() { h.run(stop) })
				h.ask(replica.Create{Request: 1, Group: "fleet", Seats: seats}, 1)
			}
			var leader *bencher
			for deadline := time.Now().Add(20 * time.Second); leader == nil && time.Now().Before(deadline); {
				for _, h := range hosts {
					if h.leads.Load() {
						leader = h
					}
				}
			}
			if leader == nil {
				b.Fatal("nobody leads")
			}
			value := make([]byte, 256)
			var next atomic.Uint64
			var mu sync.Mutex
			var took []time.Duration
			b.ResetTimer()
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					for {
						n := next.Add(1)
						if n > uint64(b.N) {
							return
						}
						c := facts.Encode(facts.Txn{Ops: []facts.Op{{Key: fmt.Sprint("k", n%1000), Value: value}}})
						began := time.Now()
						a := leader.ask(replica.Propose{Request: n + 1, Group: "fleet", Command: c, For: 10 * time.Second}, n+1)
						d := time.Since(began)
						if a.Reason != "" {
							b.Error(a)
							return
						}
						mu.Lock()
						took = append(took, d)
						mu.Unlock()
					}
				})
			}
			all.Wait()
			b.StopTimer()
			slices.Sort(took)
			if len(took) > 0 {
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
				b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "puts/s")
			}
			close(stop)
			loops.Wait()
			for _, h := range hosts {
				h.files.Close()
			}
		})
	}
}
