package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// The files of a host's identity, in a directory of the state directory.
//
//	host.pem       private key and chain of the host, in one file so that they
//	               change together
//	bundle.pem     the roots that it trusts
//	keyring.pem    the keys that the fleet's hosts share
//	authority.pem  private key and chain of an authority, where one is
const (
	hostFile      = "host.pem"
	bundleFile    = "bundle.pem"
	keyringFile   = "keyring.pem"
	authorityFile = "authority.pem"
)

// fileMax is far more than any of the files needs.
const fileMax = 1 << 20

// Files is the directory of a host's identity. Only its owner can look in.
type Files struct{ dir string }

// OpenFiles opens the directory, and makes it when there is none.
func OpenFiles(dir string) (Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, fmt.Errorf("identity: %w", err)
	}
	i, err := os.Lstat(dir)
	if err != nil {
		return Files{}, fmt.Errorf("identity: %w", err)
	}
	if !i.IsDir() {
		return Files{}, fmt.Errorf("identity: %s is no directory", dir)
	}
	if i.Mode().Perm()&0o077 != 0 {
		return Files{}, fmt.Errorf("identity: others can look into %s, where keys are kept; close it with «chmod 700 %s», and if others were on this machine, remove this host and join anew", dir, dir)
	}
	return Files{dir: dir}, nil
}

// write replaces a file whole: after a crash it is the old one or the new one.
func (f Files) write(name string, text []byte) error {
	path := filepath.Join(f.dir, name)
	if err := durable.Replace(path, text); err != nil {
		return fmt.Errorf("identity: write %s: %w", path, err)
	}
	return nil
}

func (f Files) read(name string) ([]byte, error) {
	path := filepath.Join(f.dir, name)
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	defer func() { _ = file.Close() }()
	i, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if i.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("identity: others can read %s; close it with «chmod 600 %s», and if others were on this machine, remove this host and join anew", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, fileMax+1))
	if err == nil && len(text) > fileMax {
		err = fmt.Errorf("more than %d bytes", fileMax)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: read %s: %w", path, err)
	}
	return text, nil
}

// Credentials are what a host is: its key, its chain, the roots it trusts, and
// the keys for gossip that all hosts share. A person has none of the last.
type Credentials struct {
	Key   ed25519.PrivateKey
	Chain []*x509.Certificate
	Roots []*x509.Certificate
	Keys  [][]byte
}

// SaveHost stores credentials. The roots go first: with new roots and an old
// chain a host is still known and still knows others.
func (f Files) SaveHost(c Credentials) error {
	if err := f.write(bundleFile, encodePEM(nil, c.Roots)); err != nil {
		return err
	}
	var keys []byte
	for _, k := range c.Keys {
		keys = append(keys, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: k})...)
	}
	if err := f.write(keyringFile, keys); err != nil {
		return err
	}
	return f.write(hostFile, encodePEM(c.Key, c.Chain))
}

// keyBlock is the type of a key in the keyring's file.
const keyBlock = "HOLDFAST KEY"

func (f Files) loadKeys() (keys [][]byte, err error) {
	text, err := f.read(keyringFile)
	if err != nil {
		return nil, err
	}
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return keys, checkKeys(keys)
		}
		if b.Type != keyBlock {
			return nil, fmt.Errorf("identity: read %s: a block of type %.40q", filepath.Join(f.dir, keyringFile), b.Type)
		}
		keys = append(keys, b.Bytes)
	}
}

// LoadHost reads what SaveHost stored. The error is os.ErrNotExist for a host
// that has not joined.
func (f Files) LoadHost() (Credentials, error) {
	roots, err := f.read(bundleFile)
	if err != nil {
		return Credentials{}, err
	}
	own, err := f.read(hostFile)
	if err != nil {
		return Credentials{}, err
	}
	var c Credentials
	if c.Keys, err = f.loadKeys(); err != nil {
		return Credentials{}, err
	}
	if _, c.Roots, err = decodePEM(roots); err != nil {
		return Credentials{}, fmt.Errorf("identity: read %s: %w", filepath.Join(f.dir, bundleFile), err)
	}
	if c.Key, c.Chain, err = decodePEM(own); err == nil && (c.Key == nil || len(c.Chain) == 0) {
		err = errors.New("it lacks a key or a certificate")
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("identity: read %s: %w", filepath.Join(f.dir, hostFile), err)
	}
	return c, nil
}

// SaveAuthority stores an authority with its key.
func (f Files) SaveAuthority(a *Authority) error {
	return f.write(authorityFile, encodePEM(a.key, a.chain))
}

// LoadAuthority reads what SaveAuthority stored. The error is os.ErrNotExist on
// a host that is none.
func (f Files) LoadAuthority() (*Authority, error) {
	text, err := f.read(authorityFile)
	if err != nil {
		return nil, err
	}
	key, chain, err := decodePEM(text)
	if err == nil && key == nil {
		err = errors.New("it lacks a key")
	}
	if err != nil {
		return nil, fmt.Errorf("identity: read %s: %w", filepath.Join(f.dir, authorityFile), err)
	}
	return Delegated(key, chain)
}

func encodePEM(key ed25519.PrivateKey, chain []*x509.Certificate) []byte {
	var text []byte
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil { // it cannot be for this type of key
			panic("identity: " + err.Error())
		}
		text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func decodePEM(text []byte) (ed25519.PrivateKey, []*x509.Certificate, error) {
	var key ed25519.PrivateKey
	var chain []*x509.Certificate
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return key, chain, nil
		}
		switch b.Type {
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
			if err != nil {
				return nil, nil, errors.New("the private key cannot be read") // no bytes of it in an error
			}
			var ok bool
			if key, ok = k.(ed25519.PrivateKey); !ok {
				return nil, nil, errors.New("the private key is not Ed25519")
			}
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, nil, err
			}
			if chain = append(chain, c); len(chain) > chainMax {
				return nil, nil, fmt.Errorf("more than %d certificates", chainMax)
			}
		default:
			return nil, nil, fmt.Errorf("a block of type %.40q", b.Type)
		}
	}
}
