package sshd_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/tui/sshd"
)

// The key says who somebody is, whatever name the client gives.
func TestIdentityIsTheKey(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="operator"`, mina, "mina"))
	for _, user := range []string{"root", "admin", "mina"} {
		c := r.dialAs(user, mina)
		if _, errs, code := r.run(c, "do undrain it is over"); code != 0 {
			t.Fatalf("%d: %s", code, errs)
		}
	}
	print := gossh.FingerprintSHA256(mina.PublicKey())
	for _, q := range r.fleet.requests() {
		if q.By.Name != "mina "+print || !strings.HasPrefix(q.By.From, "ssh 127.") || q.Why != "it is over" {
			t.Errorf("asked by %+v because %q", q.By, q.Why)
		}
	}
	if got := r.book.find(audit.KindLogin, print); len(got) != 3 || got[0].Name != "mina" || got[0].Role != "operator" || !strings.HasPrefix(got[0].From, "127.") {
		t.Errorf("logins: %+v", got)
	}
}

// refuses tries to log in, and returns what the audit log says of it.
func (r *rig) refuses(key gossh.Signer, says string) {
	r.Helper()
	c, err := gossh.Dial("tcp", r.addr, r.config("mina", key))
	if err == nil {
		_ = c.Close()
		r.Errorf("it is let in; want: %s", says)
		return
	}
	eventually(r, "the refusal is recorded: "+says, func() bool { return len(r.book.find(audit.KindRefuse, says)) > 0 })
}

// cert makes a user certificate.
func cert(t testing.TB, key, ca gossh.Signer, change func(*gossh.Certificate)) gossh.Signer {
	t.Helper()
	c := &gossh.Certificate{
		Key: key.PublicKey(), CertType: gossh.UserCert, KeyId: "mina@example", Serial: 12, ValidPrincipals: []string{"ops"},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	s, err := gossh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoIsNotLetIn(t *testing.T) {
	known, revoked, expired, elsewhere, ca, foreign, key := newKey(t), newKey(t), newKey(t), newKey(t), newKey(t), newKey(t), newKey(t)
	r := newRig(t, authorized(`role="admin"`, known, "known")+
		authorized(`role="admin"`, revoked, "stolen")+authorized(`revoked`, revoked, "stolen")+
		authorized(`role="admin",expiry-time="20200101Z"`, expired, "old")+
		authorized(`role="admin",from="10.0.0.0/8"`, elsewhere, "elsewhere")+
		authorized(`cert-authority,role="operator",principals="ops,crew"`, ca, "authority"))
	r.refuses(newKey(t), "the key is not known")
	r.refuses(revoked, "the key is revoked")
	r.refuses(expired, "has expired")
	r.refuses(elsewhere, "does not admit this address")
	r.refuses(ca, "the key is not known") // an authority is nobody itself
	r.refuses(cert(t, key, foreign, nil), "authority is not trusted")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) }), "cert has expired")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Minute).Unix()) }), "cert is not yet valid")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.ValidPrincipals = []string{"root"} }), "takes the certificate's principals")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.ValidPrincipals = nil }), "names no principal")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.CertType = gossh.HostCert }), "is a host's")
	r.refuses(cert(t, revoked, ca, nil), "certificate's key is revoked")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} }), "unsupported critical option")
	r.refuses(cert(t, key, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} }), "certificate does not admit this address")

	if _, err := gossh.Dial("tcp", r.addr, &gossh.ClientConfig{User: "admin", Auth: []gossh.AuthMethod{gossh.Password("admin")}, HostKeyCallback: gossh.FixedHostKey(r.host)}); err == nil {
		t.Error("a password is taken")
	}
	if n := len(r.book.find(audit.KindLogin, "")); n != 0 {
		t.Errorf("%d logins are recorded", n)
	}
	good := r.dial(cert(t, key, ca, func(c *gossh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "127.0.0.0/8"} }))
	if out, _, code := r.run(good, "echo hello there"); code != 0 || out != "hello there\n" {
		t.Errorf("a good certificate: %q, %d", out, code)
	}
	got := r.book.find(audit.KindLogin, gossh.FingerprintSHA256(key.PublicKey()))
	if len(got) != 1 || got[0].Name != "mina@example" || got[0].Role != "operator" || !strings.Contains(got[0].Detail, "certificate 12 of "+gossh.FingerprintSHA256(ca.PublicKey())) {
		t.Errorf("its record: %+v", got)
	}
}

// Who knows a public key only is nobody.
func TestUnprovedKey(t *testing.T) {
	boss := newKey(t)
	r := newRig(t, authorized(`role="admin"`, boss, "boss"))
	r.refuses(liar{boss}, "it was not proved")
	if n := len(r.book.find(audit.KindLogin, "")); n != 0 {
		t.Errorf("%d logins are recorded", n)
	}
}

// liar has a public key without its private one.
type liar struct{ gossh.Signer }

func (liar) Sign(io.Reader, []byte) (*gossh.Signature, error) {
	return &gossh.Signature{Format: gossh.KeyAlgoED25519, Blob: make([]byte, 64)}, nil
}

// Anything at all at the port is refused, recorded and forgotten.
func TestStrangers(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"), func(o *sshd.Options) { o.Login = 300 * time.Millisecond })
	here := r.dial(mina)
	noise := make([]byte, 10_000)
	_, _ = rand.Read(noise)
	noise[0] = 'x'
	for _, said := range []struct{ bytes, record string }{
		{string(noise), "what it sent is not SSH"},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "what it sent is not SSH"},
		{"SSH-2.0-x\r\n" + string(noise), "it offered no key"},
		{"SSH-2.0-x\r\n", "it offered no key"},
		{"", "it said nothing"},
	} {
		n, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(n, said.bytes)
		_ = n.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, n); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%.20q: the connection stays open", said.bytes)
		}
		_ = n.Close()
		eventually(t, fmt.Sprintf("%.20q: %s", said.bytes, said.record), func() bool { return len(r.book.find(audit.KindRefuse, said.record)) > 0 })
	}
	if out, _, _ := r.run(here, "echo undisturbed"); out != "undisturbed\n" {
		t.Errorf("who is in reads %q", out)
	}
}

// A source that fails too often is not listened to for a while; who is in stays.
func TestFailuresOfOneSource(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"), func(o *sshd.Options) {
		o.Limits = sshd.Limits{Failures: 3, FailureEvery: 500 * time.Millisecond}
	})
	here := r.dial(mina)
	for range 3 {
		if _, err := gossh.Dial("tcp", r.addr, r.config("x", newKey(t))); err == nil {
			t.Fatal("a stranger is let in")
		}
	}
	eventually(t, "the source is refused", func() bool {
		if c, err := gossh.Dial("tcp", r.addr, r.config("x", newKey(t))); err == nil {
			_ = c.Close()
		}
		return len(r.book.find(audit.KindRefuse, "too many failed logins from this source")) > 0
	})
	if out, _, _ := r.run(here, "echo on"); out != "on\n" {
		t.Errorf("who is in reads %q", out)
	}
	eventually(t, "it is forgiven", func() bool {
		c, err := gossh.Dial("tcp", r.addr, r.config("x", mina))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// Connections that never log in have little room, and a time.
func TestFreshConnections(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"), func(o *sshd.Options) {
		o.Login = 500 * time.Millisecond
		o.Limits.PerSource = 2
	})
	for range 2 {
		n, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if _, err := io.ReadFull(n, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gossh.Dial("tcp", r.addr, r.config("x", mina)); err == nil {
		t.Error("a third one is let in")
	}
	eventually(t, "it is recorded", func() bool {
		return len(r.book.find(audit.KindRefuse, "from this source that have not logged in")) > 0
	})
	eventually(t, "their time is over", func() bool {
		c, err := gossh.Dial("tcp", r.addr, r.config("x", mina))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// The keys are read again when they change, and who is in is held to them.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	mina, kenji, akiko, gone := newKey(t), newKey(t), newKey(t), newKey(t)
	lines := authorized(`role="viewer"`, mina, "mina") + authorized(`role="operator"`, kenji, "kenji")
	soon := time.Now().Add(10 * time.Minute).UTC()
	var later atomic.Int64
	brief := authorized(`role="viewer",expiry-time="`+soon.Format("20060102150405")+`Z"`, gone, "brief")
	r := newRig(t, lines+brief, func(o *sshd.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	a := r.open(r.dial(mina), 100, 30, "")
	b := r.open(r.dial(kenji), 100, 30, "")
	d := r.open(r.dial(gone), 100, 30, "")
	for _, x := range []*terminal{a, b, d} {
		x.shows("live")
	}
	later.Store(int64(11 * time.Minute))
	d.ends()
	if !strings.Contains(d.heard(), "has expired") {
		t.Errorf("the expired one hears %q", d.heard())
	}
	r.allow(authorized(`role="admin"`, kenji, "kenji") + authorized(`role="viewer"`, akiko, "akiko") + "nonsense\n")
	a.ends()
	b.ends()
	if !strings.Contains(a.heard(), "not let in any more") || !strings.Contains(b.heard(), "your role has changed to admin") {
		t.Errorf("they hear %q and %q", a.heard(), b.heard())
	}
	r.dial(akiko)
	if len(r.book.find(audit.KindKeys, "line 3: it is no public key")) == 0 {
		t.Errorf("the flaw is not recorded")
	}
	// A file that cannot be trusted lets nobody new in, and nobody out.
	c := r.open(r.dial(akiko), 100, 30, "")
	c.shows("live")
	r.spoil()
	eventually(t, "nobody new is let in", func() bool {
		n, err := gossh.Dial("tcp", r.addr, r.config("x", akiko))
		if err == nil {
			_ = n.Close()
		}
		return err != nil
	})
	c.press("5")
	c.shows("[5")
}

// A file that others may write is no file of keys.
func TestServerNeedsItsKeys(t *testing.T) {
	r := newRig(t, "")
	r.spoil()
	if _, err := sshd.New(sshd.Options{Client: r.fleet, Keys: r.keys, HostKey: newKey(t), Record: r.book.Append, Command: talk}); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a file that others may write: %v", err)
	}
	if _, err := sshd.New(sshd.Options{Client: r.fleet, Keys: r.keys + "x", HostKey: newKey(t), Record: r.book.Append, Command: talk}); err == nil {
		t.Error("no file is taken")
	}
}
