package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Lives of certificates.
const (
	// Backdate is how far back a certificate begins: clocks of hosts disagree.
	Backdate = 5 * time.Minute
	HostLife = 24 * time.Hour
	// DelegateLife is how long a site can go on signing when the root is gone:
	// long enough to bring it back from a backup without haste.
	DelegateLife  = 90 * 24 * time.Hour
	RootLife      = 10 * 365 * 24 * time.Hour
	PersonLifeMax = 90 * 24 * time.Hour
	// PersonLife is how long a person may be away and still come in: a holiday.
	PersonLife = 30 * 24 * time.Hour
)

// Paths below a root: root, cross-certificate, delegate, leaf.
const (
	rootPath     = 2
	crossPath    = 1
	delegatePath = 0
)

// Authority signs certificates of one fleet.
type Authority struct {
	fleet string
	key   ed25519.PrivateKey
	// chain begins with the authority's own certificate; what follows leads to
	// the roots that vouch for it.
	chain []*x509.Certificate
}

// NewAuthority makes the root of a new fleet.
func NewAuthority(fleet string, now time.Time) (*Authority, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("identity: make a key: %w", err)
	}
	t, err := authorityTemplate(fleet, key.Public().(ed25519.PublicKey), now, RootLife, rootPath)
	if err != nil {
		return nil, err
	}
	c, err := create(t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Authority{fleet: fleet, key: key, chain: []*x509.Certificate{c}}, nil
}

func authorityTemplate(fleet string, key ed25519.PublicKey, now time.Time, life time.Duration, path int) (*x509.Certificate, error) {
	if err := (Name{Fleet: fleet, Site: "s", Host: "h"}).Check(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key)
	t, err := template(now, life)
	if err != nil {
		return nil, err
	}
	t.Subject = pkix.Name{CommonName: fmt.Sprintf("holdfast %s authority %x", fleet, sum[:4])}
	t.IsCA, t.BasicConstraintsValid = true, true
	t.MaxPathLen, t.MaxPathLenZero = path, path == 0
	t.KeyUsage = x509.KeyUsageCertSign
	return t, nil
}

func template(now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("identity: draw a serial number: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), NotBefore: now.Add(-Backdate), NotAfter: now.Add(life)}, nil
}

func create(t, parent *x509.Certificate, key any, signer ed25519.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key, signer)
	if err != nil {
		return nil, fmt.Errorf("identity: sign: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: read back what was signed: %w", err)
	}
	return c, nil
}

// Fleet is whose authority it is.
func (a *Authority) Fleet() string { return a.fleet }

// Chain is the authority's own certificate and what vouches for it.
func (a *Authority) Chain() []*x509.Certificate { return slices.Clone(a.chain) }

// Root reports whether it signs itself.
func (a *Authority) Root() bool { return selfSigned(a.chain[0]) }

// Site is the one whose hosts it signs; empty for a root, which signs all.
func (a *Authority) Site() string {
	n, _, err := named(a.chain[0])
	if err != nil {
		return ""
	}
	return n.Site
}

// Signs reports whether what it signs for a name is accepted.
func (a *Authority) Signs(n Name) bool {
	return a.Root() || n.Host != "" && n.Site == a.Site()
}

// Joined is when a delegate's host had joined; zero for a root.
func (a *Authority) Joined() time.Time {
	_, joined, err := named(a.chain[0])
	if err != nil {
		return time.Time{}
	}
	return joined
}

// Until is when its own certificate ends.
func (a *Authority) Until() time.Time { return a.chain[0].NotAfter }

// From is when its own certificate began.
func (a *Authority) From() time.Time { return a.chain[0].NotBefore.Add(Backdate) }

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

// Roots are the roots among the authority's chain: the bundle that a host which
// joins begins with. The newest is first.
func (a *Authority) Roots() []*x509.Certificate {
	var all []*x509.Certificate
	for _, c := range a.chain {
		if selfSigned(c) {
			all = append(all, c)
		}
	}
	return all
}

// Hash is how a token names an authority.
func Hash(c *x509.Certificate) [sha256.Size]byte { return sha256.Sum256(c.Raw) }

// Sign signs a request as the certificate of name, and returns the chain that
// its holder presents. What the request says of names is not looked at: who may
// be called what is for who calls this to know.
func (a *Authority) Sign(now time.Time, csr []byte, name Name) ([]*x509.Certificate, error) {
	return a.SignFor(now, csr, name, HostLife)
}

// SignFor is Sign for a life of one's own, which ends with the authority's.
func (a *Authority) SignFor(now time.Time, csr []byte, name Name, life time.Duration) ([]*x509.Certificate, error) {
	return a.sign(now, csr, name, life, now)
}

// Admit signs the certificate of who joined at a moment: their first, or the next
// one, which lasts as long as such certificates do.
func (a *Authority) Admit(now time.Time, csr []byte, name Name, joined time.Time) ([]*x509.Certificate, error) {
	life := HostLife
	if name.Person != "" {
		life = PersonLife
	}
	return a.sign(now, csr, name, life, joined)
}

