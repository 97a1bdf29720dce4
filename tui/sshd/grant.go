package sshd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// grant is what a key may, here and now.
type grant struct {
	fingerprint string // of the key itself, also of a certificate's
	name        string // the line's comment, or the certificate's key id; for people
	role        api.Role
	wallboard   bool
	expires     time.Time // zero: never
	about       string    // by which line and certificate
}

// actor is who a session acts as: the name for people, the fingerprint for proof.
func (g grant) actor(from, session string) api.Actor {
	return api.Actor{Name: strings.TrimSpace(g.name + " " + g.fingerprint), From: "ssh " + from, Key: g.fingerprint, Role: g.role, Session: session}
}

// short is a name for a crowded line.
func (g grant) short() string {
	if g.name != "" {
		return g.name
	}
	return g.fingerprint
}

// fingerprint is who a key is: that of the key itself when it comes in a
// certificate.
func fingerprint(key gossh.PublicKey) string {
	if c, ok := key.(*gossh.Certificate); ok {
		key = c.Key
	}
	return gossh.FingerprintSHA256(key)
}

// admit says what a key may, or why it is not let in. Of several lines that fit,
// the first holds, as with sshd(8).
func (k *keys) admit(key gossh.PublicKey, from netip.Addr, now time.Time) (grant, error) {
	if c, ok := key.(*gossh.Certificate); ok {
		return k.admitCertificate(c, from, now)
	}
	if k.revoked[string(key.Marshal())] {
		return grant{}, errors.New("the key is revoked")
	}
	no := errors.New("the key is not known")
	for _, l := range k.lines[string(key.Marshal())] {
		if l.authority {
			continue
		}
		if err := l.holds(from, now); err != nil {
			no = err
			continue
		}
		return grant{gossh.FingerprintSHA256(key), l.comment, l.role, l.wallboard, l.expires, fmt.Sprintf("line %d", l.number)}, nil
	}
	return grant{}, no
}

// holds says why a line does not admit anybody from there now.
func (l *line) holds(from netip.Addr, now time.Time) error {
	switch {
	case !l.expires.IsZero() && !now.Before(l.expires):
		return fmt.Errorf("line %d has expired", l.number)
	case !admits(l.from, from):
		return fmt.Errorf("line %d does not admit this address", l.number)
	}
	return nil
}

// sourceAddress is the one critical option of certificates that is understood
// (PROTOCOL.certkeys of OpenSSH).
const sourceAddress = "source-address"

// admitCertificate says what a certificate may. The certificate must name its
// principals: one without any would be everybody's.
func (k *keys) admitCertificate(c *gossh.Certificate, from netip.Addr, now time.Time) (grant, error) {
	switch {
	case c.CertType != gossh.UserCert:
		return grant{}, errors.New("the certificate is a host's")
	case k.revoked[string(c.Key.Marshal())]:
		return grant{}, errors.New("the certificate's key is revoked")
	case k.revoked[string(c.SignatureKey.Marshal())]:
		return grant{}, errors.New("the certificate's authority is revoked")
	case len(c.ValidPrincipals) == 0:
		return grant{}, errors.New("the certificate names no principal, which would make it everybody's")
	case c.Signature == nil || !slices.Contains(signatures, c.Signature.Format):
		return grant{}, errors.New("the certificate's signature is of a kind that proves nothing any more")
	}
	if err := strong(c.Key); err != nil {
		return grant{}, err
	}
	no := errors.New("the certificate's authority is not trusted here")
	for _, l := range k.lines[string(c.SignatureKey.Marshal())] {
		if !l.authority {
			continue
		}
		i := slices.IndexFunc(c.ValidPrincipals, func(p string) bool { return slices.Contains(l.principals, p) })
		if i < 0 {
			no = errors.New("no line of its authority takes the certificate's principals")
			continue
		}
		if err := l.holds(from, now); err != nil {
			no = err
			continue
		}
		checker := gossh.CertChecker{SupportedCriticalOptions: []string{sourceAddress}, Clock: func() time.Time { return now }}
		if err := checker.CheckCert(c.ValidPrincipals[i], c); err != nil {
			return grant{}, errors.New(clean(strings.TrimPrefix(err.Error(), "ssh: ")))
		}
		if list, ok := c.CriticalOptions[sourceAddress]; ok {
			patterns, err := parsePatterns(list)
			if err != nil || !admits(patterns, from) {
				return grant{}, errors.New("the certificate does not admit this address")
			}
		}
		expires := l.expires
		if c.ValidBefore != gossh.CertTimeInfinity {
			if t := time.Unix(int64(c.ValidBefore), 0); expires.IsZero() || t.Before(expires) {
				expires = t
			}
		}
		return grant{
			gossh.FingerprintSHA256(c.Key), clean(c.KeyId), l.role, l.wallboard, expires,
			fmt.Sprintf("line %d, certificate %d of %s for %s", l.number, c.Serial, gossh.FingerprintSHA256(c.SignatureKey), clean(c.ValidPrincipals[i])),
		}, nil
	}
	return grant{}, no
}

// signatures are the kinds that prove something: SHA-1 does not.
var signatures = []string{
	gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521,
	gossh.KeyAlgoSKECDSA256, gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512,
}
