package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	gossh "golang.org/x/crypto/ssh"
)

// HostKey reads the host's key, and makes one the first time. Two processes that
// begin at once get the same one: a key appears under its name whole, or another
// one's has been there before.
func HostKey(path string) (gossh.Signer, error) {
	for range 2 {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			if err := makeHostKey(path); err != nil {
				return nil, fmt.Errorf("sshd: make the host key %s: %w", path, err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sshd: read the host key: %w", err)
		}
		i, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("sshd: read the host key: %w", err)
		}
		if i.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("sshd: others may read the host key %s (mode %04o), so it may not be ours alone: chmod 600 it, or remove it and have every client learn a new one", path, i.Mode().Perm())
		}
		key, err := gossh.ParsePrivateKey(b)
		if err != nil {
			return nil, fmt.Errorf("sshd: the host key %s: %w; remove it to get a new one, which every client must learn", path, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("sshd: the host key %s does not stay where it is put", path)
}

func makeHostKey(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := gossh.MarshalPrivateKey(private, "holdfast")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what came to be there meanwhile.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
