package probing

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Bounds on an answer.
const (
	headMax = 32 << 10
	bodyMax = 64 << 10
)

// web carries out an HTTP or HTTPS probe. The request is written by hand and
// the connection is used once: a transport with its pool would cost three times
// as much and find out less.
func web(ctx context.Context, l probe.Launch) (warning string, err error) {
	c, err := dial(ctx, "tcp", l.Address)
	if err != nil {
		return "", err
	}
	reset(c)
	defer func() { _ = c.Close() }()
	h := l.Probe.HTTP
	name := h.Host
	if name == "" {
		name = l.Address
	}
	if l.Probe.Kind == spec.ProbeHTTPS {
		t, w, err := handshake(ctx, c, l, name)
		if err != nil {
			return "", err
		}
		c, warning = t, w
	}
	if err := ask(c, h, name); err != nil {
		return "", err
	}
	r := bufio.NewReaderSize(io.LimitReader(c, headMax+bodyMax), 4096)
	resp, err := http.ReadResponse(r, &http.Request{Method: h.Method})
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if !expected(resp.StatusCode, h.Status) {
		return "", fmt.Errorf("status %d, expected %s", resp.StatusCode, strings.Join(h.Status, " or "))
	}
	if h.Body == "" {
		return warning, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMax))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(body), h.Body) {
		return "", fmt.Errorf("%q is not in the first %d bytes of the body", h.Body, len(body))
	}
	return warning, nil
}

func ask(w io.Writer, h *spec.HTTPCheck, host string) error {
	var b strings.Builder
	b.WriteString(h.Method + " " + h.Path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: holdfast-probe\r\nConnection: close\r\n")
	if h.Method == http.MethodPost {
		b.WriteString("Content-Length: 0\r\n")
	}
	for k, v := range h.Headers {
		b.WriteString(k + ": " + v + "\r\n")
	}
	b.WriteString("\r\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func expected(status int, ranges []string) bool {
	for _, r := range ranges {
		if first, last, err := spec.StatusRange(r); err == nil && status >= first && status <= last {
			return true
		}
	}
	return false
}

// handshake does TLS and checks the certificate: its name, its chain and its
// end, unless the probe says otherwise.
func handshake(ctx context.Context, c net.Conn, l probe.Launch, host string) (net.Conn, string, error) {
	t := l.Probe.TLS
	name := t.ServerName
	if name == "" {
		name = host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
	}
	config := &tls.Config{ServerName: name, InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, "", unableError{fmt.Errorf("read the roots: %w", err)}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, "", unableError{fmt.Errorf("%s holds no certificate", t.CA)}
		}
	}
	tc := tls.Client(c, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, "", certificateWords(err)
	}
	if t.Insecure {
		return tc, "", nil
	}
	end := tc.ConnectionState().PeerCertificates[0].NotAfter
	if left := time.Until(end); left < t.ExpiryWarn.D() {
		return tc, "its certificate ends in " + days(left), nil
	}
	return tc, "", nil
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// certificateWords says a refused certificate for people.
func certificateWords(err error) error {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
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
	return err
}
