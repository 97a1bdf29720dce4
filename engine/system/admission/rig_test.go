package admission_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// group is the facts of a fleet in memory, which can lose its majority.
type group struct {
	mu      sync.Mutex
	store   *facts.Store
	changed chan struct{}
	down    bool
	before  func(facts.Command) // called before each Do, without the lock
}

func newGroup() *group { return &group{store: facts.New(), changed: make(chan struct{})} }

var errNoMajority = errors.New("no majority answers")

func (g *group) lose(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

func (g *group) Do(_ context.Context, c facts.Command) (facts.Result, error) {
	if g.before != nil {
		g.before(c)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return facts.Result{}, errNoMajority
	}
	r := g.store.Do(must(facts.Decode(facts.Encode(c))))
	close(g.changed)
	g.changed = make(chan struct{})
	return r, nil
}

func (g *group) Ask(_ context.Context, q facts.Query) (facts.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return facts.Answer{}, errNoMajority
	}
	return g.store.Ask(q), nil
}

// Watch tells what changes, one update a change.
func (g *group) Watch(ctx context.Context, prefix string) <-chan facts.Update {
	out := make(chan facts.Update)
	go func() {
		defer close(out)
		since := uint64(0)
		for first := true; ; first = false {
			g.mu.Lock()
			u := facts.Update{All: first, Revision: g.store.Revision()}
			if first {
				u.Facts = g.store.Ask(facts.List{Prefix: prefix}).Facts
			} else {
				u.Changes = g.store.Ask(facts.Since{Prefix: prefix, Revision: since}).Changes
			}
			since = u.Revision
			changed := g.changed
			g.mu.Unlock()
			if first || len(u.Changes) > 0 {
				select {
				case out <- u:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

const fleetName = "demo"

// theSpec has two sites of three hosts each.
var theSpec = func() *spec.Fleet {
	f := &spec.Fleet{Name: fleetName}
	for _, s := range []string{"tokyo", "osaka"} {
		site := spec.Site{Name: s}
		for i := range 3 {
			site.Hosts = append(site.Hosts, spec.Host{Name: fmt.Sprintf("%s-%d", s, i+1)})
		}
		f.Sites = append(f.Sites, site)
	}
	return f
}()

// logged is what a log says.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a fleet of hosts with ports on loopback and facts in memory.
type rig struct {
	*testing.T
	group *group
	root  *identity.Authority

	mu        sync.Mutex
	addresses map[string]string
}

// agent is one host of a rig.
type agent struct {
	*admission.Register
	holder  *identity.Holder
	port    *identity.Port
	door    *identity.Door
	log     *logged
	address string
	dir     string
	stop    func()
	mu      sync.Mutex
	keys    []gossip.Keyring
}

const echo = "echo/1"

// newRig begins a fleet: tokyo-1 has the root.
func newRig(t *testing.T) (*rig, *agent) {
	t.Helper()
	r := &rig{T: t, group: newGroup(), addresses: map[string]string{}, root: must(identity.NewAuthority(fleetName, time.Now().Add(-time.Hour)))}
	dir := filepath.Join(t.TempDir(), "identity")
	files := must(identity.OpenFiles(dir))
	key, csr, err := identity.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	k := gossip.NewKey()
	c := identity.Credentials{Key: key, Chain: must(r.root.Sign(time.Now(), csr, identity.Name{Fleet: fleetName, Site: "tokyo", Host: "tokyo-1"})), Roots: r.root.Roots(), Keys: [][]byte{k[:]}}
	if err := errors.Join(files.SaveHost(c), files.SaveAuthority(r.root), admission.SaveFounders(dir, []api.Person{{Name: "ada", Role: api.RoleAdmin, Since: time.Now()}})); err != nil {
		t.Fatal(err)
	}
	a := r.start(dir)
	r.until("the fleet is founded", func() bool { return len(a.Picture().Joined) == 1 && len(a.Picture().Keys) == 1 })
	return r, a
}

// start runs the host whose identity is in a directory.
func (r *rig) start(dir string) *agent {
	r.Helper()
	a := &agent{log: &logged{}, dir: dir}
	log := slog.New(slog.NewTextHandler(a.log, nil))
	a.Register = must(admission.New(admission.Options{Dir: dir, Log: log}))
	a.Bind(admission.World{
		Facts: r.group, Spec: func() *spec.Fleet { return theSpec }, Address: r.address,
		Keys: func(k gossip.Keyring) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.keys = append(a.keys, k)
		},
		Changed: func() { a.port.Recheck() },
	})
	a.holder = must(a.Load())
	a.door = a.Door()
	a.port = identity.NewPort(a.holder, log,
		identity.Protocol{Name: identity.ProtocolJoin, Open: true, Serve: func(ctx context.Context, c *tls.Conn, _ identity.Peer) { a.door.Serve(ctx, c) }},
		identity.Protocol{Name: echo, Serve: func(_ context.Context, c *tls.Conn, _ identity.Peer) { _, _ = io.Copy(c, c) }},
	)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	a.address = l.Addr().String()
	r.mu.Lock()
	r.addresses[a.holder.Self().Host] = a.address
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { a.Run(ctx) })
	all.Go(func() {
		if err := a.port.Serve(ctx, l); err != nil {
			r.Errorf("port: %v", err)
		}
	})
	a.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	r.Cleanup(a.stop)
	return a
}

func (r *rig) address(host string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.addresses[host]
	return a, ok
}

// until polls a condition that must come true.
func (r *rig) until(what string, is func() bool) {
	r.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			r.Fatalf("never: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// token has a token issued through an agent.
func (r *rig) token(a *agent, c api.IssueToken) identity.Token {
	r.Helper()
	t := identity.NewToken(identity.Hash(r.root.Roots()[0]))
	h := t.Hash()
	c.ID, c.Hash = t.ID, h[:]
	if c.For == 0 {
		c.For = time.Hour
	}
	r.admit(a, c, "")
	return t
}

// admit carries out a command, and requires that it is refused for a reason, or
// done when that is empty.
func (r *rig) admit(a *agent, c api.Command, reason api.Reason) {
	r.Helper()
	no := a.Admit(r.Context(), order(c))
	if reason == "" && no != nil || reason != "" && (len(no) != 1 || no[0].Reason != reason) {
		r.Errorf("%s: refused with %v; want %q", c.Sentence(), no, reason)
	}
}

// order is a command as the fleet hands it on.
func order(c api.Command) fleet.AdmitOrder {
	return fleet.AdmitOrder{ID: "r1", Command: c, By: "ada", At: time.Now()}
}

// join has a host join by an agent, and runs it.
func (r *rig) join(a *agent, host string) *agent {
	r.Helper()
	c, err := identity.Join(r.Context(), []string{a.address}, r.token(a, api.IssueToken{Host: host}), host)
	if err != nil {
		r.Fatal(err)
	}
	return r.start(r.store(c))
}

func (r *rig) store(c identity.Credentials) (dir string) {
	r.Helper()
	dir = filepath.Join(r.TempDir(), "identity")
	if err := must(identity.OpenFiles(dir)).SaveHost(c); err != nil {
		r.Fatal(err)
	}
	return dir
}

func dial(h *identity.Holder, address string) (*tls.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: h.Client(echo, nil)}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*tls.Conn), nil
}

// says sends a word and returns what comes back.
func says(c *tls.Conn, word string) string {
	_, _ = io.WriteString(c, word)
	b := make([]byte, len(word))
	n, _ := io.ReadFull(c, b)
	return string(b[:n])
}

// want requires that an error refuses for this reason.
func want(t *testing.T, what string, err error, reason api.Reason) {
	t.Helper()
	if got := identity.ReasonOf(err); got != reason || reason != "" && err == nil {
		t.Errorf("%s: %v; want %q", what, err, reason)
	}
}
