package report

import (
	"encoding/json"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

const (
	orderNumber = 1
	orderSpec   = 2
	orderObey   = 3
	orderFault  = 4

	specRev   = 1
	specName  = 2
	specText  = 3
	specDir   = 4
	specBy    = 5
	specWhy   = 6
	specAt    = 7
	specCause = 8

	obeyCommand = 1 // JSON, as api writes a request
	obeyCause   = 2
	obeyBy      = 3
	obeyReceipt = 4

	faultOrderID      = 1
	faultOrderKind    = 2
	faultOrderOn      = 3
	faultOrderName    = 4
	faultOrderDelay   = 5
	faultOrderRevert  = 6
	faultOrderDeadMan = 7
	faultOrderBy      = 8
)

func (m Order) append(b []byte) []byte {
	b = wire.AppendNumber(b, orderNumber, m.Number)
	var mark int
	switch d := m.Do.(type) {
	case SetSpec:
		b, mark = wire.Begin(b, orderSpec)
		b = d.append(b)
	case Obey:
		command, err := json.Marshal(api.Request{Command: d.Command})
		if err != nil {
			return b // an order without a command
		}
		b, mark = wire.Begin(b, orderObey)
		b = wire.AppendBytes(b, obeyCommand, command)
		b = wire.AppendNumber(b, obeyCause, uint64(d.Cause))
		b = wire.AppendBytes(b, obeyBy, cut(d.By, textMax))
		b = wire.AppendBytes(b, obeyReceipt, cut(d.Receipt, textMax))
	case Fault:
		b, mark = wire.Begin(b, orderFault)
		b = appendFault(b, &d.FaultOrder)
	case nil:
		return b
	}
	return wire.End(b, mark)
}

func readOrder(f *wire.Fields) Message {
	var m Order
	for f.Next() {
		switch f.Field() {
		case orderNumber:
			m.Number = f.Number()
		case orderSpec:
			m.Do = readSpec(f)
		case orderObey:
			o, bad := readObey(f)
			if m.Bad = bad; bad == "" {
				m.Do = o
			}
		case orderFault:
			m.Do = Fault{readFault(f)}
		}
	}
	if m.Do == nil && m.Bad == "" {
		m.Bad = "it asks for nothing that this version knows"
	}
	return m
}

func (s *SetSpec) append(b []byte) []byte {
	b = wire.AppendNumber(b, specRev, s.Rev)
	b = wire.AppendBytes(b, specName, cut(s.Name, textMax))
	b = wire.AppendBytes(b, specText, s.Text)
	b = wire.AppendBytes(b, specDir, cut(s.Dir, textMax))
	b = wire.AppendBytes(b, specBy, cut(s.By, textMax))
	b = wire.AppendBytes(b, specWhy, cut(s.Why, textMax))
	b = appendTime(b, specAt, s.At)
	return wire.AppendNumber(b, specCause, uint64(s.Cause))
}

func readSpec(f *wire.Fields) Do {
	var s SetSpec
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case specRev:
			s.Rev = g.Number()
		case specName:
			s.Name = g.Text(textMax)
		case specText:
			s.Text = g.Text(specMax)
		case specDir:
			s.Dir = g.Text(textMax)
		case specBy:
			s.By = g.Text(textMax)
		case specWhy:
			s.Why = g.Text(textMax)
		case specAt:
			s.At = readTime(&g)
		case specCause:
			s.Cause = api.Seq(g.Number())
		}
	}
	f.Check(g.Err())
	return s
}

// readObey reads a command. One that this version does not know spoils the order
// and not the line.
func readObey(f *wire.Fields) (o Obey, bad string) {
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case obeyCommand:
			data := g.Bytes()
			if len(data) > commandMax {
				g.Fail("a command is too long")
				break
			}
			var r api.Request
			if err := json.Unmarshal(data, &r); err != nil {
				bad = cut(err.Error(), sentenceMax)
				break
			}
			o.Command = r.Command
		case obeyCause:
			o.Cause = api.Seq(g.Number())
		case obeyBy:
			o.By = g.Text(textMax)
		case obeyReceipt:
			o.Receipt = g.Text(textMax)
		}
	}
	f.Check(g.Err())
	if o.Command == nil && bad == "" {
		bad = "it has no command"
	}
	return o, bad
}

func appendFault(b []byte, o *fleet.FaultOrder) []byte {
	b = wire.AppendBytes(b, faultOrderID, cut(o.ID, nameMax))
	b = wire.AppendBytes(b, faultOrderKind, cut(string(o.Kind), nameMax))
	b = wire.AppendBytes(b, faultOrderOn, cut(string(o.Target.Kind), nameMax))
	b = wire.AppendBytes(b, faultOrderName, cut(o.Target.Name, nameMax))
	b = wire.AppendSigned(b, faultOrderDelay, int64(o.Delay))
	b = wire.AppendYes(b, faultOrderRevert, o.Revert)
	b = wire.AppendSigned(b, faultOrderDeadMan, int64(o.DeadMan))
	return wire.AppendBytes(b, faultOrderBy, cut(o.By, textMax))
}

func readFault(f *wire.Fields) fleet.FaultOrder {
	var o fleet.FaultOrder
	g := f.Fields()
	for g.Next() {
		switch g.Field() {
		case faultOrderID:
			o.ID = g.Text(nameMax)
		case faultOrderKind:
			o.Kind = api.FaultKind(g.Text(nameMax))
		case faultOrderOn:
			o.Target.Kind = id.Kind(g.Text(nameMax))
		case faultOrderName:
			o.Target.Name = g.Text(nameMax)
		case faultOrderDelay:
			o.Delay = time.Duration(g.Signed())
		case faultOrderRevert:
			o.Revert = g.Yes()
		case faultOrderDeadMan:
			o.DeadMan = time.Duration(g.Signed())
		case faultOrderBy:
			o.By = g.Text(textMax)
		}
	}
	f.Check(g.Err())
	return o
}
