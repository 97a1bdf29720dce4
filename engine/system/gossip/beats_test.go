package gossip_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// patience is how long what must happen may take.
const patience = time.Minute

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// agent is a member in its loop, with heartbeats over loopback.
type agent struct {
	host  member.Host
	life  uint64
	beats *gossip.Beats
	loop  *loop.Loop[member.Event, member.Effects]
	port  net.Listener // the agent's TCP port
	stop  func()
}

// watched is a member that publishes its status.
type watched struct {
	*member.Member
	mu   sync.Mutex
	last member.Status
}

func (w *watched) Step(now instant.Instant, ev member.Event, out *member.Effects) {
	w.Member.Step(now, ev, out)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = w.Status(now)
}

func (w *watched) sees(host string) member.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, _ := w.last.Host(host)
	return h.State
}

// fleet is one site on loopback.
type fleet struct {
	t       *testing.T
	keys    gossip.Keyring
	hosts   []member.Host
	agents  map[string]*agent
	members map[string]*watched
	lives   map[string]uint64
	places  map[string]gossip.Address
}

func newFleet(t *testing.T, names ...string) *fleet {
	f := &fleet{t: t, keys: must(gossip.NewKeyring(gossip.NewKey())), agents: map[string]*agent{}, members: map[string]*watched{}, lives: map[string]uint64{}, places: map[string]gossip.Address{}}
	for _, n := range names {
		f.hosts = append(f.hosts, member.Host{Name: n, Site: n[:1]})
	}
	return f
}

func (f *fleet) start(name string) {
	f.t.Helper()
	f.lives[name]++
	a := &agent{host: member.Host{Name: name, Site: name[:1]}, life: f.lives[name]}
	at, port := loopback, "127.0.0.1:0"
	if old, ok := f.places[name]; ok {
		at, port = old.Beat, old.Port.String()
	}
	// Times are long here: a loaded machine is no reason to call anybody dead.
	set := member.Defaults()
	set.Suspect, set.Dead, set.FarDead = 3*time.Second, 6*time.Second, 9*time.Second
	m := &watched{Member: member.New(a.host, a.life, set)}
	log := slog.New(slog.DiscardHandler)
	clock := loop.NewClock()
	ctx, cancel := context.WithCancel(context.Background())
	a.loop = loop.New(loop.Options[member.Event, member.Effects]{
		Name: name, Clock: clock, Log: log, Machine: m, Wake: member.Wake{}, Reset: (*member.Effects).Reset,
		Carry: func(_ instant.Instant, out *member.Effects) { a.beats.Carry(ctx, out) },
	})
	a.beats = must(gossip.Listen(at, name, a.life, f.keys, func(ev member.Event) { a.loop.Offer(ev) }, log))
	a.port = must(net.Listen("tcp", port))
	f.places[name] = gossip.Address{Beat: a.beats.Local(), Port: netip.MustParseAddrPort(a.port.Addr().String())}
	var all sync.WaitGroup
	all.Go(func() { _ = a.beats.Run(ctx) })
	all.Go(func() { _ = a.loop.Run(ctx) })
	a.stop = sync.OnceFunc(func() { cancel(); _ = a.port.Close(); all.Wait() })
	f.t.Cleanup(a.stop)
	f.agents[name], f.members[name] = a, m
	a.loop.Tell(ctx, member.SetHosts{Hosts: f.hosts})
	a.loop.Tell(ctx, member.Startup{})
}

func (f *fleet) connect() {
	for _, a := range f.agents {
		a.beats.SetPeers(f.places)
	}
}

func (f *fleet) see(of string, want member.State, by ...string) {
	f.t.Helper()
	for _, name := range by {
		defer func() {
			if f.t.Failed() {
				f.t.Logf("%s counts %+v", name, f.agents[name].beats.Counts())
			}
		}()
		until(f.t, name+" sees that "+of+" is "+string(want), func() bool { return f.members[name].sees(of) == want })
	}
}

