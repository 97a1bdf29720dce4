package report

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

const (
	toldNumber  = 1
	toldNoted   = 2
	toldFault   = 3
	toldProcess = 4
	toldAdopt   = 5

	noteAt      = 1
	noteAfter   = 2
	noteFollows = 3
	noteEvent   = 4

	faultID     = 1
	faultRevert = 2
	faultAt     = 3
	faultErr    = 4

	processBackend = 1
	processPID     = 2
	processRunning = 3
	processReason  = 4
	processTaken   = 5

	adoptOrder = 1
	adoptBy    = 2
	adoptSince = 3
)

func (m Told) append(b []byte) []byte {
	b = wire.AppendNumber(b, toldNumber, m.Number)
	var mark int
	switch e := m.Event.(type) {
	case fleet.Noted:
		b, mark = wire.Begin(b, toldNoted)
		b = appendNotes(b, e.Notes)
	case fleet.FaultDone:
		b, mark = wire.Begin(b, toldFault)
		b = wire.AppendBytes(b, faultID, cut(e.ID, nameMax))
		b = wire.AppendYes(b, faultRevert, e.Revert)
		b = wire.AppendNumber(b, faultAt, numberOf(e.At))
		b = wire.AppendBytes(b, faultErr, cut(e.Err, textMax))
	case fleet.Process:
		b, mark = wire.Begin(b, toldProcess)
		b = wire.AppendBytes(b, processBackend, cut(e.Backend, nameMax))
		b = wire.AppendNumber(b, processPID, counted(e.PID))
		b = wire.AppendYes(b, processRunning, e.Running)
		b = wire.AppendBytes(b, processReason, cut(e.Reason, textMax))
		b = wire.AppendYes(b, processTaken, e.Taken)
	case fleet.Adopt:
		b, mark = wire.Begin(b, toldAdopt)
		var order int
		b, order = wire.Begin(b, adoptOrder)
		b = wire.End(appendFault(b, &e.Order), order)
		b = wire.AppendBytes(b, adoptBy, cut(e.By, textMax))
		b = wire.AppendNumber(b, adoptSince, numberOf(e.Since))
	case fleet.SetSpec, fleet.Kept, fleet.Report, fleet.Ask, fleet.ClientsRead, fleet.Sampled, fleet.Members, fleet.Groups, fleet.Clock, fleet.Agent, fleet.Admission, fleet.Admitted, fleet.Wake:
		return b // no host tells them so
	default:
		return b
	}
	return wire.End(b, mark)
}

func (r *reader) told(f *wire.Fields) Message {
	var m Told
	for f.Next() {
		switch f.Field() {
		case toldNumber:
			m.Number = f.Number()
		case toldNoted:
			m.Event = r.notes(f)
		case toldFault:
			m.Event = r.faultDone(f)
		case toldProcess:
			m.Event = readProcess(f)
		case toldAdopt:
			m.Event = r.adopt(f)
		}
	}
	return m
}

// past makes an instant ours that was not later than now.
func (r *reader) past(n uint64, f *wire.Fields) instant.Instant {
	r.begin(n, f)
	return r.ourAt
}

// fitting is how many notes one message holds.
func fitting(notes []host.Note) int {
	size := 0
	for i := range notes[:min(len(notes), notesMax)] {
		e := &notes[i].Event
		for _, s := range []string{e.Text, e.Reason, e.By, e.Receipt} {
			size += min(len(s), textMax)
		}
		if size += 8 * nameMax; size > FrameMax/8 {
			return i
		}
	}
	return min(len(notes), notesMax)
}

// appendNotes appends the notes of one step of a host: each may name an earlier
// one.
func appendNotes(b []byte, notes []host.Note) []byte {
	for i := range notes[:fitting(notes)] {
		n := &notes[i]
		var mark, event int
		b, mark = wire.Begin(b, listItem)
		b = wire.AppendNumber(b, noteAt, numberOf(n.At))
		b = wire.AppendNumber(b, noteAfter, counted(n.After))
		b = wire.AppendYes(b, noteFollows, n.Follows)
		b, event = wire.Begin(b, noteEvent)
		b = wire.End(appendEvent(b, &n.Event), event)
		b = wire.End(b, mark)
	}
	return b
}

