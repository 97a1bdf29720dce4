package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

const (
	asClient = x509.ExtKeyUsageClientAuth
	asServer = x509.ExtKeyUsageServerAuth
)

func TestWhatACertificateMustBe(t *testing.T) {
	ours, theirs := must(identity.NewAuthority(fleet, start)), must(identity.NewAuthority(fleet, start))
	other := must(identity.NewAuthority("other", start))
	tokyo := credentials(ours, start, host("tokyo-1"), identity.HostLife)
	mika := credentials(ours, start, identity.Name{Fleet: fleet, Person: "mika", Role: api.RoleViewer}, time.Hour)
	trust := identity.Trust{Fleet: fleet, Roots: ours.Roots()}
	both := identity.Trust{Fleet: fleet, Roots: append(ours.Roots(), other.Roots()...)}
	for name, c := range map[string]struct {
		trust  identity.Trust
		chain  []*x509.Certificate
		use    x509.ExtKeyUsage
		at     time.Duration
		reason api.Reason
	}{
		"good":                      {trust, tokyo.Chain, asServer, 0, ""},
		"good as a client":          {trust, tokyo.Chain, asClient, 0, ""},
		"without what vouches":      {trust, tokyo.Chain[:1], asClient, 0, ""},
		"a clock that is behind":    {trust, tokyo.Chain, asClient, -identity.Backdate, ""},
		"a clock far behind":        {trust, tokyo.Chain, asClient, -identity.Backdate - time.Second, api.ReasonCertificateEarly},
		"at its end":                {trust, tokyo.Chain, asClient, identity.HostLife, ""},
		"over":                      {trust, tokyo.Chain, asClient, identity.HostLife + time.Second, api.ReasonCertificateExpired},
		"none":                      {trust, nil, asClient, 0, api.ReasonCertificateMissing},
		"no root is trusted":        {identity.Trust{Fleet: fleet}, tokyo.Chain, asClient, 0, api.ReasonCertificateForeign},
		"same name, other root":     {trust, credentials(theirs, start, host("tokyo-1"), time.Hour).Chain, asClient, 0, api.ReasonCertificateForeign},
		"another fleet's root too":  {both, credentials(other, start, identity.Name{Fleet: "other", Site: "tokyo", Host: "tokyo-1"}, time.Hour).Chain, asClient, 0, api.ReasonCertificateForeign},
		"the authority itself":      {trust, ours.Chain(), asClient, 0, api.ReasonCertificateInvalid},
		"a person":                  {trust, mika.Chain, asClient, 0, ""},
		"a person as a server":      {trust, mika.Chain, asServer, 0, api.ReasonCertificateInvalid},
		"a chain of hundreds":       {trust, append(tokyo.Chain[:1:1], make([]*x509.Certificate, 200)...), asClient, 0, api.ReasonCertificateInvalid},
		"the root is over":          {trust, tokyo.Chain, asClient, identity.RootLife * 2, api.ReasonCertificateExpired},
		"an authority has vouched":  {trust, append(tokyo.Chain[:1:1], theirs.Chain()...), asClient, 0, ""},
		"only the leaf's is theirs": {trust, append(credentials(theirs, start, host("tokyo-1"), time.Hour).Chain[:1:1], ours.Chain()...), asClient, 0, api.ReasonCertificateForeign},
	} {
		p, err := c.trust.Accept(start.Add(c.at), c.chain, c.use)
		want(t, name, err, c.reason)
		if c.reason == "" && p.Fleet != fleet {
			t.Errorf("%s: who it is was not read: %+v", name, p)
		}
	}
	p := must(trust.Accept(start, mika.Chain, asClient))
	if p.Person != "mika" || p.Role != api.RoleViewer || p.Host != "" {
		t.Errorf("mika's certificate is read as %+v", p)
	}
	if err := p.IsHost("tokyo-1"); identity.ReasonOf(err) != api.ReasonCertificateForeign {
		t.Errorf("a person answers for a host: %v", err)
	}
}

// TestRemovalEndsWhatWasBefore holds that a removal refuses every certificate
// from before it, and none that its host gets by joining anew.
func TestRemovalEndsWhatWasBefore(t *testing.T) {
	a := must(identity.NewAuthority(fleet, start))
	gone := &removed{}
	trust := identity.Trust{Fleet: fleet, Roots: a.Roots(), Removals: gone}
	before := credentials(a, start, host("tokyo-1"), identity.HostLife)
	other := credentials(a, start, host("tokyo-2"), identity.HostLife)
	peer := must(trust.Accept(start, before.Chain, asClient))
	gone.remove("host/tokyo-1", start.Add(time.Minute))
	after := credentials(a, start.Add(2*time.Minute), host("tokyo-1"), identity.HostLife)
	at := start.Add(3 * time.Minute)
	_, err := trust.Accept(at, before.Chain, asClient)
	want(t, "a certificate from before", err, api.ReasonRemoved)
	_, err = trust.AcceptRenewal(at, before.Chain)
	want(t, "its renewal", err, api.ReasonRemoved)
	want(t, "a connection that stands", trust.Still(peer), api.ReasonRemoved)
	_, err = trust.Accept(at, after.Chain, asClient)
	want(t, "one from after", err, "")
	_, err = trust.Accept(at, other.Chain, asClient)
	want(t, "another host", err, "")

	// An agent that had not heard of the removal renewed it.
	_, csr, _ := identity.NewRequest()
	_, err = trust.Accept(at, must(a.Admit(at, csr, peer.Name, peer.Joined)), asClient)
	want(t, "one that was renewed after the removal", err, api.ReasonRemoved)
}

