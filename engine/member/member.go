package member

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Event is what a Member is told.
//
//sumtype:decl
type Event interface{ event() }

type (
	// Startup begins a life.
	Startup struct{}
	// Shutdown says that this agent stops: it says goodbye and nothing more.
	Shutdown struct{}
	// Wake says that the deadline came.
	Wake struct{}
	// SetHosts is the fleet's list of hosts.
	SetHosts struct{ Hosts []Host }
	// Heard is an authentic report that arrived.
	Heard struct{ Report Report }
	// Refused says that a host's kernel refused a connection to its agent.
	Refused struct{ Host string }
	// Answered says that a host's kernel took a connection to its agent, which
	// a kernel does for an agent that hangs too.
	Answered struct{ Host string }
	// Gossiped is what a gossip list says of a host.
	Gossiped struct {
		Host  string
		State Rumour
	}
)

func (Startup) event()  {}
func (Shutdown) event() {}
func (Wake) event()     {}
func (SetHosts) event() {}
func (Heard) event()    {}
func (Refused) event()  {}
func (Answered) event() {}
func (Gossiped) event() {}

// Rumour is what gossip says.
type Rumour string

// The rumours.
const (
	RumourAlive Rumour = "alive"
	RumourDead  Rumour = "dead"
	RumourLeft  Rumour = "left" // it said goodbye
)

// Send is a report to deliver.
type Send struct {
	To     string
	Report Report
}

// Change is a host whose state is another one.
type Change struct {
	Host     Host
	From, To State
	Reason   Reason
	By       string // who said so, if it was another host
}

// Effects are what a Member asks for. The views in reports are made anew in each
// step and not changed afterwards.
type Effects struct {
	Sends   []Send
	Knocks  []string
	Changes []Change
}

// Reset empties the effects and keeps their memory.
func (e *Effects) Reset() {
	e.Sends, e.Knocks, e.Changes = e.Sends[:0], e.Knocks[:0], e.Changes[:0]
}

// peer is another host, and all that is known of it.
type peer struct {
	host  Host
	known instant.Instant // since when it is one of the fleet's hosts

	heard instant.Instant // its newest report; zero time with ever false
	ever  bool
	life  uint64
	bye   bool // this life said goodbye
	// knocked is when its kernel was asked last, and refused and answered are
	// when it said so; zero if it did not since it was heard.
	knocked  instant.Instant
	refused  instant.Instant
	answered instant.Instant
	rumour   Rumour

	state  State
	reason Reason
	by     string
	since  instant.Instant
	seen   bool // it was alive, or cut
	flaps  flaps
}

// view is a View that was received.
type view struct {
	View
	at     instant.Instant // when By saw it so, as far as ages tell
	direct instant.Instant // when one came straight from its site last; with straight
	// straight says that direct holds, and straightNumber which view that was.
	straight       bool
	straightNumber uint64
	relayed        instant.Instant // when a neighbour passed it on last
}

// Member decides for one host.
type Member struct {
	self Host
	life uint64
	set  Settings

	peers map[string]*peer
	order []string         // of peers, sorted
	views map[string]*view // of other hosts, by who saw
	sites []string         // other sites, sorted
	// bySite are the views by the site of who saw, in the order of their names.
	bySite map[string][]*view

	started  bool
	stopped  bool
	began    instant.Instant
	last     instant.Instant // of the last step
	nextBeat instant.Instant
	nextFar  instant.Instant
	number   uint64 // of the last view
	turn     int    // which host of a silent site is called in addition

	isolation Isolation
	isolated  instant.Instant // since when it is so
	paused    time.Duration   // the longest pause of this life
}

// New returns the member of one host. life must be larger than in all lives of
// the host before.
func New(self Host, life uint64, set Settings) *Member {
	return &Member{self: self, life: life, set: set, peers: map[string]*peer{}, views: map[string]*view{}, bySite: map[string][]*view{}, isolation: IsolationNone}
}

// Deadline is when the member wants Wake.
func (m *Member) Deadline() instant.Instant {
	if !m.started || m.stopped {
		return instant.Never
	}
	return m.nextBeat
}

