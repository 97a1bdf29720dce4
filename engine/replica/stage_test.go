package replica_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// stage is some hosts with one clock and a network that delivers at once. sim/replicas
// is the world in which everything breaks; here one thing at a time does.
type stage struct {
	t     testing.TB
	now   instant.Instant
	hosts []*actor
	seed  uint64
	// Each says whether a thing goes through; nil: it does.
	carries func(from, to *actor, frame []byte) bool
	writes  func(h *actor, w replica.Write) replica.Event // nil: not answered now

	answers map[uint64]replica.Answer
	notes   []replica.Note
	mail    []letter
	next    uint64
}

type letter struct {
	to *actor
	ev replica.Event
}

type actor struct {
	name     string
	groups   *replica.Groups
	stores   map[replica.GroupID]*facts.Store
	segments []journal.Segment
	dead     bool
	boot     uint64
}

func newStage(t testing.TB, seed uint64, names ...string) *stage {
	s := &stage{t: t, seed: seed, answers: map[uint64]replica.Answer{}, next: 1000}
	for i, name := range names {
		h := &actor{name: name, boot: uint64(i+1) << 32}
		s.hosts = append(s.hosts, h)
		s.start(h)
	}
	return s
}

func (s *stage) start(h *actor) {
	h.dead = false
	h.boot++
	h.stores = map[replica.GroupID]*facts.Store{}
	found := journal.Recover(h.segments)
	if found.Rot != "" {
		s.t.Logf("%s: %s", h.name, found.Rot)
	}
	h.groups = replica.New(replica.Config{
		Host: h.name, Boot: h.boot, Rand: rand.New(rand.NewPCG(s.seed, h.boot)), SegmentSize: 2 << 20,
		Machine: func(g replica.GroupID) replica.Machine {
			h.stores[g] = facts.New()
			return h.stores[g]
		},
	}, s.now, found)
}

func (s *stage) host(name string) *actor {
	for _, h := range s.hosts {
		if h.name == name {
			return h
		}
	}
	s.t.Fatalf("there is no host %s", name)
	return nil
}

func (h *actor) put(w replica.Write) {
	if w.Size > 0 {
		h.segments = append(h.segments, journal.Segment{Number: w.Segment, Data: make([]byte, w.Size)})
	}
	for i := range h.segments {
		if h.segments[i].Number == w.Segment {
			copy(h.segments[i].Data[w.Offset:], w.Data)
		}
	}
}

// step lets a host see an event and everybody what follows from it.
func (s *stage) step(h *actor, ev replica.Event) {
	s.mail = append(s.mail, letter{h, ev})
	for n := 0; len(s.mail) > 0; n++ {
		if n > 100000 {
			s.t.Fatal("the hosts talk without end")
		}
		l := s.mail[0]
		s.mail = s.mail[1:]
		if l.to.dead {
			continue
		}
		var out replica.Effects
		l.to.groups.Step(s.now, l.ev, &out)
		for _, a := range out.Answers {
			if _, twice := s.answers[a.Request]; twice {
				s.t.Fatalf("request %d is answered twice", a.Request)
			}
			s.answers[a.Request] = a
		}
		for _, n := range out.Notes {
			if n.Reason == replica.ReasonHalted {
				s.t.Errorf("%s: %+v", l.to.name, n)
			}
			s.notes = append(s.notes, n)
		}
		for _, w := range out.Writes {
			answer := replica.Event(replica.Wrote{Op: w.Op})
			if s.writes != nil {
				answer = s.writes(l.to, w)
			}
			if _, ok := answer.(replica.Wrote); ok {
				l.to.put(w)
			}
			if answer != nil {
				s.mail = append(s.mail, letter{l.to, answer})
			}
		}
		for _, x := range out.Sends {
			to := s.host(x.To)
			if s.carries == nil || s.carries(l.to, to, x.Frame) {
				s.mail = append(s.mail, letter{to, replica.Heard{From: l.to.name, Frame: x.Frame}})
			}
		}
	}
}