func TestRenewalHasGrace(t *testing.T) {
	a := must(identity.NewAuthority(fleet, start))
	trust := identity.Trust{Fleet: fleet, Roots: a.Roots()}
	tokyo := credentials(a, start, host("tokyo-1"), identity.HostLife)
	mika := credentials(a, start, identity.Name{Fleet: fleet, Person: "mika", Role: api.RoleAdmin}, time.Hour)
	end := start.Add(identity.HostLife)
	if _, err := trust.AcceptRenewal(end.Add(identity.RenewGrace), tokyo.Chain); err != nil {
		t.Errorf("a host that was off for a month: %v", err)
	}
	_, err := trust.AcceptRenewal(end.Add(identity.RenewGrace+time.Second), tokyo.Chain)
	want(t, "longer", err, api.ReasonCertificateExpired)
	_, err = trust.AcceptRenewal(start.Add(time.Hour), mika.Chain)
	want(t, "a person in time", err, "")
	_, err = trust.AcceptRenewal(start.Add(time.Hour+time.Second), mika.Chain)
	want(t, "a person too late", err, api.ReasonCertificateExpired)
}

// TestSuccession walks through the exchange of a root. Hosts that know only the
// old one, both, or only the new one, talk to each other at every step at which
// the runbook lets them be.
func TestSuccession(t *testing.T) {
	old := must(identity.NewAuthority(fleet, start))
	next := must(old.Succeed(start.Add(time.Hour)))
	at := start.Add(2 * time.Hour)
	byOld, byNext := credentials(old, at, host("tokyo-1"), time.Hour), credentials(next, at, host("tokyo-2"), time.Hour)
	byLast := credentials(next.Forget(), at, host("tokyo-3"), time.Hour)
	oldOnly, both, nextOnly := old.Roots(), next.Roots(), next.Forget().Roots()
	if len(both) != 2 || len(nextOnly) != 1 || !nextOnly[0].Equal(both[0]) || !both[1].Equal(oldOnly[0]) {
		t.Fatalf("the bundles have %d, %d and %d roots", len(oldOnly), len(both), len(nextOnly))
	}
	for name, c := range map[string]struct {
		roots  []*x509.Certificate
		chain  []*x509.Certificate
		reason api.Reason
	}{
		"old meets old":   {oldOnly, byOld.Chain, ""},
		"old meets new":   {oldOnly, byNext.Chain, ""},
		"both meet old":   {both, byOld.Chain, ""},
		"both meet new":   {both, byNext.Chain, ""},
		"both meet last":  {both, byLast.Chain, ""},
		"new meets new":   {nextOnly, byNext.Chain, ""},
		"new meets old":   {nextOnly, byOld.Chain, api.ReasonCertificateForeign},
		"old meets last":  {oldOnly, byLast.Chain, api.ReasonCertificateForeign},
		"new meets last":  {nextOnly, byLast.Chain, ""},
		"nobody is known": {nil, byNext.Chain, api.ReasonCertificateForeign},
	} {
		_, err := identity.Trust{Fleet: fleet, Roots: c.roots}.Accept(at, c.chain, asClient)
		want(t, name, err, c.reason)
	}
}

