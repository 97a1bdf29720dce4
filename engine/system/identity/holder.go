package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Holder is a host's or a person's identity as it is in use. It can be replaced
// at any time: handshakes that begin then use the new one, connections that
// stand go on.
type Holder struct {
	live     atomic.Pointer[live]
	removals Removals
}

type live struct {
	credentials Credentials
	certificate tls.Certificate
	self        Name
	joined      time.Time
	trust       Trust
}

// NewHolder puts credentials to use. Whether they are over is not looked at: a
// host with an expired certificate still has to ask for the next.
func NewHolder(c Credentials, removals Removals) (*Holder, error) {
	h := &Holder{removals: removals}
	return h, h.Replace(c)
}

// Replace puts other credentials to use.
func (h *Holder) Replace(c Credentials) error {
	if len(c.Chain) == 0 || len(c.Roots) == 0 {
		return fmt.Errorf("identity: credentials without a certificate or without a root")
	}
	if err := matches(c); err != nil {
		return err
	}
	self, err := peer(c.Chain[0])
	if err != nil {
		return fmt.Errorf("identity: this certificate is none of a fleet: %w", err)
	}
	l := &live{credentials: c, self: self.Name, joined: self.Joined, trust: Trust{Fleet: self.Fleet, Roots: c.Roots, Removals: h.removals}}
	l.certificate = tls.Certificate{Certificate: raw(c.Chain), PrivateKey: c.Key, Leaf: c.Chain[0]}
	h.live.Store(l)
	return nil
}

// Self is who this is.
func (h *Holder) Self() Name { return h.live.Load().self }

// Joined is when this one came in by a token.
func (h *Holder) Joined() time.Time { return h.live.Load().joined }

// Credentials are what is in use.
func (h *Holder) Credentials() Credentials { return h.live.Load().credentials }

// Trust is what others' certificates must be.
func (h *Holder) Trust() Trust { return h.live.Load().trust }

// Until is when the certificate in use ends.
func (h *Holder) Until() time.Time { return h.live.Load().credentials.Chain[0].NotAfter }

// Expired returns why nobody will accept this identity, and nil if they may.
// Who dials says it before the other end has to.
func (h *Holder) Expired(now time.Time) error {
	l := h.live.Load()
	leaf := l.credentials.Chain[0]
	_, err := l.trust.Accept(now, l.credentials.Chain, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return fmt.Errorf("this %s has a certificate that is good until %s: %w", l.self, wall(leaf.NotAfter), err)
	}
	return nil
}

// base is TLS 1.3 and nothing before it. Tickets are off: a session that is
// taken up again would skip what is asked of certificates.
func (h *Holder) base(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: protocols, SessionTicketsDisabled: true}
}

// Client is the configuration to call an agent by one of its protocols. want
// says who must answer; nil: any host of the fleet.
func (h *Holder) Client(protocol string, want func(Peer) error) *tls.Config {
	c := h.base(protocol)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &h.live.Load().certificate, nil
	}
	// Names are URIs, which the standard check does not know; VerifyConnection
	// is all of the check.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		p, err := h.Trust().Accept(time.Now(), s.PeerCertificates, x509.ExtKeyUsageServerAuth)
		if err == nil && want != nil {
			err = want(p)
		}
		if err == nil && s.NegotiatedProtocol != protocol {
			err = fmt.Errorf("identity: %s does not speak %s", p, protocol)
		}
		return err
	}
	return c
}

// server asks for a certificate and takes any: the Port looks at it after the
// handshake, where it can tell the other end what is wrong.
func (h *Holder) server(protocols ...string) *tls.Config {
	c := h.base(protocols...)
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &h.live.Load().certificate, nil }
	c.ClientAuth = tls.RequestClientCert
	return c
}

// Source gets the next chain for a signing request: Renew over a connection, or
// an authority of this host.
type Source func(ctx context.Context, csr []byte) (Granted, error)

// lookEvery is how often the wall clock is compared with the schedule: it may
// be stepped, and a timer would not notice.
const lookEvery = time.Minute

// Keep renews the identity for as long as ctx lives. What source gives is stored
// by save before it is used.
func (h *Holder) Keep(ctx context.Context, source Source, save func(Credentials) error, log *slog.Logger) {
	jitter := rand.Float64()
	schedule := h.schedule(jitter)
	said := StageFresh
	for {
		now := time.Now()
		if stage := schedule.Stage(now); stage != said {
			if said = stage; stage == StageLate || stage == StageExpired {
				log.Error("the certificate of this host should have been renewed", "until", schedule.Until, "stage", string(stage), "failures", schedule.Failures)
			}
		}
		if wait := schedule.Next().Sub(now); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(wait, lookEvery)):
			}
			continue
		}
		if err := h.renew(ctx, source, save); err != nil {
			if ctx.Err() != nil {
				return
			}
			schedule = schedule.Failed(time.Now())
			log.Warn("the certificate of this host was not renewed", "err", err, "until", schedule.Until, "again", schedule.Next())
			continue
		}
		schedule = h.schedule(jitter)
		log.Info("the certificate of this host was renewed", "until", schedule.Until)
	}
}

func (h *Holder) schedule(jitter float64) Schedule {
	leaf := h.live.Load().credentials.Chain[0]
	return Schedule{From: leaf.NotBefore.Add(Backdate), Until: leaf.NotAfter, Jitter: jitter}
}

// RenewSelf renews the identity once, by any of these agents. What comes is stored
// by save before it is used.
func (h *Holder) RenewSelf(ctx context.Context, save func(Credentials) error, addresses ...string) error {
	use := x509.ExtKeyUsageServerAuth
	if h.Self().Person != "" {
		use = x509.ExtKeyUsageClientAuth
	}
	return h.renewAs(ctx, use, func(ctx context.Context, csr []byte) (Granted, error) { return h.Renew(ctx, csr, addresses...) }, save)
}

// renewWait is how long one try may take.
const renewWait = 30 * time.Second

func (h *Holder) renew(ctx context.Context, source Source, save func(Credentials) error) error {
	return h.renewAs(ctx, x509.ExtKeyUsageServerAuth, source, save)
}

func (h *Holder) renewAs(ctx context.Context, use x509.ExtKeyUsage, source Source, save func(Credentials) error) error {
	ctx, cancel := context.WithTimeout(ctx, renewWait)
	defer cancel()
	key, csr, err := NewRequest()
	if err != nil {
		return err
	}
	g, err := source(ctx, csr)
	if err != nil {
		return err
	}
	next := Credentials{Key: key, Chain: g.Chain, Roots: g.Roots, Keys: g.Keys}
	if len(next.Keys) == 0 {
		next.Keys = h.Credentials().Keys // an authority of this host knows of none
	}
	if err := h.fits(next, use); err != nil {
		return err
	}
	if err := save(next); err != nil {
		return err
	}
	return h.Replace(next)
}

// fits checks that what came can replace what is: the same name, its own key,
// good now, and longer than before. A source that is wrong must not lock a host
// out of its fleet.
func (h *Holder) fits(next Credentials, use x509.ExtKeyUsage) error {
	if err := matches(next); err != nil {
		return err
	}
	p, err := Trust{Fleet: h.Self().Fleet, Roots: next.Roots}.Accept(time.Now(), next.Chain, use)
	if err != nil {
		return err
	}
	if p.Name != h.Self() {
		return fmt.Errorf("identity: the next certificate is for %s; this is %s", p, h.Self())
	}
	if !p.Until.After(h.Until()) {
		return fmt.Errorf("identity: the next certificate ends at %s, no later than this one", wall(p.Until))
	}
	return nil
}
