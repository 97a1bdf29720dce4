package id_test

import (
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/id"
)

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "shop-tokyo-1", strings.Repeat("a", id.NameLengthMax)} {
		if err := id.CheckName(good); err != nil {
			t.Errorf("CheckName(%q) = %v, want nil", good, err)
		}
	}
	for _, bad := range []string{"", "1a", "-a", "a-", "A", "a b", "a/b", "é", "a\x1b[2J", strings.Repeat("a", id.NameLengthMax+1)} {
		if id.CheckName(bad) == nil {
			t.Errorf("CheckName(%q) = nil, want an error", bad)
		}
	}
}

func TestParseRefReadsWhatStringPrints(t *testing.T) {
	for _, kind := range id.Kinds() {
		want := id.To(kind, "x1")
		got, err := id.ParseRef(want.String())
		if err != nil || got != want {
			t.Errorf("ParseRef(%q) = %v, %v; want %v", want.String(), got, err, want)
		}
	}
	for _, bad := range []string{"", "backend", "backend/", "/x", "node/x", "backend/A", "backend/a/b"} {
		if got, err := id.ParseRef(bad); err == nil {
			t.Errorf("ParseRef(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("backend/shop-tokyo-1")
	f.Add("/")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := id.ParseRef(s); err == nil && r.String() != s {
			t.Errorf("ParseRef(%q) prints as %q", s, r.String())
		}
	})
}
