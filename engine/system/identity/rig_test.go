package identity_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

const fleet = "demo"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func host(name string) identity.Name {
	return identity.Name{Fleet: fleet, Site: strings.Split(name, "-")[0], Host: name}
}

// credentials of a name, signed at a time.
func credentials(a *identity.Authority, now time.Time, n identity.Name, life time.Duration) identity.Credentials {
	key, csr, err := identity.NewRequest()
	if err != nil {
		panic(err)
	}
	return identity.Credentials{Key: key, Chain: must(a.SignFor(now, csr, n, life)), Roots: a.Roots()}
}

// removed is Removals as a map.
type removed struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (r *removed) RemovedAt(target string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[target]
	return at, ok
}

func (r *removed) remove(target string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[string]time.Time{}
	}
	r.at[target] = at
}

// memory is Tokens without a fleet.
type memory struct {
	mu   sync.Mutex
	book identity.Book
}

func (m *memory) Redeem(_ context.Context, now time.Time, token identity.Token, host string, allow func(identity.Record) error) (identity.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, used, err := m.book.Redeem(now, token, host)
	if err == nil {
		err = allow(used)
	}
	if err == nil {
		m.book = next
	}
	return used, err
}

// record is what is kept of a token.
func record(token identity.Token, r identity.Record) identity.Record {
	h := token.Hash()
	r.ID, r.Hash = token.ID, h[:]
	return r
}

// logged is what a log says, safe to read while it is written.
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

// agent is an agent's port on loopback, with a door and a protocol that sends
// back what it gets.
type agent struct {
	authority *identity.Authority
	holder    *identity.Holder
	tokens    *memory
	port      *identity.Port
	removals  *removed
	log       *logged
	address   string
}

const echo = "echo/1"

func startAgent(t *testing.T) *agent {
	t.Helper()
	now := time.Now()
	a := &agent{authority: must(identity.NewAuthority(fleet, now.Add(-30*24*time.Hour))), removals: &removed{}, log: &logged{}}
	a.tokens = &memory{}
	a.holder = must(identity.NewHolder(credentials(a.authority, now, host("tokyo-1"), identity.HostLife), a.removals))
	log := slog.New(slog.NewTextHandler(a.log, nil))
	door := &identity.Door{
		Authority: func() *identity.Authority { return a.authority },
		Roots:     func() []*x509.Certificate { return a.authority.Roots() },
		Trust:     a.holder.Trust, Tokens: a.tokens, Log: log,
		Keys:     func() [][]byte { return [][]byte{[]byte("a key of the fleet")} },
		Delegate: func(n identity.Name) bool { return n.Host == "osaka-1" },
		Allow: func(r identity.Record, name string) (identity.Name, error) {
			if name == "tokyo-1" {
				return identity.Name{}, &identity.Refused{Reason: api.ReasonNameTaken}
			}
			return identity.Name{Fleet: fleet, Site: r.Site, Host: name, Person: r.Person, Role: r.Role}, nil
		},
	}
	a.port = identity.NewPort(a.holder, log,
		identity.Protocol{Name: identity.ProtocolJoin, Open: true, Serve: func(ctx context.Context, c *tls.Conn, _ identity.Peer) { door.Serve(ctx, c) }},
		identity.Protocol{Name: "hosts/1", Hosts: true, Serve: func(_ context.Context, c *tls.Conn, _ identity.Peer) { _, _ = io.Copy(c, c) }},
		identity.Protocol{
			Name:    echo,
			Serve:   func(_ context.Context, c *tls.Conn, _ identity.Peer) { _, _ = io.Copy(c, c) },
			Refused: func(c *tls.Conn, err error) { _, _ = io.WriteString(c, err.Error()) },
		},
	)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	a.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.port.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return a
}

func (a *agent) token(t *testing.T, r identity.Record) identity.Token {
	t.Helper()
	if r.Site == "" && r.Person == "" {
		r.Site = "osaka"
	}
	token := identity.NewToken(identity.Hash(a.authority.Roots()[0]))
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	book, err := a.tokens.book.Add(time.Now(), record(token, r), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	a.tokens.book = book
	return token
}

func (a *agent) dial(h *identity.Holder, want func(identity.Peer) error) (*tls.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: h.Client(echo, want)}
	c, err := d.Dial("tcp", a.address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*tls.Conn), nil
}

// says sends a word and returns what comes back until the end or the same
// length.
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
