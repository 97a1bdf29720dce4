package replicas

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// host is one of the simulated world's: a process that comes and goes, a disk that
// stays, and a clock of its own speed.
type host struct {
	w    *World
	name string
	disk disk
	rate float64 // its clock's speed against true time

	founded map[replica.GroupID]bool // it said so

	life   uint64 // of the process; 0: never started
	up     bool
	booted instant.Instant // true time
	groups *replica.Groups
	stores map[replica.GroupID]*facts.Store
	wakes  uint64
	paused instant.Instant // true time until which nothing gets through
	held   []replica.Event
	out    replica.Effects

	asks map[uint64]func(replica.Answer) // by request
	next uint64
}

// local is what the host's clock says: it begins with the process.
func (h *host) local() instant.Instant {
	return instant.Instant(float64(h.w.now-h.booted) * h.rate)
}

// trueAt is when the host's clock says so.
func (h *host) trueAt(local instant.Instant) instant.Instant {
	if local == instant.Never {
		return instant.Never
	}
	return h.booted + instant.Instant(float64(local)/h.rate) + 1
}

// start starts the process on what the disk says.
func (h *host) start() {
	w := h.w
	h.life++
	h.up, h.booted, h.held, h.paused = true, w.now, nil, 0
	h.asks = map[uint64]func(replica.Answer){}
	h.disk.fails = false
	found := w.plant.found(h, journal.Recover(copies(h.disk.segments)))
	h.disk.shorten(found.Cuts)
	if found.Rot != "" {
		w.trace.say(w.now, "%s: rot: %s", h.name, found.Rot)
	}
	boot := w.rand.Uint64() | 1
	if w.plant.reborn {
		boot = uint64(len(h.name)) + uint64(h.name[1])
	}
	h.groups = replica.New(replica.Config{
		Host: h.name, Boot: boot, Rand: rand.New(rand.NewPCG(w.rand.Uint64(), 0)),
		Machine:     func(name replica.GroupID) replica.Machine { return w.plant.machine(h, name) },
		Timing:      w.timing,
		SegmentSize: w.knobs.SegmentSize, SegmentsKept: w.knobs.SegmentsKept,
	}, 0, found)
	w.trace.say(w.now, "%s starts, life %d", h.name, h.life)
	h.step(replica.Wake{})
	for _, g := range []replica.GroupID{groupFleet, groupSite} {
		if !h.founded[g] || w.plant.refounds {
			w.found(h, g)
		}
	}
}

func copies(all []journal.Segment) []journal.Segment {
	var c []journal.Segment
	for _, s := range all {
		c = append(c, journal.Segment{Number: s.Number, Data: append([]byte(nil), s.Data...)})
	}
	return c
}

// kill ends the process, and with power its unflushed writes.
func (h *host) kill() {
	if !h.up {
		return
	}
	h.w.trace.say(h.w.now, "%s dies", h.name)
	h.up = false
	h.w.plant.dies(h)
	h.disk.cut(h.w)
	asks := h.asks
	h.asks = nil
	for _, request := range sortedKeys(asks) {
		asks[request](replica.Answer{Reason: replica.ReasonUnknown})
	}
	h.w.check.died(h)
	for _, o := range h.w.hosts {
		// Some hosts see at once that the process is gone.
		if o != h && h.w.rand.IntN(2) == 0 {
			h.w.after(h.w.upTo(20*time.Millisecond), func() { o.step(replica.Ended{Host: h.name}) })
		}
	}
}

// step lets the process see one event, and carries out what it asks.
func (h *host) step(ev replica.Event) {
	if !h.up || h.w.err != nil {
		return
	}
	if h.w.now < h.paused {
		h.held = append(h.held, ev)
		return
	}
	h.out.Reset()
	h.groups.Step(h.local(), ev, &h.out)
	h.w.steps++
	h.carry()
	h.w.check.stepped(h)
	h.wakes++
	wake, life := h.wakes, h.life
	if at := h.groups.Deadline(); at != instant.Never {
		if _, woken := ev.(replica.Wake); woken && at <= h.local() {
			h.w.fail("spins", "%s was woken and wants to be woken at once", h.name)
		}
		late := h.w.upTo(h.w.knobs.LateMax)
		h.w.at(max(h.w.now, h.trueAt(at)).Add(late), func() {
			if h.life == life && h.wakes == wake {
				h.step(replica.Wake{})
			}
		})
	}
}

