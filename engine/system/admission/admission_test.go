package admission_test

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// TestHostsAndPeopleJoin lets hosts in by any agent and people by the one with the
// root, and reads what the picture says of it.
func TestHostsAndPeopleJoin(t *testing.T) {
	r, first := newRig(t)
	second := r.join(first, "osaka-1")
	r.until("osaka-1 signs for its site", func() bool {
		p := first.Picture()
		return len(p.Joined) == 2 && p.Joined[0].Name == "osaka-1" && p.Joined[0].Signs == api.SignsSite && p.Joined[1].Signs == api.SignsAll
	})
	// Its delegate lets another one in while the root's host is away.
	third := r.join(second, "osaka-2")
	if got := third.holder.Self(); got != (identity.Name{Fleet: fleetName, Site: "osaka", Host: "osaka-2"}) {
		t.Errorf("it is %+v", got)
	}
	if len(third.holder.Credentials().Keys) != 1 {
		t.Error("it has no key for gossip")
	}
	// A person comes to an agent that cannot sign for people, and is sent on.
	token := r.token(first, api.IssueToken{Person: "mika", Role: api.RoleOperator})
	c, err := identity.Join(t.Context(), []string{third.address}, token, "")
	if err != nil {
		t.Fatal(err)
	}
	mika := must(identity.NewHolder(c, nil))
	if got := mika.Self(); got.Person != "mika" || got.Role != api.RoleOperator || len(c.Keys) > 0 {
		t.Errorf("she is %+v, with %d keys of hosts", got, len(c.Keys))
	}
	if left := time.Until(mika.Until()); left > identity.PersonLife || left < identity.PersonLife-time.Hour {
		t.Errorf("her certificate lasts %s", left)
	}
	conn := must(dial(mika, second.address))
	defer func() { _ = conn.Close() }()
	if got := says(conn, "hello"); got != "hello" {
		t.Errorf("she reads %q", got)
	}
	r.until("she is in the picture", func() bool {
		p := first.Picture()
		return len(p.People) == 2 && p.People[0].Name == "ada" && p.People[1].Name == "mika" && p.People[1].Role == api.RoleOperator
	})
	for _, a := range []*agent{first, second, third} {
		if strings.Contains(a.log.String(), strings.Split(token.Reveal(), ".")[2]) {
			t.Error("a log tells a secret")
		}
	}
}

