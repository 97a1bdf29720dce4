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
