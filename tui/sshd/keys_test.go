package sshd

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/netip"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// public is a public key as a line of the file has it.
func public(t testing.TB, key any) (gossh.PublicKey, string) {
	t.Helper()
	p, err := gossh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.TrimSpace(string(gossh.MarshalAuthorizedKey(p)))
}

func ed(t testing.TB) (gossh.PublicKey, string) {
	t.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public(t, key)
}

// What a line's options admit, and what is wrong with those that admit nobody.
func TestLines(t *testing.T) {
	key, text := ed(t)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		options string
		from    string
		is      string // role, or why not
	}{
		{`role="viewer"`, "192.0.2.1", "viewer"},
		{`ROLE="admin"`, "192.0.2.1", "admin"},
		{`role="operator",restrict,no-pty`, "192.0.2.1", "line: the option no-pty is not known"},
		{`role="operator",restrict,no-port-forwarding,no-X11-forwarding`, "192.0.2.1", "operator"},
		{``, "192.0.2.1", "line: it has no role"},
		{`role="root"`, "192.0.2.1", "line: role=\"root\" is none"},
		{`role=viewer`, "192.0.2.1", "line: the value of role stands in double quotes"},
		{`role`, "192.0.2.1", "line: the option role is not known"},
		{`role="viewer",command="ls"`, "192.0.2.1", "line: the option command is not known"},
		{`wallboard`, "192.0.2.1", "wallboard"},
		{`wallboard,role="viewer"`, "192.0.2.1", "wallboard"},
		{`wallboard,role="admin"`, "192.0.2.1", "line: a wallboard only looks"},
		{`revoked`, "192.0.2.1", "no: the key is revoked"},
		{`cert-authority,role="viewer"`, "192.0.2.1", "line: an authority needs principals"},
		{`cert-authority,role="viewer",principals="a,,b"`, "192.0.2.1", "line: principals has an empty name"},
		{`cert-authority,role="viewer",principals="a"`, "192.0.2.1", "no: the key is not known"},
		{`role="viewer",principals="a"`, "192.0.2.1", "line: principals go with cert-authority"},
		{`role="viewer",expiry-time="20261124120000Z"`, "192.0.2.1", "no: line 1 has expired"},
		{`role="viewer",expiry-time="20261124120001Z"`, "192.0.2.1", "viewer"},
		{`role="viewer",expiry-time="202611241200Z"`, "192.0.2.1", "no: line 1 has expired"},
		{`role="viewer",expiry-time="20261125"`, "192.0.2.1", "viewer"},
		{`role="viewer",expiry-time="tomorrow"`, "192.0.2.1", "line: expiry-time=\"tomorrow\" is no time"},
		{`role="viewer",expiry-time="20261301"`, "192.0.2.1", "line: expiry-time"},
		{`role="viewer",from="192.0.2.0/24"`, "192.0.2.1", "viewer"},
		{`role="viewer",from="192.0.2.0/24"`, "192.0.3.1", "no: line 1 does not admit this address"},
		{`role="viewer",from="192.0.2.0/24,!192.0.2.1"`, "192.0.2.1", "no: line 1 does not admit"},
		{`role="viewer",from="!192.0.2.9"`, "192.0.2.1", "no: line 1 does not admit"}, // as with sshd: nothing was said of the others
		{`role="viewer",from="192.0.2.1"`, "::ffff:192.0.2.1", "viewer"},
		{`role="viewer",from="192.0.*"`, "192.0.9.9", "viewer"},
		{`role="viewer",from="192.0.2.?"`, "192.0.2.10", "no: line 1 does not admit"},
		{`role="viewer",from="2001:db8::/32"`, "2001:db8::1%eth0", "viewer"},
		{`role="viewer",from="example.net"`, "192.0.2.1", "line: from: \"example.net\" is no address"},
		{`role="viewer",from=""`, "192.0.2.1", "line: from"},
	} {
		k, flaws := parseKeys([]byte(x.options+" "+text+" mina\n"), time.UTC)
		g, err := k.admit(key, netip.MustParseAddr(x.from), now)
		got := string(g.role)
		switch {
		case len(flaws) > 0:
			got = "line: " + flaws[0].Text
			if err == nil {
				t.Errorf("%s: it has a flaw, and admits somebody", x.options)
			}
		case err != nil:
			got = "no: " + err.Error()
		case g.wallboard:
			got = "wallboard"
		}
		if !strings.HasPrefix(got, x.is) {
			t.Errorf("%s from %s: %q, want %q", x.options, x.from, got, x.is)
		}
	}
}