// TestHeartbeats starts three agents, ends one without a goodbye, starts it
// again, and has it say goodbye.
func TestHeartbeats(t *testing.T) {
	f := newFleet(t, "a1", "a2", "a3")
	for _, h := range f.hosts {
		f.start(h.Name)
	}
	f.connect()
	f.see("a1", member.StateAlive, "a2", "a3")
	f.see("a2", member.StateAlive, "a1", "a3")
	f.see("a3", member.StateAlive, "a1", "a2")
	f.agents["a3"].stop() // its kernel refuses for it
	f.see("a3", member.StateStopped, "a1", "a2")
	f.start("a3")
	f.connect()
	f.see("a3", member.StateAlive, "a1", "a2")
	f.see("a1", member.StateAlive, "a3")
	f.agents["a3"].loop.Tell(t.Context(), member.Shutdown{})
	f.see("a3", member.StateStopped, "a1", "a2")
	if c := f.agents["a1"].beats.Counts(); c.Heard == 0 || c.Sent == 0 || c.WrongKey+c.Malformed+c.Replayed+c.Strange > 0 {
		t.Errorf("counted: %+v", c)
	}
}

// TestStrangersAreCounted sends noise, packets under another key, and packets
// that were recorded, while two agents go on.
func TestStrangersAreCounted(t *testing.T) {
	f := newFleet(t, "a1", "a2")
	f.start("a1")
	f.start("a2")
	// A tap stands between them and records what a2 sends to a1.
	tap := must(net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback)))
	defer func() { _ = tap.Close() }()
	a1 := f.places["a1"].Beat
	var mu sync.Mutex
	var taped [][]byte
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := tap.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			taped = append(taped, append([]byte{}, b[:n]...))
			mu.Unlock()
			_, _ = tap.WriteToUDPAddrPort(b[:n], a1)
		}
	}()
	f.agents["a1"].beats.SetPeers(f.places)
	f.agents["a2"].beats.SetPeers(map[string]gossip.Address{"a1": {Beat: netip.MustParseAddrPort(tap.LocalAddr().String()), Port: f.places["a1"].Port}})
	f.see("a2", member.StateAlive, "a1")
	f.see("a1", member.StateAlive, "a2")
	until(t, "a few packets on the tape", func() bool { mu.Lock(); defer mu.Unlock(); return len(taped) > 5 })

	conn := must(net.Dial("udp", a1.String()))
	defer func() { _ = conn.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1000)
	count := f.agents["a1"].beats.Counts
	for range 10 {
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		_, _ = conn.Write(noise)
		_, _ = conn.Write(nil)
	}
	until(t, "noise is counted", func() bool { return count().Malformed >= 10 })
	before := count().Replayed
	mu.Lock()
	recorded := taped[1:5]
	mu.Unlock()
	for _, b := range recorded {
		_, _ = conn.Write(b)
	}
	until(t, "replays are counted", func() bool { return count().Replayed >= before+3 })

	stranger := must(gossip.Listen(loopback, "a2", 99, must(gossip.NewKeyring(gossip.NewKey())), func(member.Event) {}, slog.New(slog.DiscardHandler)))
	defer func() { _ = stranger.Close() }()
	stranger.SetPeers(f.places)
	stranger.Carry(t.Context(), &member.Effects{Sends: []member.Send{{To: "a1", Report: member.Report{From: "a2", Life: 99, View: member.View{By: "a2", Site: "a"}}}}})
	until(t, "a wrong key is counted", func() bool { return count().WrongKey >= 1 })
	unknown := must(gossip.Listen(loopback, "z1", 1, f.keys, func(member.Event) {}, slog.New(slog.DiscardHandler)))
	defer func() { _ = unknown.Close() }()
	unknown.SetPeers(f.places)
	unknown.Carry(t.Context(), &member.Effects{Sends: []member.Send{{To: "a1", Report: member.Report{From: "z1", Life: 1, View: member.View{By: "z1", Site: "a"}}}}})
	until(t, "a host that is not known is counted", func() bool { return count().Strange >= 1 })
	if s := f.members["a1"].sees("a2"); s != member.StateAlive {
		t.Errorf("they were disturbed: a2 is %s", s)
	}

	// A restart of a1 must not make the tape worth anything.
	f.agents["a2"].stop()
	f.agents["a1"].stop()
	_ = tap.Close()
	f.start("a1")
	f.agents["a1"].beats.SetPeers(f.places)
	mu.Lock()
	all := taped
	mu.Unlock()
	count = f.agents["a1"].beats.Counts
	for _, b := range all {
		_, _ = conn.Write(b)
	}
	until(t, "the tape is refused", func() bool { c := count(); return c.Stale+c.Replayed >= uint64(len(all))/2 })
	if c := count(); c.Heard > 0 {
		t.Errorf("a1 believes a tape: %+v", c)
	}
}

