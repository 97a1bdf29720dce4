package agent

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/seats"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

// The keys of the fleet's facts that say who has a place in the fleet, and by whom
// its groups were founded.
const (
	prefixHost    = "host/"
	prefixRemoved = "removed/"
	prefixGroup   = "group/"
)

// joined is the value of a host's key.
type joined struct {
	Site string    `json:"site"`
	At   time.Time `json:"at"`
}

// origin is the value of a group's key.
type origin struct {
	Host    string `json:"host"`
	Founded bool   `json:"founded"`
}

// seating runs the host's seats decider: it gathers what that is told, and carries
// out what it asks for.
type seating struct {
	agent *Agent
	loop  *loop.Loop[seats.Event, seats.Effects]
	ctx   context.Context // of run

	mu    sync.Mutex
	known map[string]facts.Fact // of the prefixes above
	read  map[string]bool       // prefixes that were read
}

func newSeating(a *Agent) *seating {
	s := &seating{agent: a, known: map[string]facts.Fact{}, read: map[string]bool{}}
	s.loop = loop.New(loop.Options[seats.Event, seats.Effects]{
		Name: "seats", Clock: a.clock, Log: a.options.Log, Machine: seats.New(a.options.Host), Wake: seats.Wake{},
		Reset: (*seats.Effects).Reset, Carry: s.carry,
	})
	return s
}

// lookEvery is how often the decider looks although nothing was seen to change.
const lookEvery = 2 * time.Second

// run decides until ctx ends. What the facts say is asked for once this host has a
// replica of some group, which is when it may have something to decide.
func (s *seating) run(ctx context.Context) {
	s.ctx = ctx
	s.agent.all.Go(func() { _ = s.loop.Run(ctx) })
	for _, prefix := range []string{prefixHost, prefixRemoved, prefixGroup} {
		s.agent.all.Go(func() { s.watch(ctx, prefix) })
	}
	for ctx.Err() == nil {
		changed := s.agent.quorum.Changed()
		s.look(ctx)
		pause(ctx, changed, lookEvery)
	}
}

// watch keeps the facts of a prefix.
func (s *seating) watch(ctx context.Context, prefix string) {
	for u := range s.agent.facts.Watch(ctx, prefix) {
		s.mu.Lock()
		if s.read[prefix] = true; u.All {
			for key := range s.known {
				if strings.HasPrefix(key, prefix) {
					delete(s.known, key)
				}
			}
			for _, f := range u.Facts {
				s.known[f.Key] = f
			}
		}
		for _, c := range u.Changes {
			switch {
			case c.Lease:
			case c.Gone:
				delete(s.known, c.Key)
			default:
				s.known[c.Key] = facts.Fact{Key: c.Key, Value: c.Value, Revision: c.Revision}
			}
		}
		s.mu.Unlock()
		s.look(ctx)
	}
}

// look tells the decider how everything is.
func (s *seating) look(ctx context.Context) {
	_, f := s.agent.own.now()
	status := s.agent.quorum.Status()
	founder := s.agent.founder()
	if f == nil || len(status.Groups) == 0 && founder == nil && !s.named() {
		return
	}
	view := seats.View{Groups: status.Groups}
	if founder != nil {
		view.Origins = append(view.Origins, *founder)
	}
	members := s.agent.liveness.Status()
	s.mu.Lock()
	ready := s.read[prefixHost] && s.read[prefixRemoved] && s.read[prefixGroup]
	for i := range f.Sites {
		at := seats.Site{Name: f.Sites[i].Name, Witness: f.Sites[i].Witness}
		for _, h := range f.Sites[i].Hosts {
			at.Hosts = append(at.Hosts, h.Name)
			view.Hosts = append(view.Hosts, s.host(h.Name, members))
		}
		view.Sites = append(view.Sites, at)
	}
	for key, fact := range s.known {
		// Who is in the fleet and not in the spec any more may have founded a group.
		if name, ok := strings.CutPrefix(key, prefixHost); ok {
			if h, _ := f.Host(name); h == nil {
				view.Hosts = append(view.Hosts, s.host(name, members))
			}
		}
		var o origin
		if name, ok := strings.CutPrefix(key, prefixGroup); ok && json.Unmarshal(fact.Value, &o) == nil {
			view.Origins = append(view.Origins, seats.Origin{Group: replica.GroupID(name), Host: o.Host, Founded: o.Founded})
		}
	}
	s.mu.Unlock()
	if ready || founder != nil && !founder.Founded {
		s.loop.Offer(seats.Look{View: view})
	}
	if ready {
		s.welcome(ctx, f, members, status)
	}
}