func (a *Authority) sign(now time.Time, csr []byte, name Name, life time.Duration, joined time.Time) ([]*x509.Certificate, error) {
	if err := name.Check(); err != nil {
		return nil, err
	}
	limit := HostLife
	use := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	if name.Person != "" {
		limit, use = PersonLifeMax, use[:1]
	}
	switch {
	case name.Fleet != a.fleet:
		return nil, fmt.Errorf("identity: sign %s: it is of fleet %s; this authority is of %s", name, name.Fleet, a.fleet)
	case life <= 0 || life > limit:
		return nil, fmt.Errorf("identity: sign %s: a life of %s; up to %s is allowed", name, life, limit)
	}
	if now.After(a.chain[0].NotAfter) {
		return nil, refuse(api.ReasonCertificateExpired, "this authority's own, at %s", wall(a.chain[0].NotAfter))
	}
	key, err := requested(csr)
	if err != nil {
		return nil, err
	}
	t, err := template(now, min(life, a.chain[0].NotAfter.Sub(now)))
	if err != nil {
		return nil, err
	}
	t.Subject = pkix.Name{CommonName: name.String()}
	t.URIs, t.ExtKeyUsage, t.KeyUsage = name.uris(joined), use, x509.KeyUsageDigitalSignature
	t.BasicConstraintsValid = true
	c, err := create(t, a.chain[0], key, a.key)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{c}, a.chain...), nil
}

// requestMax is larger than any request for an Ed25519 key without names.
const requestMax = 2048

// requested returns the key of a signing request whose holder has the private
// one.
func requested(csr []byte) (ed25519.PublicKey, error) {
	if len(csr) > requestMax {
		return nil, refuse(api.ReasonOutOfRange, "a signing request of %d bytes; %d are the limit", len(csr), requestMax)
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, refuse(api.ReasonCertificateInvalid, "the signing request cannot be read")
	}
	key, ok := r.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, refuse(api.ReasonCertificateInvalid, "the signing request is not for an Ed25519 key")
	}
	if err := r.CheckSignature(); err != nil {
		return nil, refuse(api.ReasonCertificateInvalid, "the signing request is not signed by its own key")
	}
	return key, nil
}

// NewRequest makes a key and a signing request for it.
func NewRequest() (key ed25519.PrivateKey, csr []byte, err error) {
	_, key, err = ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("identity: make a key: %w", err)
	}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("identity: make a signing request: %w", err)
	}
	return key, csr, nil
}

// Delegate makes a host's key an authority for the hosts of its site. Only a
// root can. What it signs beyond its site is not accepted, and nothing of it when
// its host is removed.
func (a *Authority) Delegate(now time.Time, csr []byte, host Name, joined time.Time) ([]*x509.Certificate, error) {
	if err := host.Check(); err != nil || host.Host == "" || host.Fleet != a.fleet {
		return nil, fmt.Errorf("identity: delegate to %s: it is no host of fleet %s", host, a.fleet)
	}
	if !a.Root() {
		return nil, errors.New("identity: delegate: this authority is a delegate itself; ask the host with the root")
	}
	key, err := requested(csr)
	if err != nil {
		return nil, err
	}
	t, err := authorityTemplate(a.fleet, key, now, DelegateLife, delegatePath)
	if err != nil {
		return nil, err
	}
	t.URIs = host.uris(joined)
	c, err := create(t, a.chain[0], key, a.key)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{c}, a.chain...), nil
}

// Delegated is the authority of a key that a root has delegated to.
func Delegated(key ed25519.PrivateKey, chain []*x509.Certificate) (*Authority, error) {
	if len(chain) == 0 || len(chain) > chainMax || !chain[0].IsCA {
		return nil, errors.New("identity: no authority's certificate is in the chain")
	}
	if !key.Public().(ed25519.PublicKey).Equal(chain[0].PublicKey) {
		return nil, errors.New("identity: the authority's key is not that of its certificate")
	}
	fleet, err := fleetOf(chain[0])
	if err != nil {
		return nil, err
	}
	return &Authority{fleet: fleet, key: key, chain: chain}, nil
}

// fleetOf reads the fleet's name from an authority's subject.
func fleetOf(c *x509.Certificate) (string, error) {
	var fleet string
	var mark string
	if n, err := fmt.Sscanf(c.Subject.CommonName, "holdfast %s authority %s", &fleet, &mark); err != nil || n != 2 {
		return "", fmt.Errorf("identity: %.80q is no authority of a fleet", c.Subject.CommonName)
	}
	return fleet, nil
}

// Succeed makes the root that follows this one. It presents the old one's word
// for it, so that hosts which have not heard of it yet accept what it signs.
// When all have, Forget drops the old one.
func (a *Authority) Succeed(now time.Time) (*Authority, error) {
	if !a.Root() {
		return nil, errors.New("identity: succeed: only a root has a successor")
	}
	next, err := NewAuthority(a.fleet, now)
	if err != nil {
		return nil, err
	}
	life := a.chain[0].NotAfter.Sub(now)
	if life <= 0 {
		return nil, refuse(api.ReasonCertificateExpired, "this root's own; nobody would believe its word for another")
	}
	t, err := authorityTemplate(a.fleet, next.key.Public().(ed25519.PublicKey), now, life, crossPath)
	if err != nil {
		return nil, err
	}
	cross, err := create(t, a.chain[0], next.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	next.chain = append(next.chain, cross, a.chain[0])
	return next, nil
}

// Forget is the authority without the roots before it.
func (a *Authority) Forget() *Authority {
	return &Authority{fleet: a.fleet, key: a.key, chain: a.chain[:1:1]}
}
