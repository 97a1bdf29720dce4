package probing_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	der  []byte
}

// issue makes a certificate that by signs; by nil makes an authority's own.
func issue(t testing.TB, by *authority, from, left time.Duration, names ...string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: names[0]}, NotBefore: now.Add(from), NotAfter: now.Add(left),
		BasicConstraintsValid: true, IsCA: strings.HasPrefix(names[0], "authority"), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{c, key, der}
}

func (a *authority) write(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure answers HTTPS with a chain; names takes what clients ask for by SNI.
func secure(t testing.TB, names chan<- string, chain ...*authority) string {
	t.Helper()
	pair := tls.Certificate{PrivateKey: chain[0].key}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.der)
	}
	config := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if names != nil {
			names <- h.ServerName
		}
		return &pair, nil
	}}
	return listen(t, func(c net.Conn) {
		tc := tls.Server(c, config)
		if tc.Handshake() == nil {
			head(tc)
			_, _ = io.WriteString(tc, ok)
		}
		_ = tc.Close()
	})
}

const (
	hour = time.Hour
	day  = 24 * hour
)

// A certificate must be for the name, of a known authority, and in its time,
// unless the probe says otherwise.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	root := issue(t, nil, -hour, 100*day, "authority")
	root.write(t, filepath.Join(dir, "roots.pem"))
	short := issue(t, root, -hour, 3*day, "authority short")
	for _, c := range []struct {
		name    string
		chain   []*authority
		change  func(*spec.Probe)
		verdict probe.Verdict
		reason  string
		warning string
	}{
		{"well", []*authority{issue(t, root, -hour, 30*day, "shop.test")}, nil, probe.Pass, "", ""},
		{"one of its names", []*authority{issue(t, root, -hour, 30*day, "other.test", "*.test")}, nil, probe.Pass, "", ""},
		{"its address", []*authority{issue(t, root, -hour, 30*day, "127.34.1.1")}, func(p *spec.Probe) { p.HTTP.Host = "" }, probe.Pass, "", ""},
		{"another name", []*authority{issue(t, root, -hour, 30*day, "other.test")}, nil, probe.Fail, "its certificate is not for shop.test", ""},
		{"the host has a port", []*authority{issue(t, root, -hour, 30*day, "shop.test")}, func(p *spec.Probe) { p.HTTP.Host = "shop.test:8443" }, probe.Pass, "", ""},
		{"the server name goes first", []*authority{issue(t, root, -hour, 30*day, "inner.test")}, func(p *spec.Probe) { p.TLS.ServerName = "inner.test" }, probe.Pass, "", ""},
		{"another authority", []*authority{issue(t, issue(t, nil, -hour, 9*day, "authority x"), -hour, 30*day, "shop.test")}, nil, probe.Fail, "its certificate is signed by an unknown authority", ""},
		{"signed by itself", []*authority{issue(t, nil, -hour, 30*day, "shop.test")}, nil, probe.Fail, "unknown authority", ""},
		{"the intermediate is missing", []*authority{issue(t, short, -hour, 30*day, "shop.test")}, nil, probe.Fail, "unknown authority", ""},
		{"the intermediate ends first", []*authority{issue(t, short, -hour, 30*day, "shop.test"), short}, nil, probe.Pass, "", "its certificate ends in 2 days"},
		{"expired", []*authority{issue(t, root, -10*day, -5*day-hour, "shop.test")}, nil, probe.Fail, "its certificate expired 5 days ago", ""},
		{"not yet valid", []*authority{issue(t, root, hour, 5*day, "shop.test")}, nil, probe.Fail, "its certificate is not valid yet", ""},
		{"ends soon", []*authority{issue(t, root, -hour, 6*day+hour, "shop.test")}, nil, probe.Pass, "", "its certificate ends in 6 days"},
		{"ends in hours", []*authority{issue(t, root, -hour, 30*hour+30*time.Minute, "shop.test")}, nil, probe.Pass, "", "its certificate ends in 30 hours"},
		{"ends in minutes", []*authority{issue(t, root, -hour, 61*time.Minute+30*time.Second, "shop.test")}, nil, probe.Pass, "", "its certificate ends in 61 minutes"},
		{"a warning that comes later", []*authority{issue(t, root, -hour, 6*day, "shop.test")}, func(p *spec.Probe) { p.TLS.ExpiryWarn = spec.Duration(5 * day) }, probe.Pass, "", ""},
		{"told to take any", []*authority{issue(t, nil, -10*day, -5*day, "other.test")}, func(p *spec.Probe) { p.TLS.Insecure = true }, probe.Pass, "", ""},
		{"no roots", []*authority{root}, func(p *spec.Probe) { p.TLS.CA = filepath.Join(dir, "absent.pem") }, probe.Unable, "read the roots", ""},
		{"roots that are none", []*authority{root}, func(p *spec.Probe) { p.TLS.CA = filepath.Join(dir, "junk.pem") }, probe.Unable, "holds no certificate", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := probeOf(spec.ProbeHTTPS, patience)
			p.HTTP.Host, p.TLS.CA = "shop.test", filepath.Join(dir, "roots.pem")
			if c.change != nil {
				c.change(&p)
			}
			if err := os.WriteFile(filepath.Join(dir, "junk.pem"), []byte("junk"), 0o600); err != nil {
				t.Fatal(err)
			}
			o := run(t, probing.New(nil), secure(t, nil, c.chain...), p)
			expect(t, o, c.verdict, c.reason)
			if o.Warning != c.warning {
				t.Errorf("the warning is %q, want %q", o.Warning, c.warning)
			}
		})
	}
}

// The name that is verified is also the one that is asked for.
func TestServerNameIsAskedFor(t *testing.T) {
	names := make(chan string, 1)
	address := secure(t, names, issue(t, nil, -hour, day, "shop.test"))
	for _, row := range []struct{ host, name, want string }{{"shop.test", "", "shop.test"}, {"shop.test", "inner.test", "inner.test"}, {"", "", ""}} {
		p := probeOf(spec.ProbeHTTPS, patience)
		p.HTTP.Host, p.TLS.ServerName, p.TLS.Insecure = row.host, row.name, true
		expect(t, run(t, probing.New(nil), address, p), probe.Pass, "")
		if got := <-names; got != row.want { // an address is no name (RFC 6066 section 3)
			t.Errorf("host %q, server name %q: it asked for %q, want %q", row.host, row.name, got, row.want)
		}
	}
}

// New roots are seen without a restart.
func TestRootsAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "roots.pem")
	first, second := issue(t, nil, -hour, day, "authority 1"), issue(t, nil, -hour, day, "authority of another length")
	address := secure(t, nil, issue(t, second, -hour, day, "shop.test"))
	p := probeOf(spec.ProbeHTTPS, patience)
	p.HTTP.Host, p.TLS.CA = "shop.test", file
	r := probing.New(nil)
	first.write(t, file)
	for range 2 {
		expect(t, run(t, r, address, p), probe.Fail, "unknown authority")
	}
	second.write(t, file)
	expect(t, run(t, r, address, p), probe.Pass, "")
}

// Who speaks no TLS says so.
func TestNoTLS(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	expect(t, run(t, probing.New(nil), address, probeOf(spec.ProbeHTTPS, patience)), probe.Fail, "does not look like a TLS handshake")
}