// Step advances the member by one event and adds what must be done to out.
func (m *Member) Step(now instant.Instant, ev Event, out *Effects) {
	m.wakeUp(now)
	m.last = now
	switch ev := ev.(type) {
	case Startup:
		m.started, m.began, m.nextBeat, m.nextFar, m.isolated = true, now, now, now, now
		for _, p := range m.peers {
			p.known, p.since = now, now
		}
	case Shutdown:
		if m.started && !m.stopped {
			m.stopped = true
			m.goodbye(out)
		}
	case Wake:
	case SetHosts:
		m.setHosts(now, ev.Hosts)
	case Heard:
		m.hear(now, ev.Report, out)
	case Refused:
		if p := m.peers[ev.Host]; p != nil {
			p.refused, p.answered = now, 0
			m.judge(now, out)
		}
	case Answered:
		if p := m.peers[ev.Host]; p != nil {
			p.answered, p.refused = now, 0
		}
	case Gossiped:
		if p := m.peers[ev.Host]; p != nil {
			p.rumour = ev.State
		}
	}
	if !m.started || m.stopped || !m.nextBeat.Reached(now) {
		return
	}
	m.nextBeat = now.Add(m.set.Beat)
	m.judge(now, out)
	m.beat(now, out)
	if m.nextFar.Reached(now) {
		m.nextFar = now.Add(m.set.FarBeat)
		m.turn++
		m.far(now, out)
	}
}

// wakeUp notices that this process was paused: nothing was heard because nothing
// could be, so that time is nobody's silence.
func (m *Member) wakeUp(now instant.Instant) {
	if !m.started || m.stopped {
		return
	}
	gap := now.Sub(m.last)
	if gap <= m.set.Suspect {
		return
	}
	lost := gap - m.set.Beat
	m.paused = max(m.paused, gap)
	for _, p := range m.peers {
		p.heard, p.known = p.heard.Add(lost), p.known.Add(lost)
	}
	for _, v := range m.views {
		v.at, v.direct = v.at.Add(lost), v.direct.Add(lost)
	}
}

func (m *Member) setHosts(now instant.Instant, hosts []Host) {
	if len(hosts) > FleetMax {
		hosts = hosts[:FleetMax]
	}
	keep := map[string]bool{}
	sites := map[string]bool{}
	for _, h := range hosts {
		if h.Name == m.self.Name {
			continue
		}
		keep[h.Name] = true
		if h.Site != m.self.Site {
			sites[h.Site] = true
		}
		if p := m.peers[h.Name]; p != nil && p.host == h {
			continue
		}
		m.peers[h.Name] = &peer{host: h, known: now, since: now, state: StateSuspected, reason: ReasonNotYet}
	}
	m.order, m.sites = m.order[:0], m.sites[:0]
	for name := range m.peers {
		if keep[name] {
			m.order = append(m.order, name)
			continue
		}
		delete(m.peers, name)
		delete(m.views, name)
	}
	// Views of who left, or moved to another site, are void.
	m.bySite = map[string][]*view{}
	for _, name := range slices.Sorted(maps.Keys(m.views)) {
		v := m.views[name]
		if p := m.peers[name]; p == nil || p.host.Site != v.Site {
			delete(m.views, name)
			continue
		}
		m.bySite[v.Site] = append(m.bySite[v.Site], v)
	}
	for s := range sites {
		m.sites = append(m.sites, s)
	}
	slices.Sort(m.order)
	slices.Sort(m.sites)
}

// hear takes a report.
func (m *Member) hear(now instant.Instant, r Report, out *Effects) {
	p := m.peers[r.From]
	if p == nil || r.Life < p.life || r.Life == p.life && p.bye {
		return // a stranger, or a life that is over
	}
	p.heard, p.ever, p.life, p.bye = now, true, r.Life, r.Leaving
	p.refused, p.answered = 0, 0
	news := m.see(now, p, r.View)
	switch {
	case news:
		m.judge(now, out)
	case p.state == StateAlive:
		// It was alive and is heard; what its silence would change, the next Beat sees.
	case m.started && !m.stopped && m.judgeOne(now, p, out):
		m.announce(now, out)
	}
	if news && r.View.Site != m.self.Site && m.gateway(m.self.Site, m.self.Name) {
		m.relay(r.View.By, out, now)
	}
}

