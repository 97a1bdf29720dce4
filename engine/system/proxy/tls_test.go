package proxy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var serial atomic.Int64

// issue writes a certificate for names, and its key, into the stage's folder
// and returns both.
func issue(t testing.TB, dir, file string, left time.Duration, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})
	for name, b := range map[string][]byte{file + ".pem": chain, file + ".key": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// hello shakes hands and returns the connection with what it was shown.
func hello(t testing.TB, port int, name string) (*tls.Conn, *x509.Certificate) {
	t.Helper()
	c := tls.Client(dial(t, port), &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c, c.ConnectionState().PeerCertificates[0]
}

const twoCertificates = ", tls: {certificates: [{chain: a.pem, key: a.key}, {chain: b.pem, key: b.key}]}"

func TestCertificatesByName(t *testing.T) {
	one := serveHTTP(t, "b1", mirror)
	port := freePort(t)
	s := setUp(t, pool("", "", one.backend))
	issue(t, s.dir, "a", time.Hour, "a.example")
	issue(t, s.dir, "b", -time.Hour, "b.example", "*.wild.example") // expired: still served, the client decides
	s.apply(pool("", "", one.backend) + listener("https", port, twoCertificates))
	for name, want := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "B.Example": "b.example", "x.wild.example": "b.example",
		"x.y.wild.example": "a.example", "unknown.example": "a.example", "": "a.example",
	} {
		if _, c := hello(t, port, name); c.Subject.CommonName != want {
			t.Errorf("%q is shown the certificate of %s, want %s", name, c.Subject.CommonName, want)
		}
	}
	for proto, set := range map[string]func(*http.Transport){"HTTP/1.1": nil, "HTTP/2.0": func(tr *http.Transport) { tr.ForceAttemptHTTP2 = true }} {
		g := ask(t, client(t, set), "GET", fmt.Sprintf("https://127.0.0.1:%d/", port), nil)
		if g.Proto != proto || !strings.Contains(g.body, "X-Forwarded-Proto=https\n") {
			t.Errorf("%s: %s %s", proto, g.Proto, g.body)
		}
	}
	// Bytes that are no TLS at all get an end, and the listener goes on.
	c := dial(t, port)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.ReadAll(c)
	hello(t, port, "a.example")
}

// TestCertificatesChangeUnderConnections: new files and a new spec reach new
// handshakes; connections that stand stay.
func TestCertificatesChangeUnderConnections(t *testing.T) {
	for _, protocol := range []string{"https", "tcp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			web, raw := serveHTTP(t, "b1", nil), echo(t, "b2")
			back := web.backend
			if protocol == "tcp" {
				back = raw
			}
			port := freePort(t)
			s := setUp(t, pool("", "", back))
			issue(t, s.dir, "a", time.Hour, "a.example")
			issue(t, s.dir, "b", time.Hour, "b.example")
			fleet := func(settings string) string { return pool("", "", back) + listener(protocol, port, settings) }
			s.apply(fleet(", tls: {certificates: [{chain: a.pem, key: a.key}]}"))
			old, first := hello(t, port, "b.example")
			if first.Subject.CommonName != "a.example" {
				t.Fatal(first.Subject.CommonName)
			}
			s.apply(fleet(twoCertificates))
			if _, c := hello(t, port, "b.example"); c.Subject.CommonName != "b.example" {
				t.Errorf("the added certificate is not shown, %s is", c.Subject.CommonName)
			}
			// The files change: by themselves, they are read again.
			issue(t, s.dir, "a", time.Hour, "a.example")
			eventually(t, "the new file is shown", func() bool {
				_, c := hello(t, port, "a.example")
				return c.SerialNumber.Cmp(first.SerialNumber) != 0
			})
			// Junk leaves the old one, through files and through the spec.
			_, good := hello(t, port, "a.example")
			if err := os.WriteFile(filepath.Join(s.dir, "a.pem"), []byte("junk"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.apply(fleet(twoCertificates + ", flows_max: 100"))
			s.mu.Lock()
			b := s.bound["l"]
			s.mu.Unlock()
			if b.OK || !strings.Contains(b.Reason, "a.pem") {
				t.Errorf("junk was taken for a certificate: %+v", b)
			}
			if _, c := hello(t, port, "a.example"); c.SerialNumber.Cmp(good.SerialNumber) != 0 {
				t.Error("the good certificate is gone")
			}
			// The first connection saw nothing of all that.
			if protocol == "tcp" {
				_, _ = line(old)
				_, _ = io.WriteString(old, "still here\n")
				if got, err := line(old); got != "still here" {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			_, _ = old.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0, 0, 0, 4, 0, 0, 0, 0, 0))
			var frame [9]byte
			if _, err := io.ReadFull(old, frame[:]); err != nil || frame[3] != 4 {
				t.Errorf("its connection is gone: %v", err)
			}
		})
	}
}

// TestAnAbsentCertificateIsARefusal, with the file's name, and it is mended by
// trying again.
func TestAnAbsentCertificateIsARefusal(t *testing.T) {
	one := serveHTTP(t, "b1", nil)
	port := freePort(t)
	s := setUp(t, pool("", "", one.backend)+listener("https", port, ", tls: {certificates: [{chain: a.pem, key: a.key}]}"))
	if b := s.bound["l"]; b.OK || !strings.Contains(b.Reason, "a.pem") {
		t.Errorf("%+v", b)
	}
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
		_ = c.Close()
		t.Error("a listener without its certificate takes connections")
	}
	issue(t, s.dir, "a", time.Hour, "a.example")
	if again := s.proxy.Retry(); len(again) != 1 || !again[0].OK {
		t.Errorf("%+v", again)
	}
	hello(t, port, "a.example")
}

