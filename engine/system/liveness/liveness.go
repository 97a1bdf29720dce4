// Package liveness runs a host's member decider: its heartbeats, and the gossip
// lists that it takes part in. Every host is in its site's list; the site's
// gateways are in the one of all sites too.
package liveness

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// Options of New.
type Options struct {
	Fleet   string
	Self    member.Host
	Address netip.Addr // where this host hears
	Life    uint64     // grows with every start
	Keys    gossip.Keyring
	Clock   *loop.Clock
	Log     *slog.Logger
	// Changed hears of each host whose state is another one, and of each second
	// otherwise, after Status has it. It must not block.
	Changed func([]member.Change)
}

// Peer is another host and where its agent is.
type Peer struct {
	member.Host
	Address netip.Addr
	Port    uint16 // of its agent, TCP
}

// Liveness is who lives, seen from one host.
type Liveness struct {
	options Options
	loop    *loop.Loop[member.Event, member.Effects]
	machine *member.Member
	beats   *gossip.Beats
	ctx     context.Context // of Run
	status  atomic.Pointer[member.Status]
	shown   instant.Instant

	mu    sync.Mutex
	keys  gossip.Keyring
	peers map[string]Peer
	lan   *gossip.List
	wan   *gossip.List // nil: no gateway
}

// New binds the host's ports.
func New(o Options) (*Liveness, error) {
	l := &Liveness{options: o, keys: o.Keys, peers: map[string]Peer{}, machine: member.New(o.Self, o.Life, member.Defaults())}
	l.status.Store(&member.Status{Self: o.Self, Life: o.Life})
	l.loop = loop.New(loop.Options[member.Event, member.Effects]{
		Name: "member", Clock: o.Clock, Log: o.Log, Machine: l.machine, Wake: member.Wake{}, Reset: (*member.Effects).Reset, Carry: l.carry,
	})
	var err error
	if l.beats, err = gossip.Listen(netip.AddrPortFrom(o.Address, gossip.BeatPort), o.Self.Name, o.Life, o.Keys, func(ev member.Event) { l.loop.Offer(ev) }, o.Log); err != nil {
		return nil, err
	}
	if l.lan, err = l.list(gossip.LAN); err != nil {
		return nil, errors.Join(err, l.beats.Close())
	}
	return l, nil
}

func (l *Liveness) list(kind gossip.Kind) (*gossip.List, error) {
	port := uint16(gossip.LANPort)
	if kind == gossip.WAN {
		port = gossip.WANPort
	}
	return gossip.StartList(gossip.ListOptions{
		Kind: kind, Fleet: l.options.Fleet, Site: l.options.Self.Site, Host: l.options.Self.Name,
		Listen: netip.AddrPortFrom(l.options.Address, port), Keys: l.keys, Log: l.options.Log,
		Tell: func(ev member.Event) { l.loop.Offer(ev) },
	})
}

// showEvery is how often Status is made anew while nothing changes: the ages in
// it go on.
const showEvery = time.Second

// carry carries out what the member asks for.
func (l *Liveness) carry(now instant.Instant, out *member.Effects) {
	l.beats.Carry(l.ctx, out)
	if len(out.Changes) == 0 && now.Sub(l.shown) < showEvery {
		return
	}
	l.shown = now
	s := l.machine.Status(now)
	l.status.Store(&s)
	l.options.Changed(slices.Clone(out.Changes))
}

// Status is the newest view. It is shared: nobody writes to it.
func (l *Liveness) Status() *member.Status { return l.status.Load() }

// Counts are of the heartbeats.
func (l *Liveness) Counts() gossip.Counts { return l.beats.Counts() }

// Run takes part until ctx ends, and says goodbye; not when the cause is
// loop.ErrPowerCut.
func (l *Liveness) Run(ctx context.Context) error {
	hear, deaf := context.WithCancel(context.WithoutCancel(ctx))
	defer deaf()
	l.ctx = hear
	var all sync.WaitGroup
	failed := make(chan error, 2)
	all.Go(func() { failed <- l.beats.Run(hear) })
	all.Go(func() { failed <- l.loop.Run(hear) })
	l.loop.Tell(hear, member.Startup{})
	all.Go(func() { l.meet(hear) })
	var err error
	select {
	case <-ctx.Done():
		err = context.Cause(ctx)
	case err = <-failed:
	}
	l.mu.Lock()
	lan, wan := l.lan, l.wan
	l.mu.Unlock()
	if errors.Is(err, loop.ErrPowerCut) || ctx.Err() == nil {
		deaf()
		all.Wait()
		return errors.Join(err, lan.Close(), closed(wan))
	}
	l.loop.Tell(hear, member.Shutdown{})
	leave(lan, wan)
	deaf()
	all.Wait()
	return err
}