// pause lets nothing through for a while: a process that is stopped, or a machine
// that is.
func (h *host) pause(d time.Duration) {
	h.paused = h.w.now.Add(d)
	life := h.life
	h.w.at(h.paused, func() {
		if h.life != life {
			return
		}
		held := h.held
		h.held = nil
		for _, ev := range held {
			h.step(ev)
		}
		h.step(replica.Wake{})
	})
}

// carry carries out the effects of a step.
func (h *host) carry() {
	w := h.w
	for _, n := range h.out.Notes {
		w.trace.say(w.now, "%s: %s %s: %s", h.name, n.Group, n.Reason, n.Text)
		w.check.noted(h, n)
	}
	for _, s := range h.out.Sends {
		w.trace.mark(w.now, h.name+" to "+s.To, s.Frame)
		w.send(h.name, s.To, s.Frame)
	}
	for _, below := range h.out.Drops {
		h.disk.free(below)
	}
	for _, x := range h.out.Writes {
		h.write(x)
	}
	for _, a := range append([]replica.Answer(nil), h.out.Answers...) {
		h.answered(a)
	}
}

func (h *host) answered(a replica.Answer) {
	if done := h.asks[a.Request]; done != nil {
		delete(h.asks, a.Request)
		// The answer travels a little: whoever asked is another loop.
		life := h.life
		h.w.after(h.w.upTo(100*time.Microsecond), func() {
			if h.life == life && h.up {
				done(a)
			} else {
				done(replica.Answer{Reason: replica.ReasonUnknown})
			}
		})
	} else if a.Request != 0 {
		h.w.fail("answers", "%s answers request %d, which nobody asked or which was answered", h.name, a.Request)
	}
}

// write begins to write a batch.
func (h *host) write(x replica.Write) {
	w, life := h.w, h.life
	if h.disk.flight != nil && h.disk.flight.Op != x.Op && !w.plant.early {
		w.fail("writes", "%s writes batch %d while %d is in flight", h.name, x.Op, h.disk.flight.Op)
	}
	if h.disk.full {
		w.after(time.Millisecond, func() {
			if h.life == life {
				h.step(replica.WriteFailed{Op: x.Op, Err: "no space left on device", Retry: true})
			}
		})
		return
	}
	h.disk.flight = &x
	if w.plant.early {
		// The disk still writes one batch after another.
		h.disk.busy = max(h.disk.busy, w.now).Add(time.Millisecond)
		h.w.after(0, func() {
			if h.life == life {
				h.step(replica.Wrote{Op: x.Op})
			}
		})
	}
	took := 50*time.Microsecond + w.upTo(w.knobs.FlushMax)
	if h.disk.slow {
		took += 3 * time.Second
	}
	if w.plant.early {
		h.disk.busy = h.disk.busy.Add(took)
		took = h.disk.busy.Sub(w.now)
	}
	if h.disk.fails {
		h.disk.fails = false
		w.after(took, func() {
			if h.life == life {
				h.step(replica.WriteFailed{Op: x.Op, Err: "input/output error"})
				// Whoever watches the process restarts it.
				w.after(time.Second+w.upTo(2*time.Second), func() {
					if h.life == life && h.up {
						h.kill()
						w.restart(h)
					}
				})
			}
		})
		return
	}
	w.after(took, func() {
		if h.life != life || !h.up {
			return
		}
		if h.disk.flight != nil && h.disk.flight.Op == x.Op {
			h.disk.sink(x)
		} else if w.plant.early {
			h.disk.put(x, func(int) bool { return true })
		}
		if !w.plant.early {
			h.step(replica.Wrote{Op: x.Op})
		}
	})
}

// ask gives the process a request; done is called once.
func (h *host) ask(make func(request uint64) replica.Event, done func(replica.Answer)) {
	if !h.up {
		h.w.after(time.Millisecond, func() { done(replica.Answer{Reason: replica.ReasonNoGroup}) })
		return
	}
	h.next++
	h.asks[h.next] = done
	h.step(make(h.next))
}
