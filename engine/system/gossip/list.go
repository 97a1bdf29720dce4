package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/holdfast-edge/holdfast/engine/member"
)

// Kind is which of the two lists it is.
type Kind string

// The kinds.
const (
	LAN Kind = "lan" // the hosts of one site
	WAN Kind = "wan" // the gateways of all sites
)

// Ports of the lists, TCP and UDP.
const (
	LANPort = 7422
	WANPort = 7423
)

// ListOptions are what a List is made of.
type ListOptions struct {
	Kind Kind
	// Fleet and Site are in the label of every packet: lists of two sites that
	// share a network by mistake do not become one.
	Fleet, Site string
	Host        string
	Listen      netip.AddrPort
	Keys        Keyring
	Tell        func(member.Event)
	Log         *slog.Logger
}

// List is one gossip list, joined by this host.
type List struct {
	list *memberlist.Memberlist
	ring *memberlist.Keyring
	log  *listLog
	meta meta

	mu   sync.Mutex
	keys Keyring
}

// StartList begins to take part in a list, of this host only until Join.
func StartList(o ListOptions) (*List, error) {
	c := memberlist.DefaultLANConfig()
	label := "holdfast/" + o.Fleet + "/" + o.Site
	if o.Kind == WAN {
		c = memberlist.DefaultWANConfig()
		label = "holdfast/" + o.Fleet + "/wan"
	}
	ring, err := memberlist.NewKeyring(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	l := &List{ring: ring, log: &listLog{log: o.Log, kind: o.Kind}}
	if err := l.SetKeys(o.Keys); err != nil {
		return nil, err
	}
	c.Name, c.Label, c.Keyring = o.Host, label, ring
	c.BindAddr, c.BindPort = o.Listen.Addr().String(), int(o.Listen.Port())
	c.AdvertiseAddr, c.AdvertisePort = c.BindAddr, c.BindPort
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = true, true
	// Heartbeats find deaths; the lists are for who is new, and may take their time.
	c.GossipInterval, c.ProbeInterval, c.EnableCompression = 500*time.Millisecond, 2*time.Second, false
	c.Delegate = &l.meta
	c.Events = &rumours{self: o.Host, tell: o.Tell}
	c.Logger = log.New(l.log, "", 0)
	c.DNSConfigPath = "" // addresses are numbers here
	l.list, err = memberlist.Create(c)
	if err != nil {
		return nil, fmt.Errorf("gossip: start the %s list at %s: %w", o.Kind, o.Listen, err)
	}
	return l, nil
}

// Local is where the list is reached.
func (l *List) Local() netip.AddrPort {
	me := l.list.LocalNode()
	ip, _ := netip.AddrFromSlice(me.Addr)
	return netip.AddrPortFrom(ip.Unmap(), me.Port)
}

// Join takes part in the list of any of these members. It returns how many
// answered; the error is why the others did not.
func (l *List) Join(members ...netip.AddrPort) (int, error) {
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = m.String()
	}
	n, err := l.list.Join(all)
	if err != nil {
		err = fmt.Errorf("gossip: join %s: %w", strings.Join(all, ", "), err)
	}
	return n, err
}

// Members lists who is in the list, by name, this host too.
func (l *List) Members() []string {
	var all []string
	for _, m := range l.list.Members() {
		all = append(all, m.Name)
	}
	slices.Sort(all)
	return all
}

// SetKeys puts another keyring to use: what is new is understood before the
// sealing key changes, and what is gone is forgotten after.
func (l *List) SetKeys(r Keyring) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	secret := func(k Key) []byte { return k.derive("holdfast gossip", KeySize) }
	for _, k := range r.keys {
		if err := l.ring.AddKey(secret(k)); err != nil {
			return fmt.Errorf("gossip: install %s: %w", k, err)
		}
	}
	if err := l.ring.UseKey(secret(r.keys[0])); err != nil {
		return fmt.Errorf("gossip: use %s: %w", r.keys[0], err)
	}
	for _, k := range l.keys.keys {
		if slices.Contains(r.keys, k) {
			continue
		}
		if err := l.ring.RemoveKey(secret(k)); err != nil {
			return fmt.Errorf("gossip: remove %s: %w", k, err)
		}
	}
	l.keys = r
	return nil
}