// see keeps a view that came with a report of p, and reports whether its states
// are news.
func (m *Member) see(now instant.Instant, p *peer, v View) bool {
	by := m.peers[v.By]
	if by == nil || by.host.Site != v.Site || v.Age < 0 || v.Hops < 0 || v.Hops > HopsMax || len(v.Hosts) > HostsMax {
		return false
	}
	if p.host.Site != m.self.Site && p.host.Site != v.Site {
		v.Via = p.host.Site
	}
	at := now.Add(-v.Age)
	old := m.views[v.By]
	if old == nil {
		old = &view{}
		m.views[v.By] = old
		m.bySite[v.Site] = insertView(m.bySite[v.Site], v.By, old)
	}
	if p.host.Site == m.self.Site && v.By != p.host.Name {
		old.relayed = now
	}
	if v.Via == "" && !v.olderThan(old.View) {
		// The newest one may have come by a detour first.
		old.direct, old.straight, old.straightNumber = at, true, v.Number
	}
	if old.Number > 0 && !old.olderThan(v) {
		return false
	}
	news := !sameStates(old.Hosts, v.Hosts)
	old.View, old.at = v, at
	return news
}

// insertView keeps views in the order of who saw.
func insertView(all []*view, by string, v *view) []*view {
	at := slices.IndexFunc(all, func(w *view) bool { return w.By > by })
	if at < 0 {
		at = len(all)
	}
	return slices.Insert(all, at, v)
}

// olderThan reports whether w was made after v.
func (v *View) olderThan(w View) bool {
	return v.Life < w.Life || v.Life == w.Life && v.Number < w.Number
}

func sameStates(a, b []Sight) bool {
	return slices.EqualFunc(a, b, func(x, y Sight) bool { return x.Host == y.Host && x.State == y.State && x.Life == y.Life })
}

// Status returns a copy for the picture.
func (m *Member) Status(now instant.Instant) Status {
	s := Status{Self: m.self, Life: m.life, Isolation: m.isolation, IsolatedSince: m.isolated, LongestPause: m.paused}
	for _, name := range m.order {
		p := m.peers[name]
		h := HostStatus{Host: p.host, State: p.state, Reason: p.reason, By: p.by, Since: p.since, Life: p.life, Silent: Never, Flaps: p.flaps.count(now, m.set.Flap), Gossip: p.rumour, Seen: p.seen}
		if p.ever {
			h.Silent = now.Sub(p.heard)
		}
		s.Hosts = append(s.Hosts, h)
	}
	for _, site := range m.sites {
		s.Sites = append(s.Sites, m.site(now, site))
	}
	if m.gateway(m.self.Site, m.self.Name) {
		s.Gateway = true
	}
	return s
}

// Status is how a host sees the fleet.
type Status struct {
	Self          Host
	Life          uint64
	Gateway       bool // whether it speaks for its site
	Isolation     Isolation
	IsolatedSince instant.Instant
	LongestPause  time.Duration
	Hosts         []HostStatus // the others, by name
	Sites         []SiteStatus // the others, by name
}

// HostStatus is one other host.
type HostStatus struct {
	Host   Host
	State  State
	Reason Reason
	By     string // who said so, if it was another host
	Since  instant.Instant
	Life   uint64
	Silent time.Duration // since it was heard directly; Never if it was not
	Flaps  int           // how often it was lost within Flap.Window
	Gossip Rumour
	// Seen says that it was known to live, by itself or by others, since this one
	// began: who never was may not have joined.
	Seen bool
}

// SiteStatus is the link to another site.
type SiteStatus struct {
	Site   string
	State  State // alive, cut, or dead for a site of which nothing is heard
	Reason Reason
	Via    string // the site through which it is heard
}

// Host finds a host in the status.
func (s *Status) Host(name string) (HostStatus, bool) {
	i, ok := slices.BinarySearchFunc(s.Hosts, name, func(h HostStatus, n string) int { return strings.Compare(h.Host.Name, n) })
	if !ok {
		return HostStatus{}, false
	}
	return s.Hosts[i], true
}
