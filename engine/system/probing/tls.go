package probing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
)

// handshake does TLS and checks the certificate: its name, its chain and its
// end, unless the probe says otherwise.
func (r *Runner) handshake(ctx context.Context, c net.Conn, l probe.Launch, host string) (t net.Conn, warning string, err error) {
	check := l.Probe.TLS
	name := check.ServerName
	if name == "" {
		name = host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
	}
	config := &tls.Config{ServerName: name, InsecureSkipVerify: check.Insecure, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if check.CA != "" {
		if config.RootCAs, err = r.rootsOf(check.CA); err != nil {
			return nil, "", unableError{err}
		}
	}
	tc := tls.Client(c, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, "", certificateWords(err)
	}
	if end := endOf(tc.ConnectionState().VerifiedChains); !end.IsZero() {
		if left := time.Until(end); left < check.ExpiryWarn.D() {
			return tc, "its certificate ends in " + days(left), nil
		}
	}
	return tc, "", nil
}

// endOf is when the last of the chains stops being valid, each at its first
// certificate that ends; zero when none was verified.
func endOf(chains [][]*x509.Certificate) time.Time {
	var last time.Time
	for _, chain := range chains {
		var first time.Time
		for _, c := range chain {
			if first.IsZero() || c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(last) {
			last = first
		}
	}
	return last
}

// roots are a file's certificates, and what the file was when they were read.
type roots struct {
	pool     *x509.CertPool
	modified time.Time
	size     int64
}

// rootsOf returns the roots in a file. They are read again when it changed: a
// probe twice a second must not parse a bundle each time, and must not miss a
// new one.
func (r *Runner) rootsOf(name string) (*x509.CertPool, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read the roots: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.roots[name]; ok && old.modified.Equal(info.ModTime()) && old.size == info.Size() {
		return old.pool, nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the roots: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the roots: %s holds no certificate in PEM form", name)
	}
	r.roots[name] = roots{pool, info.ModTime(), info.Size()}
	return pool, nil
}

// days says a length of time by its largest unit, rounded down.
func days(d time.Duration) string {
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d < 2*time.Hour:
		return count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour")
	}
	return count(int(d.Hours()/24), "day")
}

// certificateWords says a refused certificate for people.
func certificateWords(err error) error {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var roots x509.SystemRootsError
	switch {
	case errors.As(err, &roots):
		return unableError{fmt.Errorf("this host has no roots to check certificates against: %w", err)}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if ago := time.Since(invalid.Cert.NotAfter); ago > 0 {
			return fmt.Errorf("its certificate expired %s ago", days(ago))
		}
		return errors.New("its certificate is not valid yet")
	case errors.As(err, &name):
		return fmt.Errorf("its certificate is not for %s", name.Host)
	case errors.As(err, &authority):
		return errors.New("its certificate is signed by an unknown authority")
	}
	return lacking("no TLS handshake", err)
}