func closed(list *gossip.List) error {
	if list == nil {
		return nil
	}
	return list.Close()
}

// leave says goodbye in the lists, both at once. When it returns they have ended.
func leave(lists ...*gossip.List) {
	var all sync.WaitGroup
	for _, list := range lists {
		if list != nil {
			all.Go(func() { _ = list.Leave() }) // nobody to hear it is no failure
		}
	}
	all.Wait()
}

// SetPeers says which other hosts the fleet has.
func (l *Liveness) SetPeers(ctx context.Context, all []Peer) {
	peers, beats := map[string]Peer{}, map[string]gossip.Address{}
	hosts := []member.Host{l.options.Self}
	for _, p := range all {
		if p.Name == l.options.Self.Name {
			continue
		}
		peers[p.Name] = p
		hosts = append(hosts, p.Host)
		beats[p.Name] = gossip.Address{Beat: netip.AddrPortFrom(p.Address, gossip.BeatPort), Port: netip.AddrPortFrom(p.Address, p.Port)}
	}
	l.mu.Lock()
	same := maps.Equal(peers, l.peers)
	l.peers = peers
	l.mu.Unlock()
	if same && len(peers) > 0 {
		return
	}
	l.beats.SetPeers(beats)
	l.loop.Tell(ctx, member.SetHosts{Hosts: hosts})
}

// SetKeys puts another keyring to use.
func (l *Liveness) SetKeys(keys gossip.Keyring) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = keys
	l.beats.SetKeys(keys)
	err := l.lan.SetKeys(keys)
	if l.wan != nil {
		err = errors.Join(err, l.wan.SetKeys(keys))
	}
	return err
}

// meetEvery is how often a host looks for those of a list that it does not see
// there: after a partition the two halves of a list do not find each other by
// themselves.
const meetEvery = 5 * time.Second

// meet keeps the lists together, and the gateway's with the office.
func (l *Liveness) meet(ctx context.Context) {
	t := time.NewTicker(meetEvery)
	defer t.Stop()
	l.join(ctx)
	for {
		select {
		case <-t.C:
			l.join(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// join brings this host's lists to where they should be.
func (l *Liveness) join(ctx context.Context) {
	s := l.Status()
	l.mu.Lock()
	peers := l.peers
	lan := l.lan
	l.mu.Unlock()
	l.seek(lan, func(p Peer) bool { return p.Site == l.options.Self.Site }, gossip.LANPort, peers)
	if s.Gateway && l.wan == nil && ctx.Err() == nil {
		wan, err := l.list(gossip.WAN)
		if err != nil {
			l.options.Log.Warn("this gateway is not in the list of all sites", "err", err)
			return
		}
		l.mu.Lock()
		l.wan = wan
		l.mu.Unlock()
	}
	if !s.Gateway && l.wan != nil {
		l.mu.Lock()
		wan := l.wan
		l.wan = nil
		l.mu.Unlock()
		leave(wan)
	}
	if l.wan != nil {
		l.seek(l.wan, func(p Peer) bool { return p.Site != l.options.Self.Site }, gossip.WANPort, peers)
	}
}

// seek asks those who should be in a list and are not, of the living. Of another
// site these are the gateways only, which are its first that live.
func (l *Liveness) seek(list *gossip.List, want func(Peer) bool, port uint16, peers map[string]Peer) {
	in := list.Members()
	s := l.Status()
	var missing []netip.AddrPort
	ahead := map[string]int{}
	for i := range s.Hosts { // by name
		h := &s.Hosts[i]
		p, ok := peers[h.Host.Name]
		if !ok || !want(p) || h.State != member.StateAlive {
			continue
		}
		if ahead[p.Site]++; port == gossip.WANPort && ahead[p.Site] > member.GatewaysOf {
			continue
		}
		if !slices.Contains(in, p.Name) {
			missing = append(missing, netip.AddrPortFrom(p.Address, port))
		}
	}
	if len(missing) > 0 {
		if _, err := list.Join(missing...); err != nil {
			l.options.Log.Debug("not everybody was found", "err", err)
		}
	}
}
