package report

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// The fields of a report. Only what differs from the report before it on the same
// line is written; lists of names say how the items of a list are called, and the
// items that follow are those that changed.
const (
	reportAt            = 1 // first, and always
	reportChanged       = 2
	reportLife          = 3
	reportRev           = 4
	reportDropped       = 5
	reportPanics        = 6
	reportBindings      = 7
	reportBackendNames  = 8
	reportBackend       = 9
	reportReadings      = 10 // their number
	reportListenerNames = 11
	reportListener      = 12
	reportReadingNames  = 13
	reportReading       = 14

	listItem = 1

	bindingListener = 1
	bindingAddress  = 2
	bindingBound    = 3
	bindingReason   = 4
	bindingSince    = 5
)

// appendReport appends what differs from before.
func appendReport(b []byte, before *host.Status, r *fleet.Report) []byte {
	s := &r.Status
	b = wire.AppendNumber(b, reportAt, numberOf(s.At))
	if r.Changed {
		b = wire.AppendYes(b, reportChanged, true)
	}
	b = appendChange(b, reportLife, before.Life, s.Life)
	b = appendChange(b, reportRev, before.Rev, s.Rev)
	b = appendChange(b, reportDropped, before.Dropped, s.Dropped)
	if !slices.Equal(before.Panics, s.Panics) {
		b = appendNames(b, reportPanics, s.Panics, func(n *string) string { return *n })
	}
	if !slices.Equal(before.Bindings, s.Bindings) {
		b = appendBindings(b, s.Bindings)
	}
	b = appendBackends(b, before.Backends, s.Backends)
	b = appendChange(b, reportReadings, before.Readings.Number, s.Readings.Number)
	b = appendReadings(b, reportListenerNames, reportListener, before.Readings.Listeners, s.Readings.Listeners)
	return appendReadings(b, reportReadingNames, reportReading, before.Readings.Backends, s.Readings.Backends)
}

func appendChange(b []byte, field int, before, now uint64) []byte {
	if before == now {
		return b
	}
	return wire.AppendNumber(b, field, now)
}

// appendWord appends a text if it is another one.
func appendWord[T ~string](b []byte, field int, before, now T, limit int) []byte {
	if before == now {
		return b
	}
	return wire.AppendBytes(b, field, cut(string(now), limit))
}

func appendNames[T any](b []byte, field int, all []T, name func(*T) string) []byte {
	b, mark := wire.Begin(b, field)
	for i := range all[:min(len(all), itemsMax)] {
		b = wire.AppendBytes(b, listItem, cut(name(&all[i]), nameMax))
	}
	return wire.End(b, mark)
}

func readNames(f *wire.Fields) []string {
	g := f.Fields()
	var all []string
	for g.Next() {
		if g.Field() != listItem {
			continue
		}
		if len(all) == itemsMax {
			g.Fail("a report lists too much")
			break
		}
		all = append(all, g.Text(nameMax))
	}
	f.Check(g.Err())
	return all
}

func appendBindings(b []byte, all []host.Binding) []byte {
	b, list := wire.Begin(b, reportBindings)
	for i := range all[:min(len(all), itemsMax)] {
		x := &all[i]
		var mark int
		b, mark = wire.Begin(b, listItem)
		b = wire.AppendBytes(b, bindingListener, cut(x.Listener, nameMax))
		b = wire.AppendBytes(b, bindingAddress, cut(x.Address, sentenceMax))
		b = wire.AppendYes(b, bindingBound, x.Bound)
		b = wire.AppendBytes(b, bindingReason, cut(x.Reason, sentenceMax))
		b = wire.AppendNumber(b, bindingSince, numberOf(x.Since))
		b = wire.End(b, mark)
	}
	return wire.End(b, list)
}

func (r *reader) bindings(f *wire.Fields) []host.Binding {
	list := f.Fields()
	var all []host.Binding
	for list.Next() {
		if list.Field() != listItem {
			continue
		}
		if len(all) == itemsMax {
			list.Fail("a report lists too much")
			break
		}
		g := list.Fields()
		var x host.Binding
		for g.Next() {
			switch g.Field() {
			case bindingListener:
				x.Listener = g.Text(nameMax)
			case bindingAddress:
				x.Address = g.Text(sentenceMax)
			case bindingBound:
				x.Bound = g.Yes()
			case bindingReason:
				x.Reason = g.Text(sentenceMax)
			case bindingSince:
				x.Since = r.ours(g.Number(), &g)
			}
		}
		list.Check(g.Err())
		all = append(all, x)
	}
	f.Check(list.Err())
	return all
}

// readReport reads a report as what it changes of the one before. That one was
// handed out and is not touched.
func (d *Decoder) readReport(f *wire.Fields, r *reader) Message {
	s := d.last
	m := Report{}
	backends := editor[host.Backend]{all: s.Backends}
	listeners, readings := editor[host.Reading]{all: s.Readings.Listeners}, editor[host.Reading]{all: s.Readings.Backends}
	for f.Next() {
		switch f.Field() {
		case reportAt:
			r.begin(f.Number(), f)
			s.At = r.ourAt
		case reportChanged:
			m.Changed = f.Yes()
		case reportLife:
			s.Life = f.Number()
		case reportRev:
			s.Rev = f.Number()
		case reportDropped:
			s.Dropped = f.Number()
		case reportPanics:
			s.Panics = readNames(f)
		case reportBindings:
			s.Bindings = r.bindings(f)
		case reportBackendNames:
			backends.rename(readNames(f), backendName, freshBackend)
		case reportBackend:
			g := f.Fields()
			if b := backends.item(&g); b != nil {
				r.backend(&g, b)
			}
			f.Check(g.Err())
		case reportReadings:
			s.Readings.Number = f.Number()
		case reportListenerNames:
			listeners.rename(readNames(f), readingName, freshReading)
		case reportListener:
			g := f.Fields()
			readReading(&g, listeners.item(&g))
			f.Check(g.Err())
		case reportReadingNames:
			readings.rename(readNames(f), readingName, freshReading)
		case reportReading:
			g := f.Fields()
			readReading(&g, readings.item(&g))
			f.Check(g.Err())
		}
	}
	s.Backends, s.Readings.Listeners, s.Readings.Backends = backends.all, listeners.all, readings.all
	m.Status = s
	if f.Err() == nil {
		d.last = s
	}
	return m
}
