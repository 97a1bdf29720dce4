package profiles_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/profiles"
)

func TestEveryProfileIsAValidSpec(t *testing.T) {
	for _, name := range profiles.Names() {
		text, err := profiles.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := spec.Parse(name+".yaml", text)
		if err != nil {
			t.Errorf("%s:\n%v", name, err)
			continue
		}
		if f.Name != name {
			t.Errorf("profile %s names its fleet %s", name, f.Name)
		}
		if len(f.Drills) == 0 || len(f.Clients) == 0 {
			t.Errorf("profile %s has no drill or no clients", name)
		}
	}
	if _, err := profiles.Read("no-such"); err == nil {
		t.Error("a profile that does not exist was read")
	}
}

// TestStandInsAreOfTheOtherSite: in the profiles whose sites stand in for each
// other, a backend without a service of its own is the address of one with a
// service in another site, and waits as a backup. The loopback plan gives hosts
// their addresses, and these are written by hand.
func TestStandInsAreOfTheOtherSite(t *testing.T) {
	for name, want := range map[string]int{"multi-active": 4, "primary-secondary": 3, "three-sites": 0, "single-site": 0} {
		text, err := profiles.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := spec.Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		served := map[string]string{} // address to site
		for _, p := range f.Pools {
			for _, b := range p.Backends {
				if b.Service != nil {
					served[b.AddrPort()] = p.Site
				}
			}
		}
		count := 0
		for _, p := range f.Pools {
			for _, b := range p.Backends {
				if b.Service != nil {
					continue
				}
				count++
				if site := served[b.AddrPort()]; site == "" || site == p.Site || !b.Backup {
					t.Errorf("%s: backend %s at %s is of site %q (backup %t), for pool %s of %s", name, b.Name, b.AddrPort(), site, b.Backup, p.Name, p.Site)
				}
			}
		}
		if count != want {
			t.Errorf("%s has %d stand-ins, want %d", name, count, want)
		}
	}
}
