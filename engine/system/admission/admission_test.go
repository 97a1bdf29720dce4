package admission_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
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
