package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// ProtocolJoin is the ALPN name of joining and renewing.
const ProtocolJoin = "holdfast-join/1"

// exchangeWait is how long an exchange may take in all: a disk that flushes
// slowly, a far site.
const exchangeWait = 15 * time.Second

// matches checks that a key and a chain belong together.
func matches(c Credentials) error {
	if len(c.Key) != ed25519.PrivateKeySize || len(c.Chain) == 0 || !c.Key.Public().(ed25519.PublicKey).Equal(c.Chain[0].PublicKey) {
		return errors.New("identity: the certificate is not for this key")
	}
	return nil
}

// Join gets a host's first credentials from an agent. The token's secret is sent
// only to an agent that proves to be of the fleet the token is of.
func Join(ctx context.Context, address string, t Token, host string) (Credentials, error) {
	if err := id.CheckName(host); err != nil {
		return Credentials{}, fmt.Errorf("identity: join: %w", err)
	}
	key, csr, err := NewRequest()
	if err != nil {
		return Credentials{}, err
	}
	var agent Peer
	config := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{ProtocolJoin}, SessionTicketsDisabled: true, InsecureSkipVerify: true}
	config.VerifyConnection = func(s tls.ConnectionState) (err error) {
		agent, err = pinned(t, s.PeerCertificates)
		return err
	}
	g, err := exchange(ctx, address, config, Ask{Version: joinVersion, Token: t.Reveal(), Host: host, CSR: csr})
	if err != nil {
		return Credentials{}, fmt.Errorf("join by %s: %w", address, err)
	}
	c := Credentials{Key: key, Chain: g.Chain, Roots: g.Roots, Keys: g.Keys}
	if err := matches(c); err != nil {
		return Credentials{}, fmt.Errorf("join by %s: %w", address, err)
	}
	p, err := Trust{Fleet: agent.Fleet, Roots: c.Roots}.Accept(time.Now(), c.Chain, x509.ExtKeyUsageClientAuth)
	if err == nil {
		err = p.IsHost(host)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("join by %s: the certificate that came: %w", address, err)
	}
	return c, nil
}

// pinned checks an agent's chain against the one hash that a token carries.
func pinned(t Token, chain []*x509.Certificate) (Peer, error) {
	for _, c := range chain[:min(len(chain), chainMax)] {
		if Hash(c) == t.Authority {
			return Trust{Roots: []*x509.Certificate{c}}.Accept(time.Now(), chain, x509.ExtKeyUsageServerAuth)
		}
	}
	return Peer{}, refuse(api.ReasonCertificateForeign, "%s is of a fleet with another authority; the secret was not sent", t)
}

// Renew gets the next chain for a signing request of a host that has one.
func (h *Holder) Renew(ctx context.Context, address string, csr []byte) (Granted, error) {
	g, err := exchange(ctx, address, h.Client(ProtocolJoin, nil), Ask{Version: joinVersion, CSR: csr})
	if err != nil {
		return Granted{}, fmt.Errorf("renew by %s: %w", address, err)
	}
	return g, nil
}

// BecomeDelegate asks the agent with the root to let this host sign for its
// site.
func (h *Holder) BecomeDelegate(ctx context.Context, address string) (*Authority, error) {
	key, csr, err := NewRequest()
	if err != nil {
		return nil, err
	}
	g, err := exchange(ctx, address, h.Client(ProtocolJoin, nil), Ask{Version: joinVersion, CSR: csr, Delegate: true})
	if err != nil {
		return nil, fmt.Errorf("become a delegate by %s: %w", address, err)
	}
	return Delegated(key, g.Chain)
}

func exchange(ctx context.Context, address string, config *tls.Config, ask Ask) (Granted, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return Granted{}, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := WriteMessage(conn, ask); err != nil {
		return Granted{}, err
	}
	return ReadAnswer(conn)
}