// Refused is how many packets and streams could not be read: of strangers, with
// a wrong key, or damaged.
func (l *List) Refused() uint64 { return l.log.refused.Load() }

// leaveWait is how long each half of a goodbye may take to be passed on. Mostly it is
// a round of the list; and heartbeats say it sooner.
const leaveWait = 2 * time.Second

// leavingMeta is the meta data of who is about to leave.
const leavingMeta = "leaving"

// meta is memberlist.Delegate: what a host says of itself in the list.
type meta struct{ leaving atomic.Bool }

// NodeMeta implements memberlist.Delegate.
func (m *meta) NodeMeta(int) []byte {
	if m.leaving.Load() {
		return []byte(leavingMeta)
	}
	return nil
}

// NotifyMsg implements memberlist.Delegate. Nobody sends any.
func (*meta) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (*meta) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (*meta) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (*meta) MergeRemoteState([]byte, bool) {}

// Leave says goodbye and ends.
func (l *List) Leave() error {
	l.meta.leaving.Store(true)
	// Without anybody to tell it times out, which is no reason not to leave.
	_ = l.list.UpdateNode(leaveWait)
	return errors.Join(l.list.Leave(leaveWait), l.list.Shutdown())
}

// Close ends without a goodbye.
func (l *List) Close() error { return l.list.Shutdown() }

// rumours tells what the list says of others.
type rumours struct {
	self string
	tell func(member.Event)
}

func (r *rumours) say(m *memberlist.Node, is member.Rumour) {
	if m.Name != r.self {
		r.tell(member.Gossiped{Host: m.Name, State: is})
	}
}

// NotifyJoin implements memberlist.EventDelegate.
func (r *rumours) NotifyJoin(m *memberlist.Node) { r.say(m, member.RumourAlive) }

// NotifyUpdate implements memberlist.EventDelegate.
func (r *rumours) NotifyUpdate(m *memberlist.Node) { r.say(m, member.RumourAlive) }

// NotifyLeave implements memberlist.EventDelegate. The library does not tell a
// goodbye from a death here, so who leaves says it in its meta data before.
func (r *rumours) NotifyLeave(m *memberlist.Node) {
	if string(m.Meta) == leavingMeta {
		r.say(m, member.RumourLeft)
		return
	}
	r.say(m, member.RumourDead)
}

// listLog takes the library's log: counts what it refuses and passes on a little
// of the rest, without anything that a terminal would obey.
type listLog struct {
	log     *slog.Logger
	kind    Kind
	refused atomic.Uint64
	said    atomic.Int64 // the second of the last line
}

// refusals are the library's words for what it does not take.
var refusals = [][]byte{
	[]byte("ecrypt"), []byte("failed to receive"), []byte("not supported"), []byte("label"), []byte("invalid msgType"),
	[]byte("missing message type"), []byte("Failed to decode"), []byte("Failed to read remote state"), []byte("CRC"), []byte("checksum"),
}

// Write implements io.Writer.
func (l *listLog) Write(line []byte) (int, error) {
	warns := bytes.HasPrefix(line, []byte("[ERR]")) || bytes.HasPrefix(line, []byte("[WARN]"))
	for _, r := range refusals {
		if warns && bytes.Contains(line, r) {
			l.refused.Add(1)
			break
		}
	}
	if !warns {
		return len(line), nil
	}
	now := time.Now().Unix()
	if last := l.said.Load(); now-last < warnEvery || !l.said.CompareAndSwap(last, now) {
		return len(line), nil
	}
	const most = 300
	text := fmt.Sprintf("%q", bytes.TrimSpace(line[:min(len(line), most)]))
	l.log.Warn("gossip", "list", string(l.kind), "says", text, "refused", l.refused.Load())
	return len(line), nil
}