// TestPassthrough: TLS goes through untouched, to the pool of its name.
func TestPassthrough(t *testing.T) {
	dir := t.TempDir()
	server := func(name string) *backend {
		pair := issue(t, dir, name, time.Hour, name+".example")
		return serveTCP(t, name, func(c *net.TCPConn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
			_, _ = io.WriteString(s, name+"\n")
			_, _ = io.Copy(s, s)
		})
	}
	one, two, rest := server("one"), server("two"), server("rest")
	port := freePort(t)
	var y strings.Builder
	y.WriteString("pools:\n")
	for _, b := range []*backend{one, two, rest} {
		fmt.Fprintf(&y, "- {name: p%s, site: here, backends: [{name: %s, address: 127.0.0.1, port: %d}]}\n", b.name, b.name, b.port)
	}
	fmt.Fprintf(&y, "listeners:\n- {name: l, site: here, protocol: tls-passthrough, port: %d, pool: prest, sni: [{name: one.example, pool: pone}, {name: '*.two.example', pool: ptwo}]}\n", port)
	s := setUp(t, y.String())
	for name, want := range map[string]string{
		"one.example": "one", "ONE.example": "one", "a.two.example": "two", "a.b.two.example": "rest", "two.example": "rest", "": "rest",
	} {
		c, cert := hello(t, port, name)
		got, err := line(c)
		if got != want || cert.Subject.CommonName != want+".example" {
			t.Errorf("%q reached %q with %s, %v", name, got, cert.Subject.CommonName, err)
		}
	}
	// A long ClientHello, in as many pieces as it has bytes.
	var raw bytes.Buffer
	h := tls.Client(struct{ net.Conn }{recorder{&raw}}, &tls.Config{ServerName: "one.example", InsecureSkipVerify: true, NextProtos: strings.Split(strings.Repeat("some-protocol,", 150)+"h2", ",")})
	_ = h.Handshake()
	if raw.Len() < 2000 {
		t.Fatalf("a ClientHello of %d bytes", raw.Len())
	}
	before := s.reading("one").Totals.Requests
	c := dial(t, port)
	_ = c.SetNoDelay(true)
	for _, b := range raw.Bytes() {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is passed on", func() bool { return s.reading("one").Totals.Requests == before+1 })
	// What is no TLS has no name and no place.
	errors := s.reading("l").Totals.Errors
	c = dial(t, port)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("it was answered: %q", b)
	}
	eventually(t, "it is counted", func() bool { return s.reading("l").Totals.Errors > errors })
}

// recorder keeps what is written and never answers.
type recorder struct{ w io.Writer }

func (r recorder) Read([]byte) (int, error)       { return 0, io.EOF }
func (r recorder) Write(b []byte) (int, error)    { return r.w.Write(b) }
func (recorder) Close() error                     { return nil }
func (recorder) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (recorder) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recorder) SetDeadline(time.Time) error      { return nil }
func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }
