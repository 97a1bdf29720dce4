package report

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

const (
	// PingEvery is how often each end hears of the other, so that both know within
	// three of them that it is gone.
	PingEvery = time.Second
	// OrdersMax is how many orders wait for one host. Each command makes one a host;
	// the oldest make room, and the fleet says again what a report lacks.
	OrdersMax = 4096
	// FaultWait is how long an order to break something waits for a line. Later than
	// that nobody expects it any more.
	FaultWait = 3 * time.Second
	// ordersEach is how many orders are sent before the line is looked at again.
	ordersEach = 64
	// SharesMax is how many keys are shared.
	SharesMax = 64
)

// Shares are what every host should have: the newest value of each key. All
// PictureEnds of a term look at the same.
type Shares struct {
	all     []shared // by version, newest last
	version uint64
}

type shared struct {
	what    Share
	version uint64
}

// Set shares a value from now on, and reports false if there are too many keys or it
// is too large.
func (s *Shares) Set(key string, value []byte) bool {
	if len(key) > KeySizeMax || len(value) > ValueSizeMax {
		return false
	}
	i := 0
	for i < len(s.all) && s.all[i].what.Key != key {
		i++
	}
	if i == len(s.all) && i == SharesMax {
		return false
	}
	if i < len(s.all) {
		s.all = append(s.all[:i:i], s.all[i+1:]...)
	}
	s.version++
	s.all = append(s.all, shared{Share{Key: key, Value: value}, s.version})
	return true
}

// PictureEnd is the other end of a host's line: that of who keeps the picture. It
// lives for a term, over lines that break.
type PictureEnd struct {
	hello  Hello // but for what it says of the host
	host   string
	shares *Shares

	up     bool
	life   uint64 // of the host
	heard  uint64 // the newest of what it told that was passed on
	took   uint64 // of these, those that were taken
	clock  Clock
	ping   instant.Instant // when the next one is due
	orders shelf[sending]
	sent   uint64 // the newest order that was sent on this line
	shared uint64 // the version of what was shared on this line
	// waits are orders to break something that nobody has answered, by their fault.
	waits map[string]wait
	late  uint64 // orders that made room before they were sent
}

// sending is an order on its way; a nil one is void.
type sending struct{ do Do }

// wait is an order that will be answered, by us if the host does not.
type wait struct {
	number uint64
	sent   bool
	until  instant.Instant // Never: the host has it, or is to have it at once
}

// NewPictureEnd returns the end of a term's line to a host. hello says which term.
func NewPictureEnd(host string, hello Hello, shares *Shares) *PictureEnd {
	return &PictureEnd{host: host, hello: hello, shares: shares, ping: instant.Never, orders: shelf[sending]{most: OrdersMax}, waits: map[string]wait{}}
}

// Clock makes the host's instants ours, for Decoder.Read.
func (p *PictureEnd) Clock() *Clock { return &p.clock }

// Up reports whether the line stands.
func (p *PictureEnd) Up() bool { return p.up }

// Late is how many orders made room before they were sent.
func (p *PictureEnd) Late() uint64 { return p.late }

// Hello is the first word on a new line.
func (p *PictureEnd) Hello(now instant.Instant) Hello {
	m := p.hello
	m.Life, m.Took, m.Sent = p.life, p.took, now
	return m
}

// Welcome takes the host's answer: from here on the line stands.
func (p *PictureEnd) Welcome(now instant.Instant, w Welcome) []fleet.Event {
	out := []fleet.Event{fleet.Agent{Host: p.host, Version: w.Version}}
	if w.Life != p.life {
		for id := range p.waits { // another life has no faults
			if p.waits[id].sent {
				out = append(out, p.unreachable(now, id, "it was restarted"))
			}
		}
		p.life, p.heard, p.took, p.clock = w.Life, 0, 0, Clock{}
	}
	p.heard = p.took
	p.clock.Sample(w.Echo, w.Got, w.Sent, now)
	p.up, p.sent, p.shared, p.ping = true, 0, 0, now.Add(PingEvery)
	if w.Epoch == p.hello.Epoch {
		p.acknowledged(w.Took)
	}
	return out
}

// acknowledged takes up to which order the host has them.
func (p *PictureEnd) acknowledged(took uint64) {
	p.orders.taken(took)
	for id, w := range p.waits {
		if w.number <= took {
			w.until = instant.Never // it answers by itself
			p.waits[id] = w
		}
	}
}

// Down says that the line does not stand any more.
func (p *PictureEnd) Down(now instant.Instant) {
	if !p.up {
		return
	}
	p.up, p.ping = false, instant.Never
	for id, w := range p.waits {
		if w.until == instant.Never && w.number >= p.orders.first && p.orders.first > 0 {
			w.until = now.Add(FaultWait)
			p.waits[id] = w
		}
	}
}

