package setup_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/setup"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

const text = "fleet: demo\nsites:\n  - name: tokyo\n    hosts:\n      - {name: tokyo-1, address: 10.0.0.1}\n"

func newFleet(t *testing.T) setup.Fleet {
	t.Helper()
	f, err := spec.Parse("fleet.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("", "hf") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	return setup.Fleet{
		Spec: f, Kept: statedir.Kept{Revision: 1, Name: "fleet.yaml", By: "ada", At: time.Now(), Text: text},
		Host: "tokyo-1", State: filepath.Join(root, "state"), Config: filepath.Join(root, "agent.yaml"), Person: "ada", PersonDir: filepath.Join(root, "ada"),
	}
}

func TestInit(t *testing.T) {
	f := newFleet(t)
	if err := setup.Init(f); err != nil {
		t.Fatal(err)
	}
	files, err := identity.OpenFiles(setup.Identity(f.State))
	if err != nil {
		t.Fatal(err)
	}
	root, err := files.LoadAuthority()
	if err != nil || !root.Root() {
		t.Fatalf("the authority: %v", err)
	}
	trust := identity.Trust{Fleet: "demo", Roots: root.Roots()}
	host, err := files.LoadHost()
	if err != nil || len(host.Keys) != 1 {
		t.Fatalf("the host: %v", err)
	}
	if p, err := trust.Accept(time.Now(), host.Chain, x509.ExtKeyUsageServerAuth); err != nil || p.Host != "tokyo-1" || p.Site != "tokyo" {
		t.Errorf("the host's certificate: %+v, %v", p, err)
	}
	people, err := identity.OpenFiles(f.PersonDir)
	if err != nil {
		t.Fatal(err)
	}
	ada, err := people.LoadHost()
	if err != nil || len(ada.Keys) != 0 {
		t.Fatalf("the admin: %v", err)
	}
	if p, err := trust.Accept(time.Now(), ada.Chain, x509.ExtKeyUsageClientAuth); err != nil || p.Person != "ada" || p.Role != api.RoleAdmin {
		t.Errorf("the admin's certificate: %+v, %v", p, err)
	}
	if _, err := people.LoadAuthority(); err == nil {
		t.Error("the admin has the authority's key")
	}
	if c, err := agentfile.Load(f.Config); err != nil || c.Host != "tokyo-1" || c.Address != "10.0.0.1" || c.State != f.State {
		t.Errorf("the configuration: %+v, %v", c, err)
	}
	// A second time nothing is written over.
	before, err := os.ReadFile(filepath.Join(setup.Identity(f.State), "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := setup.Init(f); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a second fleet: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(setup.Identity(f.State), "authority.pem")); string(after) != string(before) {
		t.Error("the authority was written over")
	}
}

func TestInitLeavesNothingBehind(t *testing.T) {
	f := newFleet(t)
	f.Host = "tokyo-9"
	if err := setup.Init(f); err == nil {
		t.Error("a host that the spec lacks")
	}
	f.Host = "tokyo-1"
	if err := os.WriteFile(f.Config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := setup.Init(f); err == nil {
		t.Error("a configuration was written over")
	}
	for _, path := range []string{setup.Identity(f.State), f.PersonDir} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was left", path)
		}
	}
}
