package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

const (
	// KeptMax is how many notes a host keeps for a coordinator that it has not
	// found: as many as a ring of events holds. Older ones make room.
	KeptMax = api.EventRing
	// toldEach is how many of them are sent before the line is looked at again:
	// what is more urgent may have come.
	toldEach = 256
	// refusedMax is how many refusals wait for a line. A coordinator that gets no
	// answer to more orders than this is not one.
	refusedMax = 64
	// faultsMax is how many faults are known to be in force: one for each backend.
	faultsMax = itemsMax
)

// Caller is who keeps a picture and has called.
type Caller struct {
	Host  string // as its certificate says
	Epoch uint64 // 0: an observer
	Ring  string
}

// Line is one connection to a host's end.
type Line struct {
	Caller
	sent            uint64 // the newest of what was told that was sent
	version         uint64 // of the status that was sent
	changed         bool   // since then
	owed            *Pong
	links, replicas uint64 // likewise
	refused         []Refused
	adopts          bool // it is still to be told of faults
	settles         bool // and of processes, after what was kept
	replaced        bool
}

// HostEnd is a host's end of all its lines. It is told what the host reports, and
// what each line says; it says what to send on each, and what to obey.
type HostEnd struct {
	program string // its version
	life    uint64
	epoch   uint64 // the highest seen
	took    uint64 // of that epoch's orders
	lines   map[*Line]bool
	// acting is the newest line of the coordinator of that epoch; nil: none.
	acting *Line

	links     view[member.Status]
	replicas  view[replica.Status]
	status    host.Status
	version   uint64 // of status; 0: there is none yet
	told      shelf[fleet.Event]
	lost      uint64 // notes that made room before anybody took them
	processes map[string]fleet.Process
	faults    map[string]inForce
	copy      Copy
	copies    bool // it wants the events
}

// inForce is a fault that was ordered here.
type inForce struct {
	order fleet.FaultOrder
	since instant.Instant
	done  bool
}

// NewHostEnd returns the end of a host in one of its lives. epoch is the highest that
// it has seen before; 0: none. version is its program's.
func NewHostEnd(life, epoch uint64, version string) *HostEnd {
	h := &HostEnd{program: version, life: life, epoch: epoch, lines: map[*Line]bool{}, processes: map[string]fleet.Process{}, faults: map[string]inForce{}}
	h.told = shelf[fleet.Event]{most: KeptMax, room: func(ev fleet.Event) int {
		if n, ok := ev.(fleet.Noted); ok {
			return len(n.Notes)
		}
		return 1
	}}
	return h
}

// Epoch is the highest that was seen.
func (h *HostEnd) Epoch() uint64 { return h.epoch }

// Lost is how many notes made room before anybody took them.
func (h *HostEnd) Lost() uint64 { return h.lost }

// SetCopy says whether the host wants the coordinator's events, and from which it
// goes on. Lines that stand do not hear of it.
func (h *HostEnd) SetCopy(want bool, c Copy) { h.copies, h.copy = want, c }

// Copy returns the copy of the events.
func (h *HostEnd) Copy() (ring string, events []api.Event) { return h.copy.Events() }

// Report takes the host's newest status.
func (h *HostEnd) Report(s host.Status, changed bool) {
	s.Dropped += h.lost
	h.status = s
	h.version++
	if changed {
		for l := range h.lines {
			l.changed = true
		}
	}
}

// view is the newest of something.
type view[T any] struct {
	newest  T
	version uint64 // 0: there is none yet
}

// Links takes how the host sees the other sites, and reports whether that is news. What is
// not may wait for the next report.
func (h *HostEnd) Links(s member.Status) bool {
	before := &h.links.newest
	news := h.links.version == 0 || before.Gateway != s.Gateway || before.Isolation != s.Isolation || !slices.Equal(before.Sites, s.Sites)
	h.links = view[member.Status]{s, h.links.version + 1}
	return news
}