func (r *reader) notes(f *wire.Fields) fleet.Event {
	var ev fleet.Noted
	list := f.Fields()
	for list.Next() {
		if list.Field() != listItem {
			continue
		}
		if len(ev.Notes) == notesMax {
			list.Fail("too many notes at once")
			break
		}
		g := list.Fields()
		var n host.Note
		for g.Next() {
			switch g.Field() {
			case noteAt:
				n.At = r.past(g.Number(), &g)
			case noteAfter:
				n.After = g.Count(countMax)
			case noteFollows:
				n.Follows = g.Yes()
			case noteEvent:
				n.Event = readEvent(&g)
			}
		}
		list.Check(g.Err())
		ev.Notes = append(ev.Notes, n)
	}
	f.Check(list.Err())
	return ev
}

func (r *reader) faultDone(f *wire.Fields) fleet.Event {
	var ev fleet.FaultDone
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case faultID:
			ev.ID = g.Text(nameMax)
		case faultRevert:
			ev.Revert = g.Yes()
		case faultAt:
			ev.At = r.past(g.Number(), &g)
		case faultErr:
			ev.Err = g.Text(textMax)
		}
	}
	f.Check(g.Err())
	return ev
}

func readProcess(f *wire.Fields) fleet.Event {
	var ev fleet.Process
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case processBackend:
			ev.Backend = g.Text(nameMax)
		case processPID:
			ev.PID = g.Count(countMax)
		case processRunning:
			ev.Running = g.Yes()
		case processReason:
			ev.Reason = g.Text(textMax)
		case processTaken:
			ev.Taken = g.Yes()
		}
	}
	f.Check(g.Err())
	return ev
}

func (r *reader) adopt(f *wire.Fields) fleet.Event {
	var ev fleet.Adopt
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case adoptOrder:
			ev.Order = readFault(&g)
		case adoptBy:
			ev.By = g.Text(textMax)
		case adoptSince:
			ev.Since = r.past(g.Number(), &g)
		}
	}
	f.Check(g.Err())
	return ev
}

// The fields of an event. Its lane and state are words, so that a newer version's
// are shown as they are.
const (
	eventSeq     = 1
	eventAt      = 2 // nanoseconds of Unix time; none: the zero time
	eventSite    = 3
	eventHost    = 4
	eventKind    = 5
	eventName    = 6
	eventLane    = 7
	eventState   = 8
	eventText    = 9
	eventReason  = 10
	eventCause   = 11
	eventBy      = 12
	eventReceipt = 13
)

func appendEvent(b []byte, e *api.Event) []byte {
	word := func(field int, s string, limit int) {
		if s != "" {
			b = wire.AppendBytes(b, field, cut(s, limit))
		}
	}
	b = appendChange(b, eventSeq, 0, uint64(e.Seq))
	b = appendTime(b, eventAt, e.At)
	word(eventSite, e.Site, nameMax)
	word(eventHost, e.Host, nameMax)
	word(eventKind, string(e.Subject.Kind), nameMax)
	word(eventName, e.Subject.Name, nameMax)
	word(eventLane, string(e.Lane), nameMax)
	word(eventState, string(e.State), nameMax)
	word(eventText, e.Text, textMax)
	word(eventReason, e.Reason, textMax)
	b = appendChange(b, eventCause, 0, uint64(e.Cause))
	word(eventBy, e.By, textMax)
	word(eventReceipt, e.Receipt, textMax)
	return b
}

func readEvent(f *wire.Fields) api.Event {
	var e api.Event
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case eventSeq:
			e.Seq = api.Seq(g.Number())
		case eventAt:
			e.At = readTime(&g)
		case eventSite:
			e.Site = g.Text(nameMax)
		case eventHost:
			e.Host = g.Text(nameMax)
		case eventKind:
			e.Subject.Kind = id.Kind(g.Text(nameMax))
		case eventName:
			e.Subject.Name = g.Text(nameMax)
		case eventLane:
			e.Lane = api.Lane(g.Text(nameMax))
		case eventState:
			e.State = api.State(g.Text(nameMax))
		case eventText:
			e.Text = g.Text(textMax)
		case eventReason:
			e.Reason = g.Text(textMax)
		case eventCause:
			e.Cause = api.Seq(g.Number())
		case eventBy:
			e.By = g.Text(textMax)
		case eventReceipt:
			e.Receipt = g.Text(textMax)
		}
	}
	f.Check(g.Err())
	return e
}

func appendTime(b []byte, field int, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return wire.AppendSigned(b, field, t.UnixNano())
}

func readTime(f *wire.Fields) time.Time { return time.Unix(0, f.Signed()).UTC() }
