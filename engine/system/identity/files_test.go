package identity_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	files := must(identity.OpenFiles(dir))
	if _, err := files.LoadHost(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a host that has not joined: %v", err)
	}
	if _, err := files.LoadAuthority(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a host that is no authority: %v", err)
	}
	a := must(identity.NewAuthority(fleet, time.Now()))
	a = must(a.Succeed(time.Now()))
	c := credentials(a, time.Now(), host("tokyo-1"), time.Hour)
	c.Keys = [][]byte{{1, 2, 3}, {4}}
	if err := errors.Join(files.SaveHost(c), files.SaveAuthority(a)); err != nil {
		t.Fatal(err)
	}
	back := must(files.LoadHost())
	if !back.Key.Equal(c.Key) || !reflect.DeepEqual(back.Keys, c.Keys) || !identity.Same(back.Chain, c.Chain) || !identity.Same(back.Roots, c.Roots) {
		t.Error("the credentials came back as others")
	}
	b := must(files.LoadAuthority())
	if !identity.Same(a.Chain(), b.Chain()) || b.Fleet() != fleet || !b.Root() {
		t.Error("the authority came back as another")
	}
	if _, err := (identity.Trust{Fleet: fleet, Roots: a.Roots()}).Accept(time.Now(), credentials(b, time.Now(), host("tokyo-2"), time.Hour).Chain, x509.ExtKeyUsageServerAuth); err != nil {
		t.Errorf("what it signs: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if i, _ := e.Info(); i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), i.Mode().Perm())
		}
	}
	for _, name := range []string{"host.pem", "authority.pem", "bundle.pem"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := files.LoadHost(); err == nil {
		t.Error("a key that others can read is used")
	}
	if _, err := files.LoadAuthority(); err == nil {
		t.Error("an authority's key that others can read is used")
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.OpenFiles(dir); err == nil {
		t.Error("a directory that others can look into is used")
	}
}

// TestDamagedFiles cuts and changes each file. None makes a panic, or half of an
// identity.
func TestDamagedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	files := must(identity.OpenFiles(dir))
	a := must(identity.NewAuthority(fleet, time.Now()))
	if err := errors.Join(files.SaveHost(credentials(a, time.Now(), host("tokyo-1"), time.Hour)), files.SaveAuthority(a)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"host.pem", "bundle.pem", "authority.pem"} {
		path := filepath.Join(dir, name)
		whole := must(os.ReadFile(path))
		for _, damaged := range [][]byte{{}, whole[:40], whole[:len(whole)/2], append([]byte("-----BEGIN X-----\n-----END X-----\n"), whole...), make([]byte, 2<<20)} {
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := files.LoadHost()
			if err == nil {
				_, err = identity.NewHolder(c, nil)
			}
			b, err2 := files.LoadAuthority()
			if err == nil && err2 == nil && len(damaged) < 1000 {
				t.Errorf("%s of %d bytes of %d is read as %v", name, len(damaged), len(whole), b.Fleet())
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
