package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// issue writes what all hosts of all stores need: the identities of a fleet, and an
// ordinary authority with a certificate for each, as etcd wants it. Both are
// Ed25519.
func issue(dir string, at map[string]string, client string) error {
	authority, err := identity.NewAuthority("bench", time.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	keys := make([]byte, 32)
	if _, err := rand.Read(keys); err != nil {
		return err
	}
	_, caKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, "ca.crt"), "CERTIFICATE", raw); err != nil {
		return err
	}
	n := int64(1)
	one := func(name, address string) error {
		n++
		key, csr, err := identity.NewRequest()
		if err != nil {
			return err
		}
		chain, err := authority.SignFor(time.Now(), csr, identity.Name{Fleet: "bench", Site: "bench", Host: name}, 24*time.Hour)
		if err != nil {
			return err
		}
		files, err := identity.OpenFiles(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := files.SaveHost(identity.Credentials{Key: key, Chain: chain, Roots: authority.Roots(), Keys: [][]byte{keys}}); err != nil {
			return err
		}
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.ParseIP(address), net.IPv4(127, 0, 0, 1)}, // a host calls from the latter, and etcd looks
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		raw, err := x509.CreateCertificate(rand.Reader, c, ca, public, caKey)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", raw); err != nil {
			return err
		}
		pkcs, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return err
		}
		return writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", pkcs)
	}
	for host, address := range at {
		if err := one(host, address); err != nil {
			return err
		}
	}
	return one(client, "127.0.0.1")
}

func writePEM(path, kind string, b []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600)
}
