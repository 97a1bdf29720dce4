package agent_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/keeper"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// TestMain lets the test's own binary be a backend's process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "service" {
		f := flag.NewFlagSet("service", flag.ExitOnError)
		name, kind, address := f.String("name", "", ""), f.String("kind", "", ""), f.String("address", "", "")
		_ = f.Parse(os.Args[2:])
		if err := service.Run(context.Background(), service.Options{Name: *name, Kind: spec.ServiceKind(*kind), Address: *address, Control: os.Stdin, Ready: func(net.Addr) { fmt.Println(keeper.Ready) }}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is a fleet of agents in this process, each with a state directory and an
// address of its own.
type world struct {
	*testing.T
	text   string
	spec   *spec.Fleet
	agents map[string]*one
	ca     *identity.Authority
	keys   [][]byte
}

type one struct {
	name, site, dir string
	address         netip.Addr
	end             context.CancelCauseFunc
	ended           chan error
}

// newWorld starts the agents of a spec. The first host founds the fleet.
func newWorld(t *testing.T, text string) *world {
	t.Helper()
	w := &world{T: t, text: text, spec: must(spec.Parse("fleet.yaml", []byte(text))), agents: map[string]*one{}}
	w.ca = must(identity.NewAuthority(w.spec.Name, time.Now().Add(-time.Hour)))
	w.keys = must(gossip.NewKeyring(gossip.NewKey())).Encode()
	root := must(os.MkdirTemp("", "hf"))
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	for i, s := range w.spec.Sites {
		for j, h := range s.Hosts {
			o := &one{name: h.Name, site: s.Name, dir: filepath.Join(root, h.Name), address: netip.MustParseAddr(h.Address)}
			w.agents[h.Name] = o
			if i == 0 && j == 0 {
				w.found(o)
			}
		}
	}
	for _, o := range w.agents {
		w.start(o)
	}
	t.Cleanup(func() {
		for _, o := range w.agents {
			o.end(nil)
		}
		for _, o := range w.agents {
			w.stop(o)
		}
	})
	return w
}

// found does what holdfast init does.
func (w *world) found(o *one) {
	d := must(statedir.Open(o.dir))
	defer func() { _ = d.Close() }()
	if err := d.Keep(statedir.Kept{Revision: 1, Name: "fleet.yaml", Dir: o.dir, By: "test", At: time.Now(), Text: w.text}); err != nil {
		w.Fatal(err)
	}
	if err := agent.MakeFounder(o.dir, o.name); err != nil {
		w.Fatal(err)
	}
}

func (w *world) start(o *one) {
	w.Helper()
	w.startAfter(o, nil)
}

// startAfter starts an agent with the sockets of one before, which waits until this
// one serves.
func (w *world) startAfter(o *one, sockets []proxy.Socket) {
	w.Helper()
	key, csr, err := identity.NewRequest()
	if err != nil {
		w.Fatal(err)
	}
	name := identity.Name{Fleet: w.spec.Name, Site: o.site, Host: o.name}
	holder := must(identity.NewHolder(identity.Credentials{Key: key, Chain: must(w.ca.SignFor(time.Now(), csr, name, time.Hour)), Roots: w.ca.Roots(), Keys: w.keys}, nil))
	d := must(statedir.Open(o.dir))
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		f := must(os.OpenFile(filepath.Join(os.TempDir(), "agent-"+o.name+".log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600))
		log = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, end := context.WithCancelCause(context.Background())
	var inherit func(network, address string) *os.File
	if sockets != nil {
		inherit = take(sockets)
	}
	ended, serving := make(chan error, 1), make(chan struct{})
	o.end, o.ended = end, ended
	go func() {
		err := agent.Run(ctx, agent.Options{
			Holder: holder, State: d, Address: o.address, Log: log, Inherit: inherit, Serving: sync.OnceFunc(func() { close(serving) }),
			Succeed: func(sockets []proxy.Socket) error {
				if err := d.Close(); err != nil {
					return err
				}
				o.ended = make(chan error, 1)
				w.startAfter(o, sockets)
				return nil
			},
		})
		if !errors.Is(context.Cause(ctx), agent.ErrUpgrade) {
			err = errors.Join(err, d.Close())
		}
		ended <- err
	}()
	if sockets != nil {
		<-serving
	}
}

// take gives each socket once.
func take(all []proxy.Socket) func(network, address string) *os.File {
	var mu sync.Mutex
	return func(network, address string) *os.File {
		mu.Lock()
		defer mu.Unlock()
		for i, s := range all {
			if s.Network == network && s.Address == address {
				all = append(all[:i:i], all[i+1:]...)
				return s.File
			}
		}
		return nil
	}
}

// stop ends an agent and waits for it.
func (w *world) stop(o *one) {
	w.Helper()
	o.end(nil)
	w.wait(o)
}

// kill ends an agent without a goodbye.
func (w *world) kill(o *one) {
	w.Helper()
	o.end(loop.ErrPowerCut)
	w.wait(o)
}

func (w *world) wait(o *one) {
	w.Helper()
	err, ok := <-o.ended
	if !ok {
		return // it was stopped before
	}
	close(o.ended)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, loop.ErrPowerCut) {
		w.Errorf("%s: %v", o.name, err)
	}
}

// client is one of an agent, over its socket.
func (w *world) client(name string) api.Client {
	return must(remote.Dial(statedir.Socket(w.agents[name].dir)))
}

// see waits for a picture at an agent.
func (w *world) see(name, what string, is func(*api.Status) bool) *api.Status {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 60*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	var last *api.Status
	var why error
	for {
		one, done := context.WithTimeout(ctx, 2*time.Second)
		s, err := w.client(name).Status(one)
		done()
		if err == nil && is(s) {
			return s
		}
		if why = err; s != nil {
			last = s
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			var text strings.Builder
			if last != nil {
				for _, p := range last.Problems {
					fmt.Fprintf(&text, "\n  %s: %s (%s)", p.Subject, p.Text, p.Effect)
				}
				fmt.Fprintf(&text, "\n  %+v", last.Coordinator)
			}
			w.Fatalf("%s never sees that %s: %v%s", name, what, why, text.String())
		}
	}
}

// fleetOf is a spec of sites with hosts at 127.(net+s).0.h; each site serves one
// pool of its hosts' services.
func fleetOf(network, sites, hosts int) string {
	var b strings.Builder
	b.WriteString("fleet: test\nsites:\n")
	for s := 1; s <= sites; s++ {
		fmt.Fprintf(&b, "  - name: s%d\n    hosts:\n", s)
		for h := 1; h <= hosts; h++ {
			fmt.Fprintf(&b, "      - {name: s%d-%d, address: 127.%d.0.%d}\n", s, h, network+s, h)
		}
	}
	b.WriteString("probes:\n  - {name: web, kind: http, http: {path: /health}}\npools:\n")
	for s := 1; s <= sites; s++ {
		fmt.Fprintf(&b, "  - name: web-s%d\n    site: s%d\n    probe: web\n    backends:\n", s, s)
		for h := 1; h <= min(hosts, 3); h++ {
			fmt.Fprintf(&b, "      - {name: web-s%d-%d, host: s%d-%d, port: 9080, service: {kind: http}}\n", s, h, s, h)
		}
	}
	b.WriteString("listeners:\n")
	for s := 1; s <= sites; s++ {
		fmt.Fprintf(&b, "  - {name: web-s%d, site: s%d, protocol: http, port: 8080, pool: web-s%d}\n", s, s, s)
	}
	return b.String()
}

func well(s *api.Status) bool {
	if s.State != api.StateOK || s.Coordinator.Host == "" {
		return false
	}
	for i := range s.Hosts {
		if s.Hosts[i].State != api.StateOK {
			return false
		}
	}
	return true
}

// other is an agent that is none of these.
func (w *world) other(than ...string) *one {
	for _, name := range slices.Sorted(maps.Keys(w.agents)) {
		if !slices.Contains(than, name) {
			return w.agents[name]
		}
	}
	w.Fatal("there is no other agent")
	return nil
}

// voters are how many hosts vote in a group, as far as a picture says.
func voters(s *api.Status, group string) int {
	g, ok := s.Group(group)
	if !ok {
		return 0
	}
	return g.Voters
}

func (w *world) do(name string, c api.Command) api.Receipt {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	s, err := w.client(name).Status(ctx)
	if err != nil {
		w.Fatal(err)
	}
	r, err := w.client(name).Do(ctx, api.Request{Command: c, By: api.Actor{Name: "kim", From: "test"}, Why: "a test", Confirm: api.Confirmation(c, s)})
	if err != nil {
		w.Fatalf("%s: %v", c.Sentence(), err)
	}
	return r
}

func phase(s *api.Status, backend string) api.Phase {
	b, ok := s.Backend(backend)
	if !ok {
		return ""
	}
	return b.Phase
}

// recorded waits until a host's copy of the audit log has a verb.
func (w *world) recorded(name, verb string) {
	w.Helper()
	look, late := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for {
		found := false
		_ = auditlog.Each(statedir.Audit(w.agents[name].dir), func(line []byte) error {
			found = found || strings.Contains(string(line), verb)
			return nil
		})
		if found {
			return
		}
		select {
		case <-look.C:
		case <-late:
			w.Fatalf("%s has no record of %s", name, verb)
		}
	}
}

// TestAFleetOfAgents starts three sites of two hosts and goes through what becomes
// of a command and of its fleet: it is given through an agent that only follows,
// holds under the next coordinator, when its host starts anew, and when it starts
// cut off.
func TestAFleetOfAgents(t *testing.T) {
	w := newWorld(t, fleetOf(70, 3, 2))
	for name := range w.agents {
		w.see(name, "all is well", well)
	}
	s := w.see("s1-1", "each site votes, and its group is well", func(s *api.Status) bool {
		for _, g := range []string{"site-s1", "site-s2", "site-s3"} {
			if x, ok := s.Group(g); !ok || x.State != api.StateOK {
				return false
			}
		}
		return voters(s, "fleet") == 3
	})
	first := s.Coordinator
	follower := w.other(first.Host)
	r := w.do(follower.name, api.Drain{Target: id.To(id.KindBackend, "web-s1-2")})
	if !r.OK || r.Seq == 0 {
		t.Fatalf("a follower's agent says %+v", r)
	}
	for name := range w.agents {
		s := w.see(name, "the backend is drained", func(s *api.Status) bool { return phase(s, "web-s1-2") == api.PhaseDrained })
		if s.Through != name || s.Coordinator.Host != first.Host || s.Ring == "" {
			t.Errorf("through %s: %q, %+v, ring %q", name, s.Through, s.Coordinator, s.Ring)
		}
	}
	before := must(w.client(follower.name).Events(t.Context(), 0, api.EventRing))

	w.recorded(first.Host, "drain")

	// The coordinator dies. The next one knows what was said, and what happened.
	died := time.Now()
	w.kill(w.agents[first.Host])
	s = w.see(follower.name, "somebody else coordinates", func(s *api.Status) bool {
		return s.Coordinator.Kind == api.CoordinationActing && s.Coordinator.Epoch > first.Epoch && phase(s, "web-s1-2") == api.PhaseDrained
	})
	after := must(w.client(follower.name).Events(t.Context(), 0, api.EventRing))
	if len(after) < len(before) || after[0].Seq != before[0].Seq || after[len(before)/2].Text != before[len(before)/2].Text {
		t.Errorf("%d events before, %d after, from %d and %d", len(before), len(after), before[0].Seq, after[0].Seq)
	}
	w.see(follower.name, "the host that died is down", func(s *api.Status) bool {
		h, ok := s.Host(first.Host)
		return ok && h.State == api.StateDown
	})
	t.Logf("the death of the coordinator was known to the fleet after %s", time.Since(died).Round(time.Millisecond))
	w.start(w.agents[first.Host])
	w.see(first.Host, "it is back under the other coordinator", func(now *api.Status) bool {
		h, ok := now.Host(first.Host)
		return ok && h.State == api.StateOK && now.Coordinator.Epoch >= s.Coordinator.Epoch && phase(now, "web-s1-2") == api.PhaseDrained
	})

	// All stop but one, which starts anew without anybody: it serves by what it knew.
	last := w.agents["s1-2"]
	for name, o := range w.agents {
		if name != last.name {
			w.stop(o)
		}
	}
	w.kill(last)
	w.start(last)
	s = w.see(last.name, "it is alone, and the drain holds", func(s *api.Status) bool {
		b, ok := s.Backend("web-s1-2")
		return s.Coordinator.Kind == api.CoordinationAlone && ok && len(b.Votes) == 1 && b.Votes[0].Phase == api.PhaseDrained
	})
	if r := w.do(last.name, api.Undrain{Target: id.To(id.KindBackend, "web-s1-2")}); r.OK || len(r.Refusals) == 0 {
		t.Errorf("an agent that is alone says %+v", r)
	}
	for name, o := range w.agents {
		if name != last.name {
			w.start(o)
		}
	}
	for name := range w.agents {
		w.see(name, "the fleet is whole again", func(s *api.Status) bool {
			return s.Coordinator.Kind == api.CoordinationActing && phase(s, "web-s1-2") == api.PhaseDrained && s.Rev == 1
		})
	}
	if r := w.do(last.name, api.Undrain{Target: id.To(id.KindBackend, "web-s1-2")}); !r.OK {
		t.Errorf("the whole fleet says %+v", r)
	}
	w.see("s3-1", "all is well again", well)
}

// TestUpgrade replaces an agent under traffic: no request fails, and a connection
// that was open is served to its end.
func TestUpgrade(t *testing.T) {
	back := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("well")) })}
	l := must(net.Listen("tcp", "127.78.1.9:9080"))
	go func() { _ = back.Serve(l) }()
	defer func() { _ = back.Close() }()
	w := newWorld(t, `
fleet: test
sites:
  - name: s1
    hosts: [{name: s1-1, address: 127.78.1.1}]
pools:
  - {name: web, site: s1, backends: [{name: web-1, address: 127.78.1.9, port: 9080}]}
listeners:
  - {name: web, site: s1, protocol: http, port: 8080, pool: web}
  - {name: raw, site: s1, protocol: tcp, port: 8081, pool: web}
`)
	o := w.agents["s1-1"]
	w.see("s1-1", "all is well", well)
	long := must(net.Dial("tcp", "127.78.1.1:8081"))
	defer func() { _ = long.Close() }()
	ask := func(c net.Conn) error {
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			return err
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		return err
	}
	if err := ask(long); err != nil {
		t.Fatal(err)
	}
	var came atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.Get("http://127.78.1.1:8080/")
				if err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
					_ = r.Body.Close()
				}
				if err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("a request failed: %v, %+v", err, r)
					return
				}
				came.Add(1)
			}
		})
	}
	old, upgrade := o.ended, o.end
	life := w.see("s1-1", "requests come", func(*api.Status) bool { return came.Load() > 100 }).Started
	upgrade(agent.ErrUpgrade)
	before := came.Load()
	w.see("s1-1", "the next one serves", func(s *api.Status) bool { return well(s) && s.Started.After(life) && came.Load() > before+200 })
	close(stop)
	clients.Wait()
	select {
	case err := <-old:
		t.Errorf("the old one has left an open flow: %v", err)
	default:
	}
	if err := ask(long); err != nil {
		t.Errorf("the connection that was open: %v", err)
	}
	_ = long.Close()
	if err := <-old; err != nil {
		t.Errorf("the old one: %v", err)
	}
	t.Logf("%d requests came", came.Load())
}

// TestFifty starts fifty agents in one process and looks at what they cost at rest.
func TestFifty(t *testing.T) {
	if os.Getenv("HOLDFAST_FIFTY") == "" {
		t.Skip("it measures; HOLDFAST_FIFTY=1 runs it")
	}
	at := time.Now()
	w := newWorld(t, fleetOf(80, 5, 10))
	w.see("s1-1", "all is well", well)
	t.Logf("all is well after %s", time.Since(at))
	for name := range w.agents {
		w.see(name, "all is well", well)
	}
	t.Logf("everywhere after %s", time.Since(at))
	for range 6 {
		before, start := cpu(t), time.Now()
		<-time.After(5 * time.Second)
		t.Logf("%.1f %% of a core", 100*float64(cpu(t)-before)/float64(time.Since(start)))
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
