package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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

// Join gets first credentials from one of these agents: a host's, or a person's
// when no host is named. The token's secret is sent only to an agent that proves to
// be of the fleet the token is of.
func Join(ctx context.Context, addresses []string, t Token, host string) (Credentials, error) {
	if host != "" {
		if err := id.CheckName(host); err != nil {
			return Credentials{}, fmt.Errorf("identity: join: %w", err)
		}
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
	g, err := exchanges(ctx, addresses, config, Ask{Version: joinVersion, Token: t.Reveal(), Host: host, CSR: csr})
	if err != nil {
		return Credentials{}, fmt.Errorf("join: %w", err)
	}
	c := Credentials{Key: key, Chain: g.Chain, Roots: g.Roots, Keys: g.Keys}
	if err := matches(c); err != nil {
		return Credentials{}, fmt.Errorf("join: %w", err)
	}
	p, err := Trust{Fleet: agent.Fleet, Roots: c.Roots}.Accept(time.Now(), c.Chain, x509.ExtKeyUsageClientAuth)
	if err == nil && host != "" {
		err = p.IsHost(host)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("join: the certificate that came: %w", err)
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

// Renew gets the next chain for a signing request of who has one, from any of
// these agents.
func (h *Holder) Renew(ctx context.Context, csr []byte, addresses ...string) (Granted, error) {
	g, err := exchanges(ctx, addresses, h.Client(ProtocolJoin, nil), Ask{Version: joinVersion, CSR: csr})
	if err != nil {
		return Granted{}, fmt.Errorf("renew: %w", err)
	}
	return g, nil
}

// BecomeDelegate asks an agent with the root to let this host sign for its site.
func (h *Holder) BecomeDelegate(ctx context.Context, addresses ...string) (*Authority, error) {
	key, csr, err := NewRequest()
	if err != nil {
		return nil, err
	}
	g, err := exchanges(ctx, addresses, h.Client(ProtocolJoin, nil), Ask{Version: joinVersion, CSR: csr, Delegate: true})
	if err != nil {
		return nil, fmt.Errorf("become a delegate: %w", err)
	}
	return Delegated(key, g.Chain)
}

// askedMax bounds how many agents are asked, those they name included.
const askedMax = 16

// exchanges asks one agent after another, and those that they name, until one
// grants it or says a no that is the whole fleet's.
func exchanges(ctx context.Context, addresses []string, config *tls.Config, ask Ask) (Granted, error) {
	if len(addresses) == 0 {
		return Granted{}, errors.New("no agent is known that could be asked")
	}
	var all []error
	queue := slices.Clone(addresses)
	for i := 0; i < len(queue) && i < askedMax && ctx.Err() == nil; i++ {
		g, err := exchange(ctx, queue[i], config, ask)
		if err == nil {
			return g, nil
		}
		all = append(all, fmt.Errorf("%s: %w", queue[i], err))
		var no *Refused
		if !errors.As(err, &no) {
			continue
		}
		if !local(no.Reason) {
			return Granted{}, all[len(all)-1]
		}
		for _, to := range no.Elsewhere {
			if !slices.Contains(queue, to) {
				// Behind the one that names it: it is likely to know.
				queue = slices.Insert(queue, i+1, to)
			}
		}
	}
	if len(all) == 0 {
		return Granted{}, ctx.Err()
	}
	return Granted{}, noes(all)
}

// local reports whether another agent may say yes where one said no.
func local(no api.Reason) bool {
	// The others are about who asks, and the same everywhere.
	//exhaustive:ignore
	switch no {
	case api.ReasonSignsElsewhere, api.ReasonHostUnreachable, api.ReasonBusy, api.ReasonStopping, api.ReasonCertificateForeign, api.ReasonCertificateEarly:
		return true
	}
	return false
}

// noes are what several agents said, on one line.
type noes []error

// Error implements error.
func (e noes) Error() string {
	words := make([]string, len(e))
	for i, err := range e {
		words[i] = err.Error()
	}
	return strings.Join(words, "; ")
}

// Unwrap returns each.
func (e noes) Unwrap() []error { return e }

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
