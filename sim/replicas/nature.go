package replicas

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// natures are the faults. Each undoes itself.
var natures = []struct {
	name string
	do   func(w *World)
}{
	{"crash", func(w *World) { w.crash(w.any()) }},
	{"blackout", func(w *World) {
		for _, h := range w.hosts {
			w.crash(h)
		}
	}},
	{"pause", func(w *World) {
		h := w.any()
		if h.up && w.now >= h.paused {
			d := w.upTo(2 * time.Second)
			w.trace.say(w.now, "%s is paused for %s", h.name, d)
			h.pause(d)
		}
	}},
	{"cut", func(w *World) { w.cutLinks(false) }},
	{"one-way", func(w *World) { w.cutLinks(true) }},
	{"rumour", func(w *World) {
		h := w.any()
		w.trace.say(w.now, "%s is believed to have ended, and has not", h.name)
		for _, o := range w.hosts {
			if o != h && w.rand.IntN(3) > 0 {
				o.step(replica.Ended{Host: h.name})
			}
		}
	}},
	{"full", func(w *World) {
		h := w.any()
		h.disk.full = true
		w.trace.say(w.now, "the disk of %s is full", h.name)
		w.after(w.upTo(3*time.Second), func() { h.disk.full = false })
	}},
	{"slow", func(w *World) {
		h := w.any()
		h.disk.slow = true
		w.trace.say(w.now, "the disk of %s is slow", h.name)
		w.after(w.upTo(3*time.Second), func() { h.disk.slow = false })
	}},
	{"broken", func(w *World) {
		h := w.any()
		if !h.up {
			return
		}
		h.disk.fails = true
		w.trace.say(w.now, "the disk of %s fails its next write", h.name)
	}},
	{"rot", func(w *World) { w.forget(func(h *host) bool { return h.disk.rot(w) }) }},
	{"new disk", func(w *World) {
		w.forget(func(h *host) bool {
			h.disk = disk{}
			return true
		})
	}},
}

func (w *World) any() *host { return w.hosts[w.rand.IntN(len(w.hosts))] }

// nature does one fault after another.
func (w *World) nature() {
	if w.knobs.Nature == 0 {
		return
	}
	w.after(w.upTo(2*w.knobs.Nature), func() {
		if w.calm {
			return
		}
		kind := w.knobs.Kinds[w.rand.IntN(len(w.knobs.Kinds))]
		for _, f := range natures {
			if f.name == kind {
				f.do(w)
			}
		}
		w.nature()
	})
}

// crash takes the power from a host for a while.
func (w *World) crash(h *host) {
	if !h.up {
		return
	}
	h.kill()
	w.restart(h)
}

func (w *World) restart(h *host) {
	w.after(oneOf(w.rand, 0, w.upTo(300*time.Millisecond), w.upTo(4*time.Second)), func() {
		if !h.up {
			h.start()
		}
	})
}

// forget takes a host's memory: within the budget of one at a time, and only
// while nobody else is being refilled. What a majority keeps must suffice.
func (w *World) forget(take func(h *host) bool) {
	h := w.any()
	if len(w.hosts) < 3 || len(w.check.hurt) > 0 || !h.up {
		return
	}
	for _, g := range []replica.GroupID{groupFleet, groupSite} {
		// Those who stay must be a majority, with the data of all that was
		// acknowledged: everybody is where they are to be.
		if !w.led(g, func(st replica.GroupStatus) bool { return settled(st) && w.spares(st, h.name) }) {
			return
		}
	}
	h.kill()
	if take(h) {
		w.trace.say(w.now, "the memory of %s is taken", h.name)
		w.check.hurt[h.name] = true
	}
	w.restart(h)
}

// led asks whoever leads a group.
func (w *World) led(g replica.GroupID, ask func(replica.GroupStatus) bool) bool {
	term, yes := uint64(0), false
	for _, h := range w.hosts {
		if !h.up {
			continue
		}
		for _, st := range h.groups.Status().Groups {
			if st.Group == g && st.Leads && st.Term > term {
				term, yes = st.Term, ask(st)
			}
		}
	}
	return yes
}

