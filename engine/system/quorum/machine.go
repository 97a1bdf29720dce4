package quorum

import (
	"sync"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// event is what the loop hears: an event of the replicas', or a request that is
// given its number when its turn comes.
type event struct {
	ev   replica.Event
	ask  func(request uint64) replica.Event
	done chan<- replica.Answer // has room
	link *link                 // of Heard
}

// machine is the replicas with a lock around them, so that who only looks need not
// go through the loop.
type machine struct {
	mu     sync.Mutex
	groups *replica.Groups
	asks   map[uint64]chan<- replica.Answer
	last   uint64 // request

	moved   signal
	applied sync.Map // of *signal by replica.GroupID: their machines changed
}

func newMachine(groups *replica.Groups) *machine {
	return &machine{groups: groups, asks: map[uint64]chan<- replica.Answer{}}
}

// Step implements loop.Machine.
func (m *machine) Step(now instant.Instant, ev event, out *replica.Effects) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ev.ask != nil {
		m.last++
		m.asks[m.last] = ev.done
		ev.ev = ev.ask(m.last)
	}
	m.groups.Step(now, ev.ev, out)
	if ev.link != nil {
		ev.link.taken(len(ev.ev.(replica.Heard).Frame))
	}
}

// Deadline implements loop.Machine.
func (m *machine) Deadline() instant.Instant {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups.Deadline()
}

// tell tells those who wait.
func (m *machine) tell(out *replica.Effects) {
	for _, a := range out.Answers {
		if done := m.asks[a.Request]; done != nil {
			delete(m.asks, a.Request)
			done <- a
		}
	}
	for _, g := range out.Applied {
		m.signal(g).all()
	}
	for _, g := range out.Moved {
		m.signal(g).all()
	}
	if len(out.Moved) > 0 {
		m.moved.all()
	}
}

func (m *machine) status() replica.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups.Status()
}

// leader is the host that leads a group, as far as this one knows.
func (m *machine) leader(group replica.GroupID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups.Leader(group)
}

// view lets f look at a group's facts, if this host has them.
func (m *machine) view(group replica.GroupID, f func(*facts.Store)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	store, ok := m.groups.Machine(group).(*facts.Store)
	if ok && store != nil {
		f(store)
	}
	return ok && store != nil
}

// signal is the one of a group's changes. There are no more of them than groups that
// somebody watches.
func (m *machine) signal(group replica.GroupID) *signal {
	if s, ok := m.applied.Load(group); ok {
		return s.(*signal)
	}
	s, _ := m.applied.LoadOrStore(group, &signal{})
	return s.(*signal)
}

// signal tells any number of goroutines that something changed.
type signal struct {
	mu sync.Mutex
	c  chan struct{} // nil: nobody waits
}

// wait returns a channel that is closed by the next call of all.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) all() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}