// list starts a gossip list and collects what it says.
type rumours struct {
	mu   sync.Mutex
	said map[string]member.Rumour
}

func (r *rumours) tell(ev member.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := ev.(member.Gossiped)
	r.said[g.Host] = g.State
}

func (r *rumours) of(host string) member.Rumour {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said[host]
}

func startList(t *testing.T, name, site string, kind gossip.Kind, keys gossip.Keyring) (*gossip.List, *rumours) {
	t.Helper()
	r := &rumours{said: map[string]member.Rumour{}}
	l, err := gossip.StartList(gossip.ListOptions{Kind: kind, Fleet: "demo", Site: site, Host: name, Listen: loopback, Keys: keys, Tell: r.tell, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, r
}

// TestLists joins a site's list, rotates its key under it, and refuses those
// with a wrong key, of another site, and noise.
func TestLists(t *testing.T) {
	before, after := gossip.NewKey(), gossip.NewKey()
	keys := must(gossip.NewKeyring(before))
	one, heard := startList(t, "a1", "a", gossip.LAN, keys)
	two, _ := startList(t, "a2", "a", gossip.LAN, keys)
	if n, err := two.Join(one.Local()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	until(t, "a1 hears of a2", func() bool { return heard.of("a2") == member.RumourAlive })

	stranger, _ := startList(t, "a3", "a", gossip.LAN, must(gossip.NewKeyring(gossip.NewKey())))
	if n, err := stranger.Join(one.Local()); n != 0 || err == nil {
		t.Errorf("a wrong key joined: %d, %v", n, err)
	}
	until(t, "the wrong key is counted", func() bool { return one.Refused() > 0 })
	refused := one.Refused()
	elsewhere, _ := startList(t, "b1", "b", gossip.LAN, keys)
	if n, err := elsewhere.Join(one.Local()); n != 0 || err == nil {
		t.Errorf("another site joined: %d, %v", n, err)
	}
	for _, network := range []string{"udp", "tcp"} {
		conn := must(net.Dial(network, one.Local().String()))
		noise := make([]byte, 10_000)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		_, _ = conn.Write(noise)
		_ = conn.Close()
	}
	until(t, "noise is counted", func() bool { return one.Refused() > refused+1 })

	for _, r := range []gossip.Keyring{must(keys.Install(after)), must(must(keys.Install(after)).Use(after.Name())), must(must(must(keys.Install(after)).Use(after.Name())).Remove(before.Name()))} {
		for _, l := range []*gossip.List{one, two} {
			if err := l.SetKeys(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	three, _ := startList(t, "a4", "a", gossip.LAN, must(gossip.NewKeyring(after)))
	if n, err := three.Join(two.Local()); n != 1 || err != nil {
		t.Fatalf("with the new key: %d, %v", n, err)
	}
	until(t, "a1 hears of a4", func() bool { return heard.of("a4") == member.RumourAlive })
	if got := strings.Join(one.Members(), " "); got != "a1 a2 a4" {
		t.Errorf("the list is %q", got)
	}
	if err := three.Leave(); err != nil {
		t.Error(err)
	}
	until(t, "a1 hears of the goodbye", func() bool { return heard.of("a4") == member.RumourLeft })
}
