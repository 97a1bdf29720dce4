package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// Refused is a no of this package: a certificate or a token that is not
// accepted.
type Refused struct {
	Reason api.Reason
	Detail string
	// Elsewhere are the addresses of agents that may say yes.
	Elsewhere []string
}

// Error implements error.
func (r *Refused) Error() string {
	return "identity: " + api.Refusal{Reason: r.Reason, Detail: r.Detail}.String()
}

func refuse(reason api.Reason, format string, args ...any) *Refused {
	return Refuse(reason, format, args...)
}

// ReasonOf returns why an error refuses, and the empty reason for an error that
// does not.
func ReasonOf(err error) api.Reason {
	var r *Refused
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Removals says who was removed from the fleet, and when. The fleet's facts
// carry it; a host that has heard of none has a nil one.
type Removals interface {
	// RemovedAt returns the last removal of a host or person.
	RemovedAt(target string) (time.Time, bool)
}

// Trust is what a certificate must be to be accepted.
type Trust struct {
	Fleet    string              // empty: of whichever fleet the roots are
	Roots    []*x509.Certificate // the bundle
	Removals Removals
}

// Chains are no longer than a leaf, a delegate, a cross-certificate and the two
// roots of a succession; who sends more is not of this program.
const chainMax = 8

// RenewGrace is how long after its end a host's certificate still serves for
// one thing: to get the next. A site that was without power for a month comes
// back by itself. It gives a thief of the key nothing, who could have renewed
// before; what ends a certificate for good is the removal of its host.
const RenewGrace = 30 * 24 * time.Hour

// Accept checks a chain as its holder presented it, and returns who that is.
func (t Trust) Accept(now time.Time, chain []*x509.Certificate, use x509.ExtKeyUsage) (Peer, error) {
	return t.accept(now, chain, use, 0)
}

// AcceptRenewal is Accept for who asks for the next certificate: a host's may
// be over since RenewGrace. A person's may not: who was away for as long as it
// lasts asks an administrator.
func (t Trust) AcceptRenewal(now time.Time, chain []*x509.Certificate) (Peer, error) {
	p, err := t.accept(now, chain, x509.ExtKeyUsageClientAuth, RenewGrace)
	if err == nil && p.Person != "" && now.After(p.Until) {
		return Peer{}, refuse(api.ReasonCertificateExpired, "it ended at %s and it is %s here; a person needs a new token then: holdfast token --person %s", wall(p.Until), wall(now), p.Person)
	}
	return p, err
}

func (t Trust) accept(now time.Time, chain []*x509.Certificate, use x509.ExtKeyUsage, grace time.Duration) (Peer, error) {
	if len(chain) == 0 {
		return Peer{}, refuse(api.ReasonCertificateMissing, "")
	}
	if len(chain) > chainMax {
		return Peer{}, refuse(api.ReasonCertificateInvalid, "a chain of %d; %d are the limit", len(chain), chainMax)
	}
	leaf := chain[0]
	// The dates are looked at first only to say the true reason; Verify looks at
	// them again, and at those of the authorities.
	at := now
	switch {
	case now.Before(leaf.NotBefore):
		return Peer{}, refuse(api.ReasonCertificateEarly, "it begins at %s and it is %s here", wall(leaf.NotBefore), wall(now))
	case now.After(leaf.NotAfter.Add(grace)):
		return Peer{}, refuse(api.ReasonCertificateExpired, "it ended at %s and it is %s here", wall(leaf.NotAfter), wall(now))
	case now.After(leaf.NotAfter):
		at = leaf.NotAfter
	}
	if leaf.IsCA {
		return Peer{}, refuse(api.ReasonCertificateInvalid, "it is an authority's own")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Roots {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
			return Peer{}, refuse(api.ReasonCertificateExpired, "that of the authority which signed it, at %s here", wall(now))
		}
		if errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage {
			return Peer{}, refuse(api.ReasonCertificateInvalid, "it is for another use")
		}
		return Peer{}, refuse(api.ReasonCertificateForeign, "no authority that is trusted here has signed it")
	}
	if _, ok := leaf.PublicKey.(ed25519.PublicKey); !ok {
		return Peer{}, refuse(api.ReasonCertificateInvalid, "its key is not Ed25519")
	}
	p, err := peer(leaf)
	if err != nil {
		return Peer{}, refuse(api.ReasonCertificateInvalid, "%v", err)
	}
	name := p.Name
	if t.Fleet != "" && name.Fleet != t.Fleet {
		return Peer{}, refuse(api.ReasonCertificateForeign, "it is of fleet %s and this is %s", name.Fleet, t.Fleet)
	}
	if err := t.delegates(chains[0], name); err != nil {
		return Peer{}, err
	}
	return p, t.Still(p)
}

// peer is whom a certificate names.
func peer(c *x509.Certificate) (Peer, error) {
	n, joined, err := named(c)
	return Peer{Name: n, Joined: joined, Issued: c.NotBefore.Add(Backdate), Until: c.NotAfter}, err
}

// delegates checks that each authority between a leaf and its root was allowed
// to sign it. A leaf has one issuer's key, so a delegate on one of its chains is
// on all of them.
func (t Trust) delegates(chain []*x509.Certificate, leaf Name) error {
	for _, c := range chain[1:] {
		if len(c.URIs) == 0 {
			continue // a root, or one root's word for another
		}
		d, err := peer(c)
		if err != nil {
			return refuse(api.ReasonCertificateInvalid, "the delegate that signed it: %v", err)
		}
		if d.Fleet != leaf.Fleet || d.Site != leaf.Site {
			return refuse(api.ReasonCertificateInvalid, "%s was signed by the authority of site %s, which may sign for hosts of that site only", leaf, d.Site)
		}
		if err := t.Still(d); err != nil {
			return err
		}
	}
	return nil
}

// Still reports whether who was accepted has been removed since they joined. What
// stands for long, such as a watch, asks it again and again. A certificate that
// was renewed after the removal, by an agent that had not heard of it, is no better
// than the one before: it says when its holder joined.
func (t Trust) Still(p Peer) error {
	if t.Removals == nil {
		return nil
	}
	if at, ok := t.Removals.RemovedAt(p.String()); ok && !p.Joined.After(at) {
		return refuse(api.ReasonRemoved, "%s at %s; holdfast token lets it in anew", p, wall(at))
	}
	return nil
}

// IsHost returns a check for who answers at a host's address.
func (p Peer) IsHost(host string) error {
	if p.Host != host {
		return refuse(api.ReasonCertificateForeign, "%s was called and %s answers", id.To(id.KindHost, host), p)
	}
	return nil
}

func wall(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// Same reports whether two lists of certificates are the same.
func Same(a, b []*x509.Certificate) bool {
	return slices.EqualFunc(a, b, func(x, y *x509.Certificate) bool { return x.Equal(y) })
}
