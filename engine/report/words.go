package report

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

const (
	helloEpoch  = 1
	helloRing   = 2
	helloGrew   = 3
	helloGrewAt = 4
	helloLife   = 5
	helloTook   = 6
	helloSent   = 7

	welcomeLife    = 1
	welcomeEpoch   = 2
	welcomeTook    = 3
	welcomeCopy    = 4
	welcomeRing    = 5
	welcomeLast    = 6
	welcomePong    = 7
	welcomeVersion = 8

	pingSent = 1
	pingTook = 2

	pongEcho = 1
	pongGot  = 2
	pongSent = 3
	pongWall = 4
	pongTook = 5

	eventsRing  = 1
	eventsAfter = 2
	eventsEvent = 3

	shareKey   = 1
	shareValue = 2

	refusedNumber = 1
	refusedReason = 2
	refusedDetail = 3
)

func (m Hello) append(b []byte) []byte {
	b = wire.AppendNumber(b, helloEpoch, m.Epoch)
	b = wire.AppendBytes(b, helloRing, cut(m.Ring, sentenceMax))
	b = wire.AppendBytes(b, helloGrew, cut(m.Grew, sentenceMax))
	b = wire.AppendNumber(b, helloGrewAt, uint64(m.GrewAt))
	b = wire.AppendNumber(b, helloLife, m.Life)
	b = wire.AppendNumber(b, helloTook, m.Took)
	return wire.AppendNumber(b, helloSent, numberOf(m.Sent))
}

func readHello(f *wire.Fields) Message {
	var m Hello
	for f.Next() {
		switch f.Field() {
		case helloEpoch:
			m.Epoch = f.Number()
		case helloRing:
			m.Ring = f.Text(sentenceMax)
		case helloGrew:
			m.Grew = f.Text(sentenceMax)
		case helloGrewAt:
			m.GrewAt = api.Seq(f.Number())
		case helloLife:
			m.Life = f.Number()
		case helloTook:
			m.Took = f.Number()
		case helloSent:
			m.Sent = instantOf(f.Number(), f)
		}
	}
	return m
}

func (m Welcome) append(b []byte) []byte {
	b = wire.AppendNumber(b, welcomeLife, m.Life)
	b = wire.AppendNumber(b, welcomeEpoch, m.Epoch)
	b = wire.AppendNumber(b, welcomeTook, m.Took)
	b = wire.AppendYes(b, welcomeCopy, m.Copy)
	b = wire.AppendBytes(b, welcomeRing, cut(m.Ring, sentenceMax))
	b = wire.AppendNumber(b, welcomeLast, uint64(m.Last))
	b = wire.AppendBytes(b, welcomeVersion, cut(m.Version, sentenceMax))
	b, mark := wire.Begin(b, welcomePong)
	return wire.End(m.Pong.append(b), mark)
}

func readWelcome(f *wire.Fields) Message {
	var m Welcome
	for f.Next() {
		switch f.Field() {
		case welcomeLife:
			m.Life = f.Number()
		case welcomeEpoch:
			m.Epoch = f.Number()
		case welcomeTook:
			m.Took = f.Number()
		case welcomeCopy:
			m.Copy = f.Yes()
		case welcomeRing:
			m.Ring = f.Text(sentenceMax)
		case welcomeLast:
			m.Last = api.Seq(f.Number())
		case welcomeVersion:
			m.Version = f.Text(sentenceMax)
		case welcomePong:
			g := f.Fields()
			m.Pong = readPongFields(&g)
			f.Check(g.Err())
		}
	}
	return m
}

func (m Ping) append(b []byte) []byte {
	return wire.AppendNumber(wire.AppendNumber(b, pingSent, numberOf(m.Sent)), pingTook, m.Took)
}

func readPing(f *wire.Fields) Message {
	var m Ping
	for f.Next() {
		switch f.Field() {
		case pingSent:
			m.Sent = instantOf(f.Number(), f)
		case pingTook:
			m.Took = f.Number()
		}
	}
	return m
}

func (m Pong) append(b []byte) []byte {
	b = wire.AppendNumber(b, pongEcho, numberOf(m.Echo))
	b = wire.AppendNumber(b, pongGot, numberOf(m.Got))
	b = wire.AppendNumber(b, pongSent, numberOf(m.Sent))
	b = appendTime(b, pongWall, m.Wall)
	return wire.AppendNumber(b, pongTook, m.Took)
}

func readPong(f *wire.Fields) Message { return readPongFields(f) }

func readPongFields(f *wire.Fields) Pong {
	var m Pong
	for f.Next() {
		switch f.Field() {
		case pongEcho:
			m.Echo = instantOf(f.Number(), f)
		case pongGot:
			m.Got = instantOf(f.Number(), f)
		case pongSent:
			m.Sent = instantOf(f.Number(), f)
		case pongWall:
			m.Wall = readTime(f)
		case pongTook:
			m.Took = f.Number()
		}
	}
	return m
}

func (m Events) append(b []byte) []byte {
	b = wire.AppendBytes(b, eventsRing, cut(m.Ring, sentenceMax))
	b = wire.AppendNumber(b, eventsAfter, uint64(m.After))
	for i := range m.Events[:min(len(m.Events), EventsMax)] {
		var mark int
		b, mark = wire.Begin(b, eventsEvent)
		b = wire.End(appendEvent(b, &m.Events[i]), mark)
	}
	return b
}

func readEvents(f *wire.Fields) Message {
	var m Events
	for f.Next() {
		switch f.Field() {
		case eventsRing:
			m.Ring = f.Text(sentenceMax)
		case eventsAfter:
			m.After = api.Seq(f.Number())
		case eventsEvent:
			if len(m.Events) == EventsMax {
				f.Fail("too many events at once")
				break
			}
			m.Events = append(m.Events, readEvent(f))
		}
	}
	return m
}

func (m Share) append(b []byte) []byte {
	return wire.AppendBytes(wire.AppendBytes(b, shareKey, m.Key), shareValue, m.Value)
}

func readShare(f *wire.Fields) Message {
	var m Share
	for f.Next() {
		switch f.Field() {
		case shareKey:
			m.Key = f.Text(KeySizeMax)
		case shareValue:
			if m.Value = slices.Clone(f.Bytes()); len(m.Value) > ValueSizeMax {
				f.Fail("a value is too large")
			}
		}
	}
	return m
}

func (m Refused) append(b []byte) []byte {
	b = wire.AppendNumber(b, refusedNumber, m.Number)
	b = wire.AppendBytes(b, refusedReason, cut(string(m.Reason), nameMax))
	return wire.AppendBytes(b, refusedDetail, cut(m.Detail, textMax))
}

func readRefused(f *wire.Fields) Message {
	var m Refused
	for f.Next() {
		switch f.Field() {
		case refusedNumber:
			m.Number = f.Number()
		case refusedReason:
			m.Reason = api.Reason(f.Text(nameMax))
		case refusedDetail:
			m.Detail = f.Text(textMax)
		}
	}
	return m
}
