package replicas

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/sim/agenda"
)

// The groups of every world: all hosts, and the first three of them.
const (
	groupFleet replica.GroupID = "fleet"
	groupSite  replica.GroupID = "site/one"
)

// World is hosts, what is between them, and who uses them.
type World struct {
	seed  uint64
	knobs Knobs
	rand  *rand.Rand
	plant plant
	queue agenda.Queue
	now   instant.Instant
	trace trace
	check *checks
	steps int
	err   error

	hosts   []*host
	blocked map[[2]string]int // frames from one host to another get lost
	calm    bool              // the liveness phase: no faults any more
	clients []*client
	holders []*holder
	orders  int // of operators, that were carried out
	used    int // operations of clients
}

// Result is what a run was.
type Result struct {
	Seed       uint64
	Knobs      Knobs
	Err        error
	Hash       uint64
	Virtual    time.Duration
	Steps      int
	Operations int // of clients, with an answer
	Leases     int // that were held
	Refills    int // members that were replaced because they lost their memory
	Orders     int
	Tangled    bool // the history could not be checked in time
}

// Run runs the world of a seed; lines, if any, get what happens.
func Run(seed uint64, lines io.Writer) Result {
	r := rand.New(rand.NewPCG(seed, 1))
	return run(seed, Draw(r), r, honest(), lines)
}

// recoverBy is how long everything may take to come right once all faults are
// over: some elections, a snapshot, a replacement.
const recoverBy = 60 * time.Second

func run(seed uint64, knobs Knobs, r *rand.Rand, p plant, lines io.Writer) Result {
	w := &World{seed: seed, knobs: knobs, rand: r, plant: p, trace: trace{lines: lines}, blocked: map[[2]string]int{}}
	w.check = newChecks(w)
	for i := range knobs.Hosts {
		h := &host{w: w, name: fmt.Sprintf("h%d", i+1), rate: 1 + knobs.Drift*(2*r.Float64()-1), stores: map[replica.GroupID]*facts.Store{}, founded: map[replica.GroupID]bool{}}
		w.hosts = append(w.hosts, h)
	}
	if knobs.Hosts > 1 {
		// The widest apart that two clocks may be.
		w.hosts[0].rate, w.hosts[1].rate = 1-knobs.Drift, 1+knobs.Drift
	}
	for _, h := range w.hosts {
		h.start()
	}
	for i := range knobs.Clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	for _, h := range w.hosts {
		w.holders = append(w.holders, newHolder(h))
	}
	w.nature()
	w.operator()
	w.look()
	w.until(instant.Instant(0).Add(knobs.Safety))
	w.heal()
	deadline := w.now.Add(recoverBy)
	for w.err == nil && w.now < deadline && w.check.unsettled() != "" {
		w.until(w.now.Add(200 * time.Millisecond))
	}
	if why := w.check.unsettled(); why != "" && w.err == nil {
		w.fail("liveness", "%s after all faults, %s", recoverBy, why)
	}
	for _, c := range w.clients {
		c.stop = true
	}
	w.until(w.now.Add(5 * time.Second))
	if w.err == nil {
		w.check.end()
	}
	return Result{
		Seed: seed, Knobs: knobs, Err: w.err, Hash: w.trace.hash, Virtual: time.Duration(w.now), Steps: w.steps,
		Operations: len(w.check.history), Leases: w.check.leases, Refills: w.check.refills, Orders: w.orders, Tangled: w.check.tangled,
	}
}

// found founds a group on a host, if it has a seat there.
func (w *World) found(h *host, g replica.GroupID) {
	seats := w.seats(g)
	if !slices.ContainsFunc(seats, func(s replica.Seat) bool { return s.Host == h.name }) {
		return
	}
	h.ask(func(request uint64) replica.Event {
		return replica.Create{Request: request, Group: g, Seats: seats}
	}, func(a replica.Answer) {
		if a.Reason == "" || a.Reason == replica.ReasonExists {
			h.founded[g] = true
		}
	})
}

// timing is every group's.
func (w *World) timing(replica.GroupID) replica.Timing {
	if w.knobs.Far {
		return replica.Far
	}
	return replica.Near
}

// seats are a group's first ones.
func (w *World) seats(g replica.GroupID) []replica.Seat {
	var seats []replica.Seat
	for i, h := range w.hosts {
		if g == groupSite && i >= 3 {
			break
		}
		seats = append(seats, replica.Seat{Host: h.name, Witness: w.knobs.Witness && g == groupSite && i == 2})
	}
	return seats
}

// until lets everything happen up to an instant.
func (w *World) until(end instant.Instant) {
	for w.err == nil && w.queue.Next() <= end {
		e := w.queue.Take()
		w.now = max(w.now, e.At)
		e.Do()
	}
	w.now = max(w.now, end)
}

func (w *World) at(at instant.Instant, do func()) { w.queue.Add(max(at, w.now), do) }
func (w *World) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }
func (w *World) upTo(d time.Duration) time.Duration {
	return time.Duration(w.rand.Int64N(int64(d) + 1))
}

// fail ends the run: a promise is broken.
func (w *World) fail(check, format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: at %.4fs: %s", check, float64(w.now)/1e9, fmt.Sprintf(format, args...))
		w.trace.say(w.now, "BROKEN %v", w.err)
	}
}

// send carries a frame, or loses it, doubles it, or lets others overtake it.
func (w *World) send(from, to string, frame []byte) {
	h := w.host(to)
	if h == nil {
		w.fail("names", "%s sends to %s, which there is not", from, to)
		return
	}
	frame = append([]byte(nil), frame...)
	n := 1
	if !w.calm && w.rand.Float64() < w.knobs.Twice {
		n = 2
	}
	for range n {
		if w.blocked[[2]string{from, to}] > 0 || !w.calm && w.rand.Float64() < w.knobs.Loss {
			continue
		}
		took := 20*time.Microsecond + w.upTo(w.knobs.NetMax)
		if n > 1 && w.rand.IntN(4) == 0 {
			took += w.upTo(2 * time.Second) // a copy from long ago
		}
		w.after(took, func() {
			if w.blocked[[2]string{from, to}] <= 0 {
				h.step(replica.Heard{From: from, Frame: frame})
			}
		})
	}
}

func (w *World) host(name string) *host {
	for _, h := range w.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// look lets the checks look at the hosts now and then.
func (w *World) look() {
	w.check.look()
	w.after(25*time.Millisecond, w.look)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
