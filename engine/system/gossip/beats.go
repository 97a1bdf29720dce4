package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/member"
)

// BeatPort is where agents send their heartbeats.
const BeatPort = 7421

// knockWait is how long a machine has to answer for its agent. Its kernel does so
// at once.
const knockWait = 300 * time.Millisecond

// knocksMax is how many are asked at once; a site's other hosts.
const knocksMax = member.HostsMax

// Address is how another host is reached.
type Address struct {
	Beat netip.AddrPort // UDP, heartbeats
	Port netip.AddrPort // TCP, the agent's port, where knocks go
}

// Counts of what came and went since the beginning.
type Counts struct {
	Sent, SendErrors uint64
	Heard            uint64
	Malformed        uint64 // no heartbeat, or not readable
	WrongKey         uint64
	Stale            uint64 // for another life of this host; the first of each life is
	Replayed         uint64
	Strange          uint64 // of a host that is not known
}

// Beats sends and receives heartbeats.
type Beats struct {
	self string
	life uint64
	conn *net.UDPConn
	log  *slog.Logger
	tell func(member.Event)

	keys  atomic.Pointer[[]sealKey]
	knock chan struct{} // a token each

	mu     sync.Mutex
	peers  map[string]*beatPeer
	buffer []byte

	counts struct {
		sent, sendErrors, heard, malformed, wrongKey, stale, replayed, strange atomic.Uint64
	}
	warned atomic.Int64 // the second of the last warning about strangers
}

type beatPeer struct {
	Address
	life   uint64 // the highest that was heard of, for the packets to it
	number uint64 // of the last packet to it
	window window
}

// Listen begins to hear heartbeats for a host in this life of it. What is
// authentic goes to tell.
func Listen(address netip.AddrPort, self string, life uint64, keys Keyring, tell func(member.Event), log *slog.Logger) (*Beats, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err != nil {
		return nil, fmt.Errorf("gossip: listen for heartbeats at %s: %w", address, err)
	}
	b := &Beats{self: self, life: life, conn: conn, log: log, tell: tell, peers: map[string]*beatPeer{}, knock: make(chan struct{}, knocksMax)}
	b.SetKeys(keys)
	return b, nil
}

// Local is where heartbeats are heard.
func (b *Beats) Local() netip.AddrPort { return b.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// SetKeys puts another keyring to use.
func (b *Beats) SetKeys(r Keyring) {
	all := ready(r)
	b.keys.Store(&all)
}

// SetPeers says how the other hosts are reached. What is known of those that
// stay is kept.
func (b *Beats) SetPeers(all map[string]Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := make(map[string]*beatPeer, len(all))
	for name, a := range all {
		p := b.peers[name]
		if p == nil {
			p = &beatPeer{}
		}
		p.Address = a
		next[name] = p
	}
	b.peers = next
}

// Counts returns what came and went.
func (b *Beats) Counts() Counts {
	c := &b.counts
	return Counts{
		Sent: c.sent.Load(), SendErrors: c.sendErrors.Load(), Heard: c.heard.Load(), Malformed: c.malformed.Load(),
		WrongKey: c.wrongKey.Load(), Stale: c.stale.Load(), Replayed: c.replayed.Load(), Strange: c.strange.Load(),
	}
}

// Carry carries a member's effects out. It does not wait: a packet for which the
// kernel has no room is lost, as packets are.
func (b *Beats) Carry(ctx context.Context, out *member.Effects) {
	keys := *b.keys.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range out.Sends {
		s := &out.Sends[i]
		p := b.peers[s.To]
		if p == nil {
			continue
		}
		p.number++
		b.buffer = keys[0].seal(b.buffer[:0], s.To, p.life, p.number, s.Report)
		if _, err := b.conn.WriteToUDPAddrPort(b.buffer, p.Beat); err != nil {
			b.counts.sendErrors.Add(1)
			continue
		}
		b.counts.sent.Add(1)
	}
	for _, name := range out.Knocks {
		if p := b.peers[name]; p != nil && p.Port.IsValid() {
			b.ask(ctx, name, p.Port)
		}
	}
}

// ask finds out what a machine does with a connection to its agent.
func (b *Beats) ask(ctx context.Context, name string, at netip.AddrPort) {
	select {
	case b.knock <- struct{}{}:
	default:
		return // enough are asked; it will come up again
	}
	go func() {
		defer func() { <-b.knock }()
		d := net.Dialer{Timeout: knockWait}
		conn, err := d.DialContext(ctx, "tcp", at.String())
		if err == nil {
			_ = conn.Close()
			b.tell(member.Answered{Host: name})
			return
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			b.tell(member.Refused{Host: name})
		}
	}()
}

// Run hears until ctx ends.
func (b *Beats) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = b.conn.Close() })()
	buf := make([]byte, packetMax+1)
	for {
		n, from, err := b.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("gossip: the heartbeats' socket is gone: %w", err)
			}
			continue // a packet of ours was refused somewhere
		}
		r, err := b.take(buf[:n])
		if err != nil {
			b.warn(from, err)
			continue
		}
		b.counts.heard.Add(1)
		b.tell(member.Heard{Report: r})
	}
}

// Close ends a Beats that was never run.
func (b *Beats) Close() error { return b.conn.Close() }

var errStrange = errors.New("gossip: it is of a host that is not known here")

// take judges one packet.
func (b *Beats) take(packet []byte) (member.Report, error) {
	p, err := open(*b.keys.Load(), packet, b.self)
	switch {
	case errors.Is(err, errKey):
		b.counts.wrongKey.Add(1)
		return member.Report{}, err
	case err != nil:
		b.counts.malformed.Add(1)
		return member.Report{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.peers[p.report.From]
	if from == nil {
		b.counts.strange.Add(1)
		return member.Report{}, errStrange
	}
	// Its life is worth knowing even if the rest is for a life before: lives only
	// grow, so an old packet cannot make it smaller.
	from.life = max(from.life, p.report.Life)
	switch {
	case p.toLife != b.life:
		b.counts.stale.Add(1)
		return member.Report{}, errStale
	case !from.window.fresh(p.report.Life, p.number):
		b.counts.replayed.Add(1)
		return member.Report{}, errReplay
	}
	return p.report, nil
}

// warnEvery is how many seconds at least are between two lines about packets
// that are refused; the counts have all of them.
const warnEvery = 10

func (b *Beats) warn(from netip.AddrPort, err error) {
	if errors.Is(err, errStale) {
		return // what every restart begins with
	}
	now := time.Now().Unix()
	last := b.warned.Load()
	if now-last < warnEvery || !b.warned.CompareAndSwap(last, now) {
		return
	}
	b.log.Warn("heartbeats are refused", "from", from.String(), "why", err, "counts", fmt.Sprintf("%+v", b.Counts()))
}