// Replicas takes the host's replicas, and reports whether they are news.
func (h *HostEnd) Replicas(s replica.Status) bool {
	before := &h.replicas.newest
	news := before.Mute != s.Mute || !slices.EqualFunc(before.Groups, s.Groups, func(a, b replica.GroupStatus) bool {
		return a.Group == b.Group && a.Leads == b.Leads && a.Leader == b.Leader && a.Term == b.Term && a.Reason == b.Reason && a.Joint == b.Joint && len(a.Members) == len(b.Members)
	})
	h.replicas = view[replica.Status]{s, h.replicas.version + 1}
	return news
}

// Tell takes what happened on the host: fleet.Noted, fleet.FaultDone and
// fleet.Process.
func (h *HostEnd) Tell(ev fleet.Event) {
	switch e := ev.(type) {
	case fleet.Noted:
		if n := fitting(e.Notes); n < len(e.Notes) { // the other end would not read more
			h.lost += uint64(len(e.Notes) - n)
			e.Notes = e.Notes[:n]
			ev = e
		}
	case fleet.Process:
		if _, known := h.processes[e.Backend]; known || len(h.processes) < itemsMax {
			h.processes[e.Backend] = e
		}
	case fleet.FaultDone:
		h.faultDone(e)
	case fleet.SetSpec, fleet.Kept, fleet.Report, fleet.Adopt, fleet.Ask, fleet.ClientsRead, fleet.Sampled, fleet.Members, fleet.Groups, fleet.Clock, fleet.Agent, fleet.Admission, fleet.Admitted, fleet.Wake:
		return // no host has such a thing to tell
	}
	h.told.add(ev, func(gone fleet.Event) {
		h.lost++
		if n, ok := gone.(fleet.Noted); ok {
			h.lost += uint64(max(len(n.Notes)-1, 0))
		}
	})
}

func (h *HostEnd) faultDone(e fleet.FaultDone) {
	f, ok := h.faults[e.ID]
	switch {
	case !ok:
	case e.Err == "" && !e.Revert && f.order.Kind != api.FaultRestart:
		f.done, f.since = true, e.At
		h.faults[e.ID] = f
		// Whoever did not ask for it hears of it too, and so does who has given up
		// waiting for the answer.
		for l := range h.lines {
			l.adopts = true
		}
	case e.Err == "" || !e.Revert: // it is over, or never began
		delete(h.faults, e.ID)
	}
}

// Join takes a line whose first word was m. gone is what it takes the place of: the
// shell ends it. Called is true if the coordinator is another one now.
func (h *HostEnd) Join(now instant.Instant, wall time.Time, name string, m Hello) (l *Line, w Welcome, gone []*Line, called bool) {
	l = &Line{Caller: Caller{Host: name, Epoch: m.Epoch, Ring: m.Ring}, changed: true, adopts: true, settles: true}
	if m.Life == h.life {
		l.sent = min(m.Took, h.told.last())
	}
	for o := range h.lines {
		if o.Host == name && o.Epoch == m.Epoch {
			o.replaced = true
			gone = append(gone, o)
			delete(h.lines, o)
		}
	}
	h.lines[l] = true
	if m.Epoch > h.epoch {
		h.epoch, h.took = m.Epoch, 0
	}
	if m.Epoch > 0 && m.Epoch == h.epoch {
		called = h.acting == nil || h.acting.Caller != l.Caller
		h.acting = l
	}
	w = Welcome{Version: h.program, Life: h.life, Epoch: h.epoch, Pong: h.pong(now, wall, &Pong{Echo: m.Sent, Got: now})}
	if m.Epoch == h.epoch {
		w.Took = h.took
	}
	if m.Epoch > 0 && h.copies {
		w.Copy = true
		w.Ring, w.Last = h.copy.Last()
	}
	return l, w, gone, called
}

// Leave ends a line and reports whether the coordinator hung up with it.
func (h *HostEnd) Leave(l *Line) (hung bool) {
	delete(h.lines, l)
	if h.acting != l {
		return false
	}
	h.acting = nil
	return true
}

// Heard is what a host is to do about a message.
type Heard struct {
	Do    Do     // nil: nothing
	Share *Share // nil: none
	Wake  bool   // there is something to send
}