// spares reports whether a group can do without a host's memory: without it there
// is a majority of voters, and a voter with data that has everything.
func (w *World) spares(st replica.GroupStatus, without string) bool {
	voters, left, data := 0, 0, 0
	for _, m := range st.Members {
		if m.Role != replica.Voter {
			continue
		}
		voters++
		if m.Host != without {
			if !w.knows(m.Host, st) {
				return false
			}
			left++
			if !m.Witness && m.Match >= st.Last {
				data++
			}
		}
	}
	return left > voters/2 && data > 0
}

// knows reports whether a host knows, and will not forget, who is in a group: one
// that learned of a change last would ask those for their votes who are gone.
func (w *World) knows(name string, want replica.GroupStatus) bool {
	h := w.host(name)
	if !h.up || h.disk.flight != nil {
		return false
	}
	for _, st := range h.groups.Status().Groups {
		if st.Group == want.Group {
			return !st.Joint && slices.EqualFunc(st.Members, want.Members, func(a, b replica.MemberStatus) bool { return a.Member == b.Member })
		}
	}
	return false
}

// cutLinks cuts a host off from others, or what it sends, or what it hears.
func (w *World) cutLinks(oneWay bool) {
	h := w.any()
	heal := w.upTo(oneOf(w.rand, time.Second, 5*time.Second))
	from, to := true, true
	if oneWay {
		from = w.rand.IntN(2) == 0
		to = !from
	}
	only := w.hosts
	if w.rand.IntN(2) == 0 {
		only = []*host{w.any()}
	}
	w.trace.say(w.now, "%s is cut off from %d hosts for %s; sends %v, hears %v", h.name, len(only), heal, !from, !to)
	for _, o := range only {
		if o == h {
			continue
		}
		pairs := [][2]string{}
		if from {
			pairs = append(pairs, [2]string{h.name, o.name})
		}
		if to {
			pairs = append(pairs, [2]string{o.name, h.name})
		}
		for _, p := range pairs {
			w.blocked[p]++
			w.after(heal, func() { w.blocked[p]-- })
		}
		if w.rand.IntN(2) == 0 {
			h.step(replica.Unreachable{Host: o.name})
		}
	}
}

// operator changes who takes part and who leads.
func (w *World) operator() {
	if w.knobs.Operator == 0 {
		return
	}
	w.after(w.upTo(2*w.knobs.Operator), func() {
		if w.calm {
			return
		}
		w.order()
		w.operator()
	})
}

func (w *World) order() {
	g := oneOf(w.rand, groupFleet, groupSite)
	for _, h := range w.hosts {
		if !h.up || !slices.ContainsFunc(h.groups.Status().Groups, func(st replica.GroupStatus) bool { return st.Group == g && st.Leads }) {
			continue
		}
		var make func(request uint64) replica.Event
		if w.rand.IntN(2) == 0 {
			to := w.any().name
			make = func(request uint64) replica.Event { return replica.Transfer{Request: request, Group: g, To: to} }
		} else {
			seats := w.draw()
			make = func(request uint64) replica.Event { return replica.Change{Request: request, Group: g, Seats: seats} }
		}
		what := make(0)
		h.ask(make, func(a replica.Answer) {
			w.trace.say(w.now, "%s: %T%+v: %q %s", h.name, what, what, a.Reason, a.Detail)
			if a.Reason == "" {
				w.orders++
			}
		})
		return
	}
}

// draw draws seats: at least three hosts of those there are.
func (w *World) draw() []replica.Seat {
	var seats []replica.Seat
	for i, n := range w.rand.Perm(len(w.hosts)) {
		if i >= 3 && w.rand.IntN(2) == 0 {
			continue
		}
		s := replica.Seat{Host: w.hosts[n].name}
		switch {
		case i == 2 && w.rand.IntN(3) == 0:
			s.Witness = true
		case i >= 3:
			s.Learner = w.rand.IntN(2) == 0
		}
		seats = append(seats, s)
	}
	return seats
}

// heal ends all faults.
func (w *World) heal() {
	w.trace.say(w.now, "all faults end")
	w.calm = true
	w.check.calmed = w.now
	clear(w.blocked)
	for _, h := range w.hosts {
		h.disk.full, h.disk.slow, h.disk.fails = false, false, false
		if h.up && h.groups.Status().Mute == replica.ReasonJournalFailed {
			h.kill()
		}
		if !h.up {
			h.start()
		}
	}
}