// The first line that fits holds, a flaw spoils its own line only, and a line
// that revokes holds wherever it stands.
func TestFile(t *testing.T) {
	key, text := ed(t)
	other, otherText := ed(t)
	k, flaws := parseKeys([]byte("# comment\n\n"+
		`role="admin",from="10.0.0.0/8" `+text+" office\r\n"+
		`role="viewer" `+text+" mina \x1b[31m\n"+
		"nonsense\n"+`role="admin" `+otherText+"\n"+`revoked `+otherText+"\n"+
		`role="viewer" ssh-ed25519 AAAA broken`+"\n"), time.UTC)
	if len(flaws) != 2 || flaws[0].Line != 5 || flaws[1].Line != 8 {
		t.Errorf("flaws: %v", flaws)
	}
	for from, want := range map[string]string{"10.1.2.3": "admin", "192.0.2.1": "viewer"} {
		if g, err := k.admit(key, netip.MustParseAddr(from), time.Now()); err != nil || string(g.role) != want {
			t.Errorf("from %s: %s, %v", from, g.role, err)
		}
	}
	if g, _ := k.admit(key, netip.MustParseAddr("192.0.2.1"), time.Now()); strings.ContainsRune(g.name, 0x1b) {
		t.Errorf("the comment is %q", g.name)
	}
	if _, err := k.admit(other, netip.MustParseAddr("192.0.2.1"), time.Now()); err == nil {
		t.Error("a revoked key is admitted")
	}
	long, flaws := parseKeys([]byte("# "+strings.Repeat("x", keyLineMax)+"\n"+`role="viewer" `+text+"\n"), time.UTC)
	if len(flaws) != 1 || long.count != 0 {
		t.Errorf("behind a line that is too long: %d lines hold, %v", long.count, flaws)
	}
}

func TestWeakKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, weakText := public(t, &weak.PublicKey)
	_, goodText := public(t, &good.PublicKey)
	k, flaws := parseKeys([]byte(`role="viewer" `+weakText+"\n"+`role="viewer" `+goodText+"\n"), time.UTC)
	if k.count != 1 || len(flaws) != 1 || !strings.Contains(flaws[0].String(), "line 1: an RSA key needs 2048 bits") {
		t.Errorf("%d lines hold, %v", k.count, flaws)
	}
}

// Whatever a file says, it is read, and a line with a flaw admits nobody.
func FuzzKeys(f *testing.F) {
	_, text := ed(f)
	f.Add([]byte(`role="viewer",from="10.0.0.0/8" `+text), "10.0.0.1")
	f.Add([]byte(`cert-authority,role="admin",principals="a" `+text), "::1")
	f.Add([]byte(`revoked,expiry-time="20270101" `+text), "")
	f.Fuzz(func(t *testing.T, file []byte, from string) {
		k, flaws := parseKeys(file, time.UTC)
		a, _ := netip.ParseAddr(from)
		for _, lines := range k.lines {
			for _, l := range lines {
				if l.role == "" {
					t.Fatalf("line %d has no role", l.number)
				}
				for _, x := range flaws {
					if x.Line == l.number {
						t.Fatalf("line %d has a flaw and holds: %s", l.number, x)
					}
				}
				_, _ = k.admit(l.key, a, time.Now())
			}
		}
	})
}