// Order takes something for the host to do. Who only observes orders nothing.
func (p *PictureEnd) Order(now instant.Instant, do Do) []fleet.Event {
	var out []fleet.Event
	f, fault := do.(Fault)
	if p.hello.Epoch == 0 {
		if fault {
			out = append(out, fleet.FaultDone{ID: f.ID, Revert: f.Revert, At: now, Err: api.ReasonOldEpoch.Sentence()})
		}
		return out
	}
	if fault && f.Revert {
		// It is asked for again and again until it is answered: the newest is enough.
		for i := range p.orders.all {
			if o, ok := p.orders.all[i].do.(Fault); ok && o.FaultOrder == f.FaultOrder && p.orders.first+uint64(i) > p.sent {
				p.orders.all[i].do = nil
			}
		}
	}
	n := p.orders.add(sending{do}, func(gone sending) {
		p.late++
		if f, ok := gone.do.(Fault); ok && !f.Revert {
			out = append(out, p.unreachable(now, f.ID, "too much waits for it"))
		}
	})
	if fault && !f.Revert {
		w := wait{number: n, until: instant.Never}
		if !p.up {
			w.until = now.Add(FaultWait)
		}
		p.waits[f.ID] = w
	}
	return out
}

// unreachable answers an order to break something in the host's place.
func (p *PictureEnd) unreachable(now instant.Instant, id, why string) fleet.Event {
	p.void(p.waits[id].number)
	delete(p.waits, id)
	return fleet.FaultDone{ID: id, At: now, Err: api.ReasonHostUnreachable.Sentence() + ": " + p.host + ", " + why}
}

// void has an order not sent, or not again.
func (p *PictureEnd) void(number uint64) {
	if o := p.orders.at(number); o != nil {
		o.do = nil
	}
}

// Deadline is when it next wants Wake.
func (p *PictureEnd) Deadline() instant.Instant {
	next := p.ping
	for _, w := range p.waits {
		next = min(next, w.until)
	}
	return next
}

// Wake says that the deadline has come.
func (p *PictureEnd) Wake(now instant.Instant) []fleet.Event {
	var out []fleet.Event
	for id, w := range p.waits {
		if w.until.Reached(now) {
			out = append(out, p.unreachable(now, id, "no line to it stands"))
		}
	}
	return out
}

// Hear takes a message of the line and returns what it means for the fleet. The
// shell tells that, and then says so by Took.
func (p *PictureEnd) Hear(now instant.Instant, m Message) fleet.Event {
	switch m := m.(type) {
	case Pong:
		p.clock.Sample(m.Echo, m.Got, m.Sent, now)
		p.acknowledged(m.Took)
	case Report:
		m.Status.Host = p.host // whatever it calls itself
		return m.Report
	case Links:
		m.Status.Self.Name = p.host
		return m.Members
	case Replicas:
		m.Host, m.Status.Host = p.host, p.host
		return m.Groups
	case Told:
		if m.Number > 0 {
			if m.Number <= p.heard {
				return nil
			}
			p.heard = m.Number
		}
		switch e := m.Event.(type) {
		case fleet.Noted:
			e.Host = p.host
			return e
		case fleet.Adopt:
			e.Host, e.Order.Host = p.host, p.host
			return e
		case fleet.FaultDone:
			w, waits := p.waits[e.ID]
			switch {
			case e.Revert:
			case !waits:
				return nil // somebody else asked, or it is answered; Adopt tells what is so
			default:
				p.void(w.number) // the host's next life is not to be told again
				delete(p.waits, e.ID)
			}
		case fleet.Process:
		case fleet.SetSpec, fleet.Kept, fleet.Report, fleet.Ask, fleet.ClientsRead, fleet.Sampled, fleet.Members, fleet.Groups, fleet.Clock, fleet.Agent, fleet.Admission, fleet.Admitted, fleet.Wake:
			return nil // nothing that a host could tell is read as such
		}
		return m.Event
	case Refused:
		if o := p.orders.at(m.Number); o != nil {
			if f, ok := o.do.(Fault); ok {
				o.do = nil // it is not sent again
				delete(p.waits, f.ID)
				return fleet.FaultDone{ID: f.ID, Revert: f.Revert, At: now, Err: api.Refusal{Reason: m.Reason, Detail: m.Detail}.String()}
			}
		}
	case Hello, Welcome, Ping, Order, Events, Share: // no host says so
	}
	return nil
}

// Took says that what Hear returned was taken.
func (p *PictureEnd) Took() { p.took = p.heard }

// Take appends what is to be sent on the line now.
func (p *PictureEnd) Take(now instant.Instant, into []Message) []Message {
	if !p.up {
		return into
	}
	if p.ping.Reached(now) {
		into = append(into, Ping{Sent: now, Took: p.took})
		p.ping = now.Add(PingEvery)
	}
	if p.hello.Epoch == 0 {
		return into
	}
	for i := range p.shares.all {
		if s := &p.shares.all[i]; s.version > p.shared {
			into = append(into, s.what)
			p.shared = s.version
		}
	}
	for most := len(into) + ordersEach; len(into) < most; {
		n, o, ok := p.orders.next(p.sent)
		if !ok {
			break
		}
		p.sent = n
		if f, ok := o.do.(Fault); ok && !f.Revert {
			w := p.waits[f.ID]
			w.sent = true
			p.waits[f.ID] = w
		}
		if o.do != nil {
			into = append(into, Order{Number: n, Do: o.do})
		}
	}
	return into
}