// named reports whether this host is to found a group.
func (s *seating) named() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, fact := range s.known {
		var o origin
		if strings.HasPrefix(key, prefixGroup) && json.Unmarshal(fact.Value, &o) == nil && o.Host == s.agent.options.Host {
			return true
		}
	}
	return false
}

// host is what is known of one. The caller holds the lock.
func (s *seating) host(name string, members *member.Status) seats.Host {
	_, has := s.known[prefixHost+name]
	_, removed := s.known[prefixRemoved+name]
	h := seats.Host{Name: name, Joined: has && !removed, State: member.StateAlive}
	if m, ok := members.Host(name); ok {
		h.State, h.Since = m.State, m.Since
	}
	return h
}

// welcome makes it a fact that a host was there: one that dies right after keeps
// its place.
func (s *seating) welcome(ctx context.Context, f *spec.Fleet, members *member.Status, status replica.Status) {
	leads := false
	for i := range status.Groups {
		leads = leads || status.Groups[i].Group == groupFleet && status.Groups[i].Leads
	}
	if !leads {
		return
	}
	for i := range f.Sites {
		for _, h := range f.Sites[i].Hosts {
			s.mu.Lock()
			at := s.host(h.Name, members)
			_, has := s.known[prefixHost+h.Name]
			s.mu.Unlock()
			if has || at.State != member.StateAlive {
				continue
			}
			value, err := json.Marshal(joined{Site: f.Sites[i].Name, At: time.Now().UTC()})
			if err != nil {
				continue
			}
			s.write(ctx, facts.Txn{If: []facts.Cond{{Key: prefixHost + h.Name}}, Ops: []facts.Op{{Key: prefixHost + h.Name, Value: value}}})
		}
	}
}

// write writes a fact. That it could not is seen by the next look.
func (s *seating) write(ctx context.Context, t facts.Txn) {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if _, err := s.agent.facts.Do(ctx, t); err != nil {
		s.agent.options.Log.Debug("a fact was not written", "key", t.Ops[0].Key, "err", err.Error())
	}
}

// changeWait is how long a change of a group's seats may take: the new ones learn
// everything first.
const changeWait = time.Minute

// carry carries out what the decider asks for, off its loop.
func (s *seating) carry(_ instant.Instant, out *seats.Effects) {
	q := s.agent.quorum
	do := func(group replica.GroupID, wait time.Duration, do func(context.Context) error) {
		s.agent.all.Go(func() {
			ctx, cancel := context.WithTimeout(s.ctx, wait)
			defer cancel()
			err := do(ctx)
			ev := seats.Ended{Group: group, Reason: quorum.ReasonOf(err)}
			if err != nil {
				ev.Detail = err.Error()
				s.agent.options.Log.Warn("a group's seats", "group", string(group), "err", err.Error())
			}
			s.loop.Tell(s.ctx, ev)
		})
	}
	for _, c := range out.Creates {
		do(c.Group, writeWait, func(ctx context.Context) error { return q.Create(ctx, c.Group, c.Seats) })
	}
	for _, c := range out.Changes {
		do(c.Group, changeWait, func(ctx context.Context) error { return q.Change(ctx, c.Group, c.Seats) })
	}
	for _, c := range out.Transfers {
		do(c.Group, writeWait, func(ctx context.Context) error { return q.Transfer(ctx, c.Group, c.To) })
	}
	for _, n := range out.Names {
		s.name(n.Group, n.Was, origin{Host: n.Host})
	}
	for _, f := range out.Founds {
		if f.Group == groupFleet {
			s.agent.founded()
			continue
		}
		s.name(f.Group, s.agent.options.Host, origin{Host: s.agent.options.Host, Founded: true})
	}
}

// name writes who founds a group, if it still says what was.
func (s *seating) name(group replica.GroupID, was string, is origin) {
	key := prefixGroup + string(group)
	s.mu.Lock()
	fact, has := s.known[key]
	s.mu.Unlock()
	var now origin
	if has && (json.Unmarshal(fact.Value, &now) != nil || now.Host != was || now.Founded) || !has && was != "" {
		return
	}
	value, err := json.Marshal(is)
	if err != nil {
		return
	}
	s.agent.all.Go(func() {
		s.write(s.ctx, facts.Txn{If: []facts.Cond{{Key: key, Revision: fact.Revision}}, Ops: []facts.Op{{Key: key, Value: value}}})
	})
}
