package specfile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// issue writes a certificate and its key.
func issue(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
}

const text = `fleet: named
sites: [{name: a, hosts: [{name: a-1}]}]
probes:
  - {name: run, kind: exec, exec: {command: [PROGRAM]}}
  - {name: safe, kind: https, tls: {ca: ROOTS}}
pools:
  - {name: p, site: a, probe: run, backends: [{name: b, port: 80, address: 10.0.0.1}]}
listeners:
  - {name: l, site: a, protocol: https, port: 8443, pool: p, tls: {certificates: [{chain: CHAIN, key: KEY}]}}
`

// TestEveryFile breaks one file at a time.
func TestEveryFile(t *testing.T) {
	dir := t.TempDir()
	issue(t, dir, "a")
	issue(t, dir, "b")
	write(t, filepath.Join(dir, "check"), "#!/bin/sh\n", 0o700)
	write(t, filepath.Join(dir, "data"), "junk", 0o600)
	write(t, filepath.Join(dir, "huge"), strings.Repeat("x", 5<<20), 0o600)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, key, value, want string }{
		{"all is well", "", "", ""},
		{"a program of PATH", "PROGRAM", "sh", ""},
		{"a whole name", "ROOTS", filepath.Join(dir, "b.pem"), ""},
		{"no such program", "PROGRAM", "./nosuch", "fleet.yaml:4:46: probes[0].exec.command[0]: the program " + dir + "/nosuch cannot be run: no such file"},
		{"none of PATH", "PROGRAM", "holdfast-nosuch", `there is no program "holdfast-nosuch" in PATH`},
		{"not executable", "PROGRAM", "./data", "cannot be run: permission denied"},
		{"a folder runs", "PROGRAM", "./folder", "folder is no file"},
		{"no roots", "ROOTS", "nosuch.pem", "fleet.yaml:5:41: probes[1].tls.ca: the roots " + dir + "/nosuch.pem cannot be read: no such file"},
		{"junk for roots", "ROOTS", "data", "data holds no certificate"},
		{"no chain", "CHAIN", "nosuch.pem", "fleet.yaml:9:91: listeners[0].tls.certificates[0].chain: the certificate chain " + dir + "/nosuch.pem cannot be read"},
		{"a folder", "CHAIN", "folder", "folder is no file"},
		{"a pipe that nobody writes to", "CHAIN", "pipe", "pipe is no file"},
		{"too large", "CHAIN", "huge", "has 5242880 bytes; at most"},
		{"another's key", "KEY", "b.key", "fleet.yaml:9:103: listeners[0].tls.certificates[0].key: " + dir + "/b.key does not go with " + dir + "/a.pem"},
		{"junk for a key", "KEY", "data", "does not go with"},
	} {
		t.Run(c.what, func(t *testing.T) {
			x := text
			for k, v := range map[string]string{"PROGRAM": "./check", "ROOTS": "a.pem", "CHAIN": "a.pem", "KEY": "a.key"} {
				if k == c.key {
					v = c.value
				}
				x = strings.Replace(x, k, v, 1)
			}
			f, err := specfile.Read("fleet.yaml", []byte(x), dir)
			var errs spec.Errors
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
				if f.Listeners[0].TLS.Certificates[0].Chain != filepath.Join(dir, "a.pem") {
					t.Errorf("the chain is %s", f.Listeners[0].TLS.Certificates[0].Chain)
				}
			case !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(err.Error(), c.want) || f != nil:
				t.Errorf("got:\n%v\nwant one with:\n%s", err, c.want)
			}
		})
	}
}

// TestNowhere: what is relative needs a directory, and one that is whole.
func TestNowhere(t *testing.T) {
	_, err := specfile.Read("fleet.yaml", []byte(strings.Replace(text, "PROGRAM", "./check", 1)), "")
	var errs spec.Errors
	if !errors.As(err, &errs) || len(errs) < 3 || !strings.Contains(err.Error(), `"ROOTS" is relative, and this spec comes from no directory`) {
		t.Error(err)
	}
	if _, err := specfile.Read("fleet.yaml", []byte(text), "etc"); err == nil || !strings.Contains(err.Error(), "is relative") {
		t.Error(err)
	}
}