// Hear takes a message of a line.
func (h *HostEnd) Hear(now instant.Instant, l *Line, m Message) (out Heard) {
	acts := l == h.acting
	switch m := m.(type) {
	case Ping:
		if acts {
			h.told.taken(min(m.Took, l.sent))
		}
		// The Pong travels with the next report, which spares a message. It has time
		// until the next Ping.
		out.Wake = l.owed != nil
		l.owed = &Pong{Echo: m.Sent, Got: now}
	case Order:
		out.Do = h.order(now, l, m)
		out.Wake = true
	case Events:
		if acts && h.copies {
			h.copy.Add(m)
		}
	case Share:
		if acts {
			out.Share = &m
		}
	case Hello, Welcome, Pong, Report, Links, Replicas, Told, Refused: // nobody who keeps a picture says so
	}
	return out
}

func (h *HostEnd) order(now instant.Instant, l *Line, m Order) Do {
	no := func(r api.Reason, detail string) Do {
		if len(l.refused) < refusedMax {
			l.refused = append(l.refused, Refused{Number: m.Number, Reason: r, Detail: detail})
		}
		return nil
	}
	switch {
	case l.Epoch == 0:
		return no(api.ReasonOldEpoch, "it only observes")
	case l.Epoch < h.epoch:
		return no(api.ReasonOldEpoch, fmt.Sprintf("its epoch is %d, and %d has been seen", l.Epoch, h.epoch))
	case m.Number <= h.took:
		return nil // it is here already
	}
	h.took = m.Number
	if m.Bad != "" {
		return no(api.ReasonTooNew, m.Bad)
	}
	if f, ok := m.Do.(Fault); ok && !f.Revert && len(h.faults) < faultsMax {
		h.faults[f.ID] = inForce{order: f.FaultOrder, since: now}
	}
	return m.Do
}

func (h *HostEnd) pong(now instant.Instant, wall time.Time, p *Pong) Pong {
	p.Sent, p.Wall, p.Took = now, wall, h.took
	return *p
}

// Take appends what is to be sent on a line now. Nothing: the line waits. What it
// gives is not given again on this line.
func (h *HostEnd) Take(now instant.Instant, wall time.Time, l *Line, into []Message) []Message {
	if l.replaced {
		return into
	}
	for _, r := range l.refused { // ahead of the Pong, which has their orders forgotten
		into = append(into, r)
	}
	l.refused = l.refused[:0]
	if l.owed != nil {
		p := h.pong(now, wall, l.owed)
		if l.Epoch != h.epoch {
			p.Took = 0
		}
		into, l.owed = append(into, p), nil
	}
	if l.adopts {
		l.adopts = false
		for _, id := range slices.Sorted(maps.Keys(h.faults)) {
			if f := h.faults[id]; f.done {
				into = append(into, Told{Event: fleet.Adopt{Order: f.order, By: f.order.By, Since: f.since}})
			}
		}
	}
	// The report goes first: who hears of a change looks at the report for what it
	// changed.
	if h.version > l.version {
		into = append(into, Report{fleet.Report{Status: h.status, Changed: l.changed}})
		l.version, l.changed = h.version, false
	}
	if v := h.links.version; v > l.links {
		into, l.links = append(into, Links{fleet.Members{Status: h.links.newest}}), v
	}
	if v := h.replicas.version; v > l.replicas {
		into, l.replicas = append(into, Replicas{fleet.Groups{Status: h.replicas.newest}}), v
	}
	for range toldEach {
		n, ev, ok := h.told.next(l.sent)
		if !ok {
			break
		}
		into = append(into, Told{Number: n, Event: ev})
		l.sent = n
	}
	if _, _, more := h.told.next(l.sent); l.settles && !more {
		l.settles = false
		for _, name := range slices.Sorted(maps.Keys(h.processes)) {
			into = append(into, Told{Event: h.processes[name]})
		}
	}
	return into
}

// Compare orders callers by host, then by epoch.
func (c Caller) Compare(o Caller) int {
	return cmp.Or(cmp.Compare(c.Host, o.Host), cmp.Compare(c.Epoch, o.Epoch))
}
