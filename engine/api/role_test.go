package api_test

import (
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// The whole table of who may ask for what.
func TestRoles(t *testing.T) {
	least := map[string]api.Role{
		"weight": api.RoleOperator, "drain": api.RoleOperator, "undrain": api.RoleOperator, "force": api.RoleOperator, "unforce": api.RoleOperator,
		"fault-clear": api.RoleOperator, "drill-abort": api.RoleOperator,
		"fault": api.RoleAdmin, "drill-run": api.RoleAdmin, "apply": api.RoleAdmin, "rollback": api.RoleAdmin,
		"token": api.RoleAdmin, "token-void": api.RoleAdmin, "remove": api.RoleAdmin, "remove-person": api.RoleAdmin, "keys-rotate": api.RoleAdmin,
	}
	rank := map[api.Role]int{api.RoleViewer: 0, api.RoleOperator: 1, api.RoleAdmin: 2}
	for _, c := range api.Commands() {
		need, ok := least[c.Verb()]
		if !ok {
			t.Errorf("%s: who may ask for it?", c.Verb())
			continue
		}
		for _, r := range append(api.Roles(), "", "root") {
			at, known := rank[r]
			may := known && at >= rank[need]
			no := r.Refuses(c)
			if (len(no) == 0) != may {
				t.Errorf("%s asked for by %q: %v; it may: %t", c.Verb(), r, no, may)
			}
			if !may && (no[0].Reason != api.ReasonNotAllowed || no[0].Warning || !strings.Contains(no[0].String(), string(need))) {
				t.Errorf("%s by %q: %q", c.Verb(), r, no[0])
			}
		}
	}
}

func TestParseRole(t *testing.T) {
	for _, r := range api.Roles() {
		if got, ok := api.ParseRole(string(r)); !ok || got != r {
			t.Errorf("%s is read as %q, %t", r, got, ok)
		}
	}
	for _, s := range []string{"", "Admin", "root", "viewer "} {
		if r, ok := api.ParseRole(s); ok {
			t.Errorf("%q is read as %s", s, r)
		}
	}
	if api.Role("").Includes("") || api.Role("root").Includes(api.RoleViewer) {
		t.Error("what is no role includes something")
	}
}