// Door is the agent's end of joining and renewing.
type Door struct {
	Authority func() *Authority // which signs now
	Roots     func() []*x509.Certificate
	Trust     func() Trust
	Tokens    Tokens
	// Keys is the fleet's keyring, as hosts get it. Nil: none.
	Keys func() [][]byte
	// Allow is the fleet's own no to a new host: the name is taken, the site is
	// unknown. Nil allows all. It is asked before the token is used up.
	Allow func(Name) error
	// Delegate says whether a host may sign for its site. Nil allows none.
	Delegate func(Name) bool
	Log      *slog.Logger
}

// Serve answers one host. The connection may have shown a certificate; whether
// it is good is for the kind of question to need.
func (d *Door) Serve(ctx context.Context, conn *tls.Conn) {
	_ = conn.SetDeadline(time.Now().Add(exchangeWait))
	ask, err := ReadAsk(conn)
	if err != nil {
		d.refuse(conn, "", err)
		return
	}
	name, chain, err := d.answer(ctx, conn, ask)
	if err != nil {
		d.refuse(conn, ask.Host, err)
		return
	}
	answer := Answer{Version: joinVersion, Chain: raw(chain), Roots: raw(d.Roots())}
	if d.Keys != nil && name.Host != "" {
		answer.Keys = d.Keys()
	}
	if err := WriteMessage(conn, answer); err != nil {
		d.Log.Warn("a certificate was signed and not delivered; a host that was to join needs a new token", "for", name.String(), "from", conn.RemoteAddr().String(), "err", err)
		return
	}
	d.Log.Info("a certificate was signed", "for", name.String(), "site", name.Site, "first", ask.Token != "", "from", conn.RemoteAddr().String(), "until", chain[0].NotAfter)
}

func (d *Door) answer(ctx context.Context, conn *tls.Conn, ask Ask) (Name, []*x509.Certificate, error) {
	now := time.Now()
	if _, err := requested(ask.CSR); err != nil {
		return Name{}, nil, err // before the token is used up
	}
	a := d.Authority()
	if ask.Token == "" {
		p, err := d.Trust().AcceptRenewal(now, conn.ConnectionState().PeerCertificates)
		if err != nil {
			return Name{}, nil, err
		}
		sign := a.Sign
		if ask.Delegate {
			if d.Delegate == nil || !d.Delegate(p.Name) || !a.Root() {
				return Name{}, nil, refuse(api.ReasonNotAllowed, "%s is not to sign for site %s, or this agent has no root to say so", p, p.Site)
			}
			sign = a.Delegate
		}
		chain, err := sign(now, ask.CSR, p.Name)
		return p.Name, chain, err
	}
	t, err := ParseToken(ask.Token)
	if err != nil {
		return Name{}, nil, err
	}
	var name Name
	if _, err := d.Tokens.Redeem(ctx, now, t, ask.Host, func(r Record) error {
		name = Name{Fleet: a.Fleet(), Site: r.Site, Host: ask.Host}
		if d.Allow == nil {
			return nil
		}
		return d.Allow(name)
	}); err != nil {
		return Name{}, nil, err
	}
	chain, err := a.Sign(now, ask.CSR, name)
	return name, chain, err
}

func (d *Door) refuse(conn *tls.Conn, host string, err error) {
	a := Answer{Version: joinVersion, Reason: api.ReasonBusy, Detail: "the agent could not answer; its log says why"}
	var no *Refused
	if errors.As(err, &no) {
		a.Reason, a.Detail = no.Reason, no.Detail
	}
	_ = WriteMessage(conn, a)
	d.Log.Warn("a host was refused", "host", printable(host), "from", conn.RemoteAddr().String(), "reason", string(a.Reason), "err", err)
	bye(conn)
}

// printable is what strangers sent, as it may be shown: no control characters,
// and not much of it.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

// bye ends a connection so that the last words arrive: closing with bytes unread
// would reset it.
func bye(conn *tls.Conn) {
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_ = conn.CloseWrite()
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	b := make([]byte, 4096)
	for range messageMax / len(b) {
		if _, err := conn.NetConn().Read(b); err != nil {
			break
		}
	}
	_ = conn.Close()
}