// TestTwoAgentsOneToken brings one token to several agents at the same time.
func TestTwoAgentsOneToken(t *testing.T) {
	r, first := newRig(t)
	second := r.join(first, "osaka-1")
	r.until("osaka-1 signs for its site", func() bool { return first.Picture().Joined[0].Signs != "" })
	for range 5 {
		token := r.token(first, api.IssueToken{Site: "osaka"})
		var in atomic.Int32
		var all sync.WaitGroup
		for i, a := range []*agent{first, second, first, second} {
			all.Go(func() {
				name := []string{"osaka-2", "osaka-3", "osaka-3", "osaka-2"}[i]
				if _, err := identity.Join(t.Context(), []string{a.address}, token, name); err == nil {
					in.Add(1)
				} else if identity.ReasonOf(err) != api.ReasonTokenUsed {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		if all.Wait(); in.Load() != 1 {
			t.Fatalf("%d came in by one token", in.Load())
		}
		for _, name := range []string{"osaka-2", "osaka-3"} {
			if no := first.Admit(t.Context(), order(api.RemoveHost{Host: name})); no != nil && no[0].Reason != api.ReasonNothingToDo {
				t.Errorf("%s: %v", name, no)
			}
		}
	}
}

// TestNobodyJoinsWithoutAMajority: a token that cannot be marked as used lets nobody
// in, and is good when the facts can be written again. To renew needs no facts.
func TestNobodyJoinsWithoutAMajority(t *testing.T) {
	r, first := newRig(t)
	second := r.join(first, "osaka-1")
	token := r.token(first, api.IssueToken{Host: "osaka-2"})
	r.group.lose(true)
	if _, err := identity.Join(t.Context(), []string{first.address, second.address}, token, "osaka-2"); err == nil {
		t.Fatal("a host came in that nobody wrote down")
	}
	_, csr, err := identity.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	if g, err := second.holder.Renew(t.Context(), csr, first.address); err != nil || len(g.Chain) == 0 {
		t.Errorf("a host that is in cannot renew: %v", err)
	}
	r.group.lose(false)
	if _, err := identity.Join(t.Context(), []string{first.address}, token, "osaka-2"); err != nil {
		t.Errorf("the facts can be written again: %v", err)
	}
}

// TestWhatIsOverLetsNobodyIn: a token after its use, one that was taken back, one for
// another host, and one of another fleet.
func TestWhatIsOverLetsNobodyIn(t *testing.T) {
	r, first := newRig(t)
	join := func(token identity.Token, name string) error {
		_, err := identity.Join(t.Context(), []string{first.address}, token, name)
		return err
	}
	used := r.token(first, api.IssueToken{Host: "osaka-1"})
	if err := join(used, "osaka-1"); err != nil {
		t.Fatal(err)
	}
	want(t, "a stolen token after its use", join(used, "osaka-1"), api.ReasonTokenUsed)
	void := r.token(first, api.IssueToken{Site: "osaka"})
	r.admit(first, api.VoidToken{ID: void.ID}, "")
	if err := join(void, "osaka-2"); err == nil {
		t.Error("a token that was taken back lets somebody in")
	}
	other := r.token(first, api.IssueToken{Host: "osaka-2"})
	if err := join(other, "osaka-3"); err == nil {
		t.Error("a token for osaka-2 lets osaka-3 in")
	}
	foreign := must(identity.NewAuthority(fleetName, time.Now()))
	stranger := identity.NewToken(identity.Hash(foreign.Roots()[0]))
	want(t, "a token of another fleet", join(stranger, "osaka-2"), api.ReasonCertificateForeign)
}

// TestWhoIsRefused comes with every token that is not good, without a majority, and
// under a name that is taken. Nothing of it uses a good token up.
func TestWhoIsRefused(t *testing.T) {
	r, first := newRig(t)
	join := func(token identity.Token, name string) error {
		_, err := identity.Join(t.Context(), []string{first.address}, token, name)
		return err
	}
	good := r.token(first, api.IssueToken{})
	short := r.token(first, api.IssueToken{Host: "osaka-1", For: 1})
	void := r.token(first, api.IssueToken{Host: "osaka-1"})
	r.admit(first, api.VoidToken{ID: void.ID}, "")
	want(t, "an expired token", join(short, "osaka-1"), api.ReasonTokenExpired)
	want(t, "a token made void", join(void, "osaka-1"), api.ReasonTokenExpired)
	want(t, "a token of nobody", join(identity.NewToken(identity.Hash(r.root.Roots()[0])), "osaka-1"), api.ReasonTokenUnknown)
	want(t, "another fleet's", join(identity.NewToken([32]byte{1}), "osaka-1"), api.ReasonCertificateForeign)
	want(t, "a host that the spec lacks", join(good, "kyoto-1"), api.ReasonNoSuchTarget)
	want(t, "a name that is taken", join(good, "tokyo-1"), api.ReasonNameTaken)
	r.group.lose(true)
	want(t, "no majority", join(good, "osaka-1"), api.ReasonHostUnreachable)
	r.admit(first, api.VoidToken{ID: good.ID}, api.ReasonHostUnreachable)
	r.group.lose(false)
	if err := join(good, "osaka-1"); err != nil {
		t.Errorf("a no used the token up: %v", err)
	}
	want(t, "stolen after its use", join(good, "osaka-2"), api.ReasonTokenUsed)
	if _, refused := first.door.Counts(); refused < 7 {
		t.Errorf("%d refusals were counted", refused)
	}
}

// TestRemovalCutsAndLasts removes a host whose connection stands, and starts an
// agent that knew of it while nobody else can be reached.
func TestRemovalCutsAndLasts(t *testing.T) {
	r, first := newRig(t)
	second := r.join(first, "tokyo-2")
	before := second.holder.Credentials()
	stands := must(dial(second.holder, first.address))
	defer func() { _ = stands.Close() }()
	if got := says(stands, "hello"); got != "hello" {
		t.Fatalf("it reads %q", got)
	}
	r.admit(first, api.RemoveHost{Host: "tokyo-2"}, "")
	if got := says(stands, "still here"); got == "still here" {
		r.until("its connection is cut", func() bool { return says(stands, "still here") != "still here" })
	}
	r.until("it knows that it was removed", func() bool { return second.Removed() != nil })
	_, gone := first.RemovedAt("host/tokyo-2")
	if first.port.Counts().Cut == 0 || !gone {
		t.Errorf("counted: %+v", first.port.Counts())
	}
	r.until("it is written down", func() bool {
		again, err := admission.New(admission.Options{Dir: first.dir, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		_, gone := again.RemovedAt("host/tokyo-2")
		return gone
	})
	// It comes back by a token, and what it was before stays refused.
	back := r.join(first, "tokyo-2")
	if back.Removed() != nil {
		t.Errorf("who joined anew: %v", back.Removed())
	}
	old := must(identity.NewHolder(before, nil))
	if c, err := dial(old, first.address); err == nil {
		if got := says(c, "hello"); got == "hello" {
			t.Error("the certificate from before is let in")
		}
		_ = c.Close()
	}
}