// TestDelegatesStayInTheirSite holds that the authority of a site can neither
// make hosts of others, nor people, nor authorities, nor outlive its host.
func TestDelegatesStayInTheirSite(t *testing.T) {
	root := must(identity.NewAuthority(fleet, start))
	key, csr, err := identity.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	site := must(identity.Delegated(key, must(root.Delegate(start, csr, host("osaka-1"), start))))
	gone := &removed{}
	trust := identity.Trust{Fleet: fleet, Roots: root.Roots(), Removals: gone}
	at := start.Add(60 * 24 * time.Hour) // long after the root was last seen
	good := credentials(site, at, host("osaka-2"), identity.HostLife)
	if _, err := trust.Accept(at, good.Chain, asServer); err != nil {
		t.Errorf("a host of its site: %v", err)
	}
	_, err = trust.Accept(at, credentials(site, at, host("tokyo-2"), identity.HostLife).Chain, asServer)
	want(t, "a host of another site", err, api.ReasonCertificateInvalid)
	_, err = trust.Accept(at, credentials(site, at, identity.Name{Fleet: fleet, Person: "eve", Role: api.RoleAdmin}, time.Hour).Chain, asClient)
	want(t, "a person", err, api.ReasonCertificateInvalid)
	if _, err := site.Delegate(at, csr, host("osaka-2"), at); err == nil {
		t.Error("a delegate delegated")
	}
	if _, err := site.Succeed(at); err == nil {
		t.Error("a delegate has a successor")
	}
	if site.Root() || !root.Root() {
		t.Error("who is a root is mistaken")
	}
	_, err = trust.Accept(start.Add(identity.DelegateLife+time.Hour), credentials(site, start.Add(identity.DelegateLife-time.Hour), host("osaka-2"), identity.HostLife).Chain, asServer)
	want(t, "after its end", err, api.ReasonCertificateExpired)
	gone.remove("host/osaka-1", at)
	_, err = trust.Accept(at, good.Chain, asServer)
	want(t, "after its host was removed", err, api.ReasonRemoved)
	last := must(root.Succeed(start)) // and a delegate of a root in its succession
	late := must(identity.Delegated(key, must(last.Delegate(start, csr, host("osaka-3"), start))))
	if _, err := trust.Accept(start, credentials(late, start, host("osaka-2"), time.Hour).Chain, asServer); err != nil {
		t.Errorf("a delegate of a root that is vouched for: %v", err)
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	a := must(identity.NewAuthority(fleet, start))
	_, csr, _ := identity.NewRequest()
	ecKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ec := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ecKey))
	forged := append([]byte{}, csr...)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		csr  []byte
		name identity.Name
		life time.Duration
	}{
		"another fleet":         {csr, identity.Name{Fleet: "other", Site: "s", Host: "h"}, time.Hour},
		"no name":               {csr, identity.Name{Fleet: fleet}, time.Hour},
		"a host without a site": {csr, identity.Name{Fleet: fleet, Host: "h"}, time.Hour},
		"a host with a role":    {csr, identity.Name{Fleet: fleet, Site: "s", Host: "h", Role: api.RoleAdmin}, time.Hour},
		"a person without":      {csr, identity.Name{Fleet: fleet, Person: "mika"}, time.Hour},
		"a role of nobody":      {csr, identity.Name{Fleet: fleet, Person: "mika", Role: "root"}, time.Hour},
		"both":                  {csr, identity.Name{Fleet: fleet, Site: "s", Host: "h", Person: "mika", Role: api.RoleAdmin}, time.Hour},
		"a path in a name":      {csr, identity.Name{Fleet: fleet, Site: "s", Host: "h/role/admin"}, time.Hour},
		"too long":              {csr, host("tokyo-1"), identity.HostLife + 1},
		"no time":               {csr, host("tokyo-1"), 0},
		"no request":            {nil, host("tokyo-1"), time.Hour},
		"another kind of key":   {ec, host("tokyo-1"), time.Hour},
		"another's key":         {forged, host("tokyo-1"), time.Hour},
		"a huge one":            {make([]byte, 1<<20), host("tokyo-1"), time.Hour},
	} {
		if _, err := a.SignFor(start, c.csr, c.name, c.life); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	if _, err := a.Sign(start.Add(identity.RootLife+time.Hour), csr, host("tokyo-1")); identity.ReasonOf(err) != api.ReasonCertificateExpired {
		t.Errorf("an authority that is over signs: %v", err)
	}
}

// TestScheduleLeavesTime holds, for any life, jitter and row of failures, that a
// renewal is due in the middle of the life, that tries never stop and never
// crowd, and that the stages come in their order.
func TestScheduleLeavesTime(t *testing.T) {
	order := map[identity.Stage]int{identity.StageFresh: 0, identity.StageDue: 1, identity.StageLate: 2, identity.StageExpired: 3}
	rapid.Check(t, func(t *rapid.T) {
		life := time.Duration(rapid.Int64Range(int64(time.Hour), int64(identity.DelegateLife)).Draw(t, "life"))
		s := identity.Schedule{From: start, Until: start.Add(life), Jitter: rapid.Float64Range(0, 0.999).Draw(t, "jitter")}
		first := s.Next().Sub(start)
		if first < life/2 || first > life*2/3+1 {
			t.Fatalf("of %s, due after %s", life, first)
		}
		if got := s.Stage(start); got != identity.StageFresh {
			t.Fatalf("it begins %s", got)
		}
		stage := identity.StageFresh
		for range rapid.IntRange(1, 200).Draw(t, "failures") {
			next := s.Next()
			if s.Failures > 0 && next.Sub(s.Tried) < 20*time.Second || next.Sub(s.Tried) > 20*time.Minute && s.Failures > 0 {
				t.Fatalf("after %d failures the next try is %s later", s.Failures, next.Sub(s.Tried))
			}
			if got := s.Stage(next); order[got] < order[stage] || got == identity.StageFresh {
				t.Fatalf("it is %s after %s", got, stage)
			} else {
				stage = got
			}
			s = s.Failed(next)
		}
		if s.Stage(s.Until.Add(1)) != identity.StageExpired || s.Stage(s.Until.Add(-life/10)) != identity.StageLate {
			t.Fatal("the end is not told")
		}
	})
}