// run lets time pass.
func (s *stage) run(d time.Duration) {
	for end := s.now.Add(d); s.now < end; {
		next := end
		for _, h := range s.hosts {
			if !h.dead {
				next = min(next, max(h.groups.Deadline(), s.now+1))
			}
		}
		s.now = next
		for _, h := range s.hosts {
			if !h.dead && h.groups.Deadline().Reached(s.now) {
				s.step(h, replica.Wake{})
			}
		}
	}
}

// until lets time pass until something is so.
func (s *stage) until(what string, is func() bool) {
	s.t.Helper()
	for range 4000 {
		if is() {
			return
		}
		s.run(5 * time.Millisecond)
	}
	for _, h := range s.hosts {
		s.t.Logf("%s (dead %v): %+v", h.name, h.dead, h.groups.Status())
	}
	s.t.Fatalf("it never comes to this: %s", what)
}

// create founds the group fleet on the first hosts.
func (s *stage) create(seats ...replica.Seat) {
	if len(seats) == 0 {
		for _, h := range s.hosts {
			seats = append(seats, replica.Seat{Host: h.name})
		}
	}
	for _, seat := range seats {
		s.next++
		s.step(s.host(seat.Host), replica.Create{Request: s.next, Group: "fleet", Seats: seats})
		if a := s.answers[s.next]; a.Reason != "" {
			s.t.Fatalf("create: %+v", a)
		}
	}
}

func (s *stage) status(h *actor) replica.GroupStatus {
	for _, g := range h.groups.Status().Groups {
		if g.Group == "fleet" {
			return g
		}
	}
	return replica.GroupStatus{}
}

// leader waits for a leader and returns it: the one of the highest term.
func (s *stage) leader() *actor {
	s.t.Helper()
	var best *actor
	s.until("somebody leads", func() bool {
		best = nil
		for _, h := range s.hosts {
			if st := s.status(h); !h.dead && st.Leads && (best == nil || st.Term > s.status(best).Term) {
				best = h
			}
		}
		return best != nil && h0(s, best)
	})
	return best
}

// h0 reports whether a leader has carried out an entry of its own.
func h0(s *stage, h *actor) bool { return s.status(h).Applied >= s.status(h).Last }

// ask gives a host a request and returns its number.
func (s *stage) ask(h *actor, make func(request uint64) replica.Event) uint64 {
	s.next++
	n := s.next
	s.step(h, make(n))
	return n
}

func (s *stage) propose(h *actor, key, value string) uint64 {
	c := facts.Encode(facts.Txn{Ops: []facts.Op{{Key: key, Value: []byte(value)}}})
	return s.ask(h, func(n uint64) replica.Event {
		return replica.Propose{Request: n, Group: "fleet", Command: c, For: 2 * time.Second}
	})
}

// wait waits for an answer.
func (s *stage) wait(request uint64) replica.Answer {
	s.t.Helper()
	s.until(fmt.Sprintf("request %d is answered", request), func() bool { _, ok := s.answers[request]; return ok })
	return s.answers[request]
}

func (s *stage) put(h *actor, key, value string) {
	s.t.Helper()
	if a := s.wait(s.propose(h, key, value)); a.Reason != "" {
		s.t.Fatalf("put %s on %s: %+v", key, h.name, a)
	}
}

func (s *stage) read(h *actor, key string) uint64 {
	return s.ask(h, func(n uint64) replica.Event {
		return replica.Read{Request: n, Group: "fleet", Query: facts.EncodeQuery(facts.Get{Key: key}), For: 2 * time.Second}
	})
}

func (s *stage) get(h *actor, key string) string {
	s.t.Helper()
	a := s.wait(s.read(h, key))
	if a.Reason != "" {
		s.t.Fatalf("read %s on %s: %+v", key, h.name, a)
	}
	answer, err := facts.DecodeAnswer(a.Result)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(answer.Facts) == 0 {
		return ""
	}
	return string(answer.Facts[0].Value)
}

func (s *stage) noted(why replica.Reason) bool {
	return slices.ContainsFunc(s.notes, func(n replica.Note) bool { return n.Reason == why })
}

// others are the hosts that are not h.
func (s *stage) others(h *actor) []*actor {
	return slices.DeleteFunc(slices.Clone(s.hosts), func(x *actor) bool { return x == h })
}
