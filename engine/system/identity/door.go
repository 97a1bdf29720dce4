package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Tokens is where a fleet keeps its tokens. Redeem returns when the use is
// stored, so that no crash makes a token good again. allow is the fleet's own
// no, asked when the secret is right and before the token is used up. What it
// returns says in Used when its bringer has joined.
type Tokens interface {
	Redeem(ctx context.Context, now time.Time, t Token, host string, allow func(Record) error) (Record, error)
}

// Door is the agent's end of joining and renewing.
type Door struct {
	Authority func() *Authority // which signs now; nil: none is here
	Roots     func() []*x509.Certificate
	Trust     func() Trust
	Tokens    Tokens
	// Keys is the fleet's keyring, as hosts get it. Nil: none.
	Keys func() [][]byte
	// Allow says who comes in by a token that a host brings, or nobody but the
	// person it is for, or the fleet's own no: the name is taken, the host is
	// unknown. It is asked before the token is used up.
	Allow func(r Record, host string) (Name, error)
	// Renew is the fleet's own no to a next certificate. Nil: there is none.
	Renew func(Peer) error
	// Delegate says whether a host may sign for its site. Nil allows none.
	Delegate func(Name) bool
	// Elsewhere are agents that can sign for a name. Nil: none is known.
	Elsewhere func(Name) []string
	Log       *slog.Logger

	granted, refused atomic.Uint64
}

// Counts returns how many certificates were signed, and how many asked in vain.
func (d *Door) Counts() (granted, refused uint64) { return d.granted.Load(), d.refused.Load() }

// Serve answers one host or person. The connection may have shown a certificate;
// whether it is good is for the kind of question to need.
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
	d.granted.Add(1)
	answer := Answer{Version: joinVersion, Chain: raw(chain), Roots: raw(d.Roots())}
	if d.Keys != nil && name.Host != "" {
		answer.Keys = d.Keys()
	}
	if err := WriteMessage(conn, answer); err != nil {
		d.Log.Warn("a certificate was signed and not delivered; who was to join needs a new token with their name", "for", name.String(), "from", conn.RemoteAddr().String(), "err", err)
		return
	}
	d.Log.Info("a certificate was signed", "for", name.String(), "site", name.Site, "first", ask.Token != "", "from", conn.RemoteAddr().String(), "until", chain[0].NotAfter)
}

func (d *Door) answer(ctx context.Context, conn *tls.Conn, ask Ask) (Name, []*x509.Certificate, error) {
	now := time.Now()
	if _, err := requested(ask.CSR); err != nil {
		return Name{}, nil, err // before the token is used up
	}
	if ask.Token == "" {
		return d.renew(now, conn.ConnectionState().PeerCertificates, ask)
	}
	t, err := ParseToken(ask.Token)
	if err != nil {
		return Name{}, nil, err
	}
	var name Name
	var a *Authority
	r, err := d.Tokens.Redeem(ctx, now, t, ask.Host, func(r Record) (err error) {
		if name, err = d.Allow(r, ask.Host); err == nil {
			a, err = d.signs(name)
		}
		return err
	})
	if err != nil {
		return Name{}, nil, err
	}
	chain, err := a.Admit(now, ask.CSR, name, r.Used)
	return name, chain, err
}

// renew signs the next certificate of who has one, or makes a host a delegate.
func (d *Door) renew(now time.Time, shown []*x509.Certificate, ask Ask) (Name, []*x509.Certificate, error) {
	p, err := d.Trust().AcceptRenewal(now, shown)
	if err != nil {
		return Name{}, nil, err
	}
	if d.Renew != nil {
		if err := d.Renew(p); err != nil {
			return Name{}, nil, err
		}
	}
	a, err := d.signs(p.Name)
	if err != nil {
		return Name{}, nil, err
	}
	if !ask.Delegate {
		chain, err := a.Admit(now, ask.CSR, p.Name, p.Joined)
		return p.Name, chain, err
	}
	if p.Host == "" || d.Delegate == nil || !d.Delegate(p.Name) {
		return Name{}, nil, refuse(api.ReasonNotAllowed, "%s is not to sign for site %s", p, p.Site)
	}
	if !a.Root() {
		return Name{}, nil, d.elsewhere(p.Name, "only one with the root makes delegates")
	}
	chain, err := a.Delegate(now, ask.CSR, p.Name, p.Joined)
	return p.Name, chain, err
}

// signs is the authority here that can sign for a name.
func (d *Door) signs(n Name) (*Authority, error) {
	if a := d.Authority(); a != nil && a.Signs(n) {
		return a, nil
	}
	return nil, d.elsewhere(n, "for "+n.String())
}

func (d *Door) elsewhere(n Name, why string) error {
	no := refuse(api.ReasonSignsElsewhere, "%s", why)
	if d.Elsewhere != nil {
		no.Elsewhere = d.Elsewhere(n)
	}
	return no
}

func (d *Door) refuse(conn *tls.Conn, host string, err error) {
	a := Answer{Version: joinVersion, Reason: api.ReasonBusy, Detail: "the agent could not answer; its log says why"}
	d.refused.Add(1)
	var no *Refused
	if errors.As(err, &no) {
		a.Reason, a.Detail, a.Elsewhere = no.Reason, no.Detail, no.Elsewhere[:min(len(no.Elsewhere), elsewhereMax)]
	}
	_ = WriteMessage(conn, a)
	d.Log.Warn("somebody was refused at the door", "host", printable(host), "from", conn.RemoteAddr().String(), "reason", string(a.Reason), "err", err)
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
